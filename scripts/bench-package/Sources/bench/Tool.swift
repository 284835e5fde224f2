// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A scanner, its words for a job, and what it said in the end.
struct Tool: Hashable, Sendable {
  enum Kind: String, Sendable { case ours, masscan, zmap, nmap }

  var kind: Kind
  /// Ours: the way packets leave.
  var transmit = ""
  let path: String
  /// As it says itself.
  let version: String

  var name: String { kind == .ours ? "halfopen \(transmit)" : kind.rawValue }

  /// Zmap of 4 and later has several ports.
  var isOneProbeOneHost: Bool { kind == .zmap && version.contains(" 2.") }

  /// What a tool does beside the others.
  struct Pace: Hashable, Sendable {
    /// Packets a second; nil as fast as it can.
    var rate: Int?
    /// Nil for the tool's own default.
    var retries: Int?
    /// In seconds; nil for the tool's own default.
    var cooldown: Int?
  }

  /// How long it waits for late answers, as far as that is fixed.
  func cooldown(_ pace: Pace) -> Double? {
    switch kind {
    case .ours, .nmap: nil
    case .masscan: Double(pace.cooldown ?? 10)
    case .zmap: Double(pace.cooldown ?? 8)
    }
  }

  func retries(_ pace: Pace) -> Int {
    switch kind {
    case .ours: pace.retries ?? 1
    case .masscan, .zmap: pace.retries ?? 0
    case .nmap: pace.retries ?? 6
    }
  }

  func command(_ job: Job, _ pace: Pace, _ lab: Lab, output: String) -> [String] {
    switch kind {
    case .ours:
      return [
        path, "scan", job.hosts, "-p", job.ports, "--transmit", transmit, "--rate",
        pace.rate.map { "\($0)" } ?? "max", "--all-states", "--no-checkpoint", "-o", "jsonl=\(output)", "--no-progress",
        "-q",
      ] + (pace.retries.map { ["--retries", "\($0)"] } ?? [])
    case .masscan:
      let router = job.isIPv6 ? "--router-mac-ipv6" : "--router-mac"
      return [
        path, "--range", job.hosts, "-p\(job.ports)", "--rate", "\(pace.rate ?? 50_000_000)", "-e", Lab.interface,
        "--source-ip", job.isIPv6 ? "fd20::1" : Lab.source, router, lab.gatewayMAC, "--show", "closed", "-oL", output,
      ] + (pace.retries.map { ["--retries", "\($0)"] } ?? []) + (pace.cooldown.map { ["--wait", "\($0)"] } ?? [])
    case .zmap:
      return [
        path, "-C", "/dev/null", "-p", job.ports, "-r", "\(pace.rate ?? 50_000_000)", "-i", Lab.interface, "-G",
        lab.gatewayMAC, "-b",
        "/dev/null", "-q", "-v", "0", "--disable-syslog", "-O", "csv", "-f", "saddr,classification,sport", "-o",
        output, "--output-filter", "repeat = 0 || repeat = 1",
      ] + (pace.retries.map { ["-P", "\($0 + 1)"] } ?? []) + (pace.cooldown.map { ["-c", "\($0)"] } ?? []) + [job.hosts]
    case .nmap:
      return [path, "-sS", "-T4", "-Pn", "-n", "-p", job.ports, job.hosts, "-oX", output]
        + (pace.retries.map { ["--max-retries", "\($0)"] } ?? [])
        + (pace.rate.map { ["--min-rate", "\($0)"] } ?? [])
    }
  }
}

extension Tool {
  /// Holds its output against the truth.
  func tally(_ job: Job, output: String) -> Findings {
    var score = Score(job)
    let bytes = (try? Data(contentsOf: URL(fileURLWithPath: output))).map { [UInt8]($0) } ?? []
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      switch kind {
      case .ours: Tool.read(ours: line, into: &score)
      case .masscan: Tool.read(masscan: line, into: &score)
      case .zmap: Tool.read(zmap: line, job, into: &score)
      case .nmap: Tool.read(nmap: line, into: &score)
      }
    }
    switch kind {
    case .ours: return score.tally(telling: [.open, .closed, .unreachable])
    case .masscan: return score.tally(telling: [.open, .closed])
    // Of an ICMP error zmap names the router before version 3 (`saddr`); nmap counts many closed ports in one number.
    case .zmap: return score.tally(telling: [.open, .closed])
    case .nmap: return score.tally(telling: job.portCount == 1 ? [.open, .closed, .unreachable] : [.open])
    }
  }

  /// The longest round trip that ours saw, in seconds: its cooldown follows from it.
  static func longestRoundTrip(output: String) -> Double {
    let bytes = (try? Data(contentsOf: URL(fileURLWithPath: output))).map { [UInt8]($0) } ?? []
    var longest = 0.0
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      if let text = field("\"rtt_us\":", in: line, until: [UInt8(ascii: ","), UInt8(ascii: "}")]),
        let value = Double(String(decoding: text, as: UTF8.self))
      {
        longest = max(longest, value / 1e6)
      }
    }
    return longest
  }

  private static func read(ours line: ArraySlice<UInt8>, into score: inout Score) {
    guard let address = field("\"ip\":\"", in: line, until: [UInt8(ascii: "\"")]),
      let port = field("\"port\":", in: line, until: [UInt8(ascii: ",")]),
      let state = field("\"state\":\"", in: line, until: [UInt8(ascii: "\"")])
    else { return }
    let verdict: Verdict? =
      switch state.first {
      case UInt8(ascii: "o"): .open
      case UInt8(ascii: "c"): .closed
      case UInt8(ascii: "u"): .unreachable
      case UInt8(ascii: "n"): .silent
      default: nil
      }
    score.note(address, port, verdict)
  }

  private static func read(masscan line: ArraySlice<UInt8>, into score: inout Score) {
    let words = line.split(separator: UInt8(ascii: " "))
    guard words.count >= 4, words[1].elementsEqual("tcp".utf8) else { return }
    score.note(words[3], words[2], words[0].elementsEqual("open".utf8) ? .open : .closed)
  }

  private static func read(zmap line: ArraySlice<UInt8>, _ job: Job, into score: inout Score) {
    let words = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard words.count >= 3, words[0].first != UInt8(ascii: "s") else { return }
    let verdict: Verdict? =
      switch words[1].first {
      case UInt8(ascii: "s"): .open
      case UInt8(ascii: "r"): .closed
      default: nil
      }
    if let verdict { score.note(words[0], words[2], verdict) }
  }

  private static func read(nmap line: ArraySlice<UInt8>, into score: inout Score) {
    if let address = field("<address addr=\"", in: line, until: [UInt8(ascii: "\"")]) { score.host = address }
    var rest = line
    while let at = position(of: "<port protocol=\"tcp\" portid=\"", in: rest) {
      rest = rest[at...]
      guard let quote = rest.firstIndex(of: UInt8(ascii: "\"")),
        let state = field("<state state=\"", in: rest, until: [UInt8(ascii: "\"")]),
        let reason = field("reason=\"", in: rest, until: [UInt8(ascii: "\"")])
      else { return }
      let verdict: Verdict =
        state.first == UInt8(ascii: "o")
        ? .open
        : state.first == UInt8(ascii: "c")
          ? .closed : reason.elementsEqual("no-response".utf8) ? .silent : .unreachable
      score.note(score.host, rest[..<quote], verdict)
    }
    if let state = field("<extraports state=\"", in: line, until: [UInt8(ascii: "\"")]),
      let count = field("count=\"", in: line, until: [UInt8(ascii: "\"")])
    {
      score.noteMany(state, Int(String(decoding: count, as: UTF8.self)) ?? 0)
    }
  }
}

/// What stands behind the first `key` of a line; where it begins.
private func position(of key: String, in line: ArraySlice<UInt8>) -> Int? {
  let key = Array(key.utf8)
  guard line.count >= key.count else { return nil }
  var index = line.startIndex
  let last = line.endIndex - key.count
  while index <= last {
    if line[index] == key[0] {
      var length = 1
      while length < key.count, line[index + length] == key[length] { length += 1 }
      if length == key.count { return index + length }
    }
    index += 1
  }
  return nil
}

private func field(_ key: String, in line: ArraySlice<UInt8>, until ends: [UInt8]) -> ArraySlice<UInt8>? {
  guard let begin = position(of: key, in: line) else { return nil }
  let end = line[begin...].firstIndex { ends.contains($0) } ?? line.endIndex
  return line[begin..<end]
}

/// Counts what was said of each target.
private struct Score {
  private let job: Job
  private let truth: [Verdict]
  private var said: [UInt8]
  private var sums = Findings()
  var host: ArraySlice<UInt8> = []

  init(_ job: Job) {
    self.job = job
    truth = job.truth()
    said = [UInt8](repeating: 0, count: job.count)
  }

  mutating func note(_ address: ArraySlice<UInt8>, _ port: ArraySlice<UInt8>, _ verdict: Verdict?) {
    let port = port.reduce(0) { $0 * 10 + Int($1) - 48 }
    guard let verdict, let index = job.index(address: address, port: port) else { return sums.wrong += 1 }
    if said[index] != 0 { return sums.duplicates += 1 }
    said[index] = 1
    guard truth[index] == verdict else {
      // Who answered and is called silent is missed.
      if verdict != .silent { sums.wrong += 1 }
      return
    }
    switch verdict {
    case .open: sums.open += 1
    case .closed: sums.closed += 1
    case .unreachable: sums.unreachable += 1
    case .silent: sums.silent += 1
    }
  }

  mutating func noteMany(_ state: ArraySlice<UInt8>, _ count: Int) {
    if state.first == UInt8(ascii: "c") { sums.closed += count } else { sums.silent += count }
  }

  /// What was missed is what it would have told.
  func tally(telling verdicts: [Verdict]) -> Findings {
    var tally = sums
    let answering = truth.reduce(0) { $0 + (verdicts.contains($1) ? 1 : 0) }
    let found =
      (verdicts.contains(.open) ? sums.open : 0) + (verdicts.contains(.closed) ? sums.closed : 0)
      + (verdicts.contains(.unreachable) ? sums.unreachable : 0)
    tally.missed = answering - found
    return tally
  }
}
