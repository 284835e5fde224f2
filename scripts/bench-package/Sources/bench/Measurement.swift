// SPDX-License-Identifier: Apache-2.0

import CMeasure
import Foundation

/// Something to measure: a program and its words, at one concurrency.
struct Side: Hashable, Sendable {
  enum Kind: String, Sendable { case connectTwin, handedTwin, rawTwin, connectEngine, packetEngine }

  var kind: Kind
  /// "await", "bulk" or, for a twin, nothing.
  var path = ""
  var concurrency: Int

  /// It checks by the kernel's connections.
  var connects: Bool { kind != .rawTwin && kind != .packetEngine }

  var title: String {
    switch kind {
    case .connectTwin: "(a) connect trick in C, one epoll thread"
    case .handedTwin: "(b) the same, handed over and awaited"
    case .rawTwin: "(c) raw SYNs and a capture in C, one thread"
    case .connectEngine: "ConnectEngine, \(path == "bulk" ? "stream" : "awaited")"
    case .packetEngine: "PacketEngine, \(path == "bulk" ? "stream" : "awaited")"
    }
  }

  /// For `--only`.
  var name: String {
    switch kind {
    case .connectTwin: "twin-connect-\(concurrency)"
    case .handedTwin: "twin-handed-\(concurrency)"
    case .rawTwin: "twin-raw-\(concurrency)"
    case .connectEngine: "connect-\(path)-\(concurrency)"
    case .packetEngine: "packet-\(path)-\(concurrency)"
    }
  }

  func command(_ programs: Programs, checks: Int, seconds: Double, port: UInt16, extra: [String] = []) -> [String] {
    let tail = ["\(concurrency)", "\(checks)", "\(seconds)", "\(port)"] + extra
    return switch kind {
    case .connectTwin: [programs.twins, "connect"] + tail
    case .handedTwin: [programs.twins, "handed"] + tail
    case .rawTwin: [programs.twins, "raw"] + tail
    case .connectEngine: [programs.bench, "side", "connect", path] + tail
    case .packetEngine: [programs.bench, "side", "packet", path] + tail
    }
  }
}

struct Programs: Sendable {
  let bench: String
  let twins: String
  let first: String

  init() {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    bench = own.path
    twins = own.deletingLastPathComponent().appendingPathComponent("twins").path
    first = own.deletingLastPathComponent().appendingPathComponent("first").path
  }
}

/// One run's figures. Times in microseconds a check.
struct Sample: Codable, Sendable {
  var checks: Double
  var others: Double
  var rate: Double
  /// Of all threads of the process.
  var cpu: Double
  var user: Double
  /// Of the engine's own thread.
  var loop: Double
  /// Of the whole machine, with what else ran on it.
  var machine: Double
  var softirq: Double
  var p50: Double?
  var p99: Double?
  var allocations: Double
  var bytes: Double

  init?(line: String) {
    var values: [Substring: Double] = [:]
    for word in line.split(separator: " ") {
      let parts = word.split(separator: "=")
      if parts.count == 2 { values[parts[0]] = Double(parts[1].trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    guard let checks = values["checks"], checks > 0, let wall = values["wall"], let user = values["user"],
      let system = values["system"]
    else { return nil }
    let each = { (key: Substring) in (values[key] ?? 0) * 1e6 / checks }
    self.checks = checks
    others = values["others"] ?? 0
    rate = checks / wall
    cpu = (user + system) * 1e6 / checks
    self.user = user * 1e6 / checks
    loop = each("loop")
    machine = each("busy")
    softirq = each("softirq")
    p50 = values["p50"]
    p99 = values["p99"]
    allocations = (values["allocations"] ?? 0) / checks
    bytes = (values["bytes"] ?? 0) / checks
  }
}

struct Failure: Error, CustomStringConvertible {
  var description: String
}

/// A program of ours that runs beside.
struct Spawned {
  private let pid: pid_t
  private let output: CInt

  init(_ command: [String]) throws {
    var words = command.map { strdup($0) }
    defer { words.forEach { free($0) } }
    words.append(nil)
    var output: CInt = -1
    pid = spawned_start(words, &output)
    self.output = output
    guard pid > 0 else { throw Failure(description: "'\(command[0])' does not start") }
  }

  /// What it prints until its end. A run is bounded by its own words; much later it is ended from here.
  func finish() throws -> String {
    var text = [CChar](repeating: 0, count: 4096)
    let status = spawned_finish(pid, output, &text, text.count, 60)
    guard status == 0 else { throw Failure(description: "ended with \(status)") }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Waits for its first word.
  func waitUntilReady() throws {
    var byte: UInt8 = 0
    guard read(output, &byte, 1) == 1 else { throw Failure(description: "no listener") }
  }

  func end() { spawned_end(pid, output) }
}

/// The kernel's counters of this network namespace: what went over the wire, by its own account.
func counter(_ name: String, in file: String) -> Int {
  let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
  let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
  for (keys, values) in zip(lines, lines.dropFirst()) where keys.first == values.first {
    if let index = keys.firstIndex(of: Substring(name)), index < values.count { return Int(values[index]) ?? 0 }
  }
  return 0
}
