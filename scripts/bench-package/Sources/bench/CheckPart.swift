// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The part `check`: both engines beside C twins against a listener that never accepts, sides in turn, medians. The part
/// `connect` leaves out the packet engine and its twin.
struct CheckPart {
  private let options: Options
  private let programs = Programs()
  private let port: UInt16 = 9

  private static let all: [Side] = {
    var sides: [Side] = []
    for concurrency in [1, 64, 512] {
      sides.append(Side(kind: .connectTwin, concurrency: concurrency))
      sides.append(Side(kind: .connectEngine, path: "await", concurrency: concurrency))
      if concurrency > 1 { sides.append(Side(kind: .connectEngine, path: "bulk", concurrency: concurrency)) }
      sides.append(Side(kind: .handedTwin, concurrency: concurrency))
      sides.append(Side(kind: .packetEngine, path: "await", concurrency: concurrency))
      if concurrency > 1 { sides.append(Side(kind: .packetEngine, path: "bulk", concurrency: concurrency)) }
      sides.append(Side(kind: .rawTwin, concurrency: concurrency))
    }
    return sides
  }()

  init(_ options: Options) { self.options = options }

  func run() throws {
    let conditions = Conditions()
    let listener = try Spawned([programs.twins, "listen", "\(port)"])
    defer { listener.end() }
    try listener.waitUntilReady()
    let netstat = "/proc/net/netstat"
    let before = ["EmbryonicRsts", "SyncookiesSent", "DelayedACKs"].map { counter($0, in: netstat) }
    let sides = Self.all.filter { side in
      (options.part == .check || side.connects) && options.only.map { side.name.contains($0) } ?? true
    }
    var samples: [Side: [Sample]] = [:]
    for round in 1...options.rounds {
      for side in sides {
        progress("round \(round) of \(options.rounds): \(side.name)")
        samples[side, default: []].append(try measure(side))
      }
    }
    var allocations: [Side: Sample] = [:]
    for side in sides where side.kind == .connectEngine || side.kind == .packetEngine {
      progress("allocations: \(side.name)")
      allocations[side] = try measure(side, extra: ["allocations"])
    }
    progress("")
    let after = ["EmbryonicRsts", "SyncookiesSent", "DelayedACKs"].map { counter($0, in: netstat) }
    let report = CheckReport(
      sides: sides.map { .init(side: $0, samples: samples[$0] ?? [], allocations: allocations[$0]) },
      counters: .init(
        embryonicResets: after[0] - before[0], cookies: after[1] - before[1], delayedACKs: after[2] - before[2]),
      conditions: conditions,
      limits: .init(rounds: options.rounds, seconds: options.seconds, checks: options.checks))
    print(report.markdown, terminator: "")
    if let file = options.output { try json(report).write(to: URL(fileURLWithPath: file)) }
  }

  private func measure(_ side: Side, extra: [String] = []) throws -> Sample {
    let command = side.command(
      programs, checks: options.checks, seconds: options.seconds, port: port, extra: extra)
    let text = try Spawned(command).finish()
    guard let sample = Sample(line: text) else { throw Failure(description: "\(side.name) said '\(text)'") }
    return sample
  }
}
