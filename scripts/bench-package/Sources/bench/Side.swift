// SPDX-License-Identifier: Apache-2.0

import CMeasure
import HalfOpen

/// One measured run of HalfOpen in a process of its own: `bench side ENGINE PATH CONCURRENCY CHECKS SECONDS PORT`, and
/// then `allocations` to count them, `target=ADDRESS` for another than loopback's, `engines=N` to share the checks.
struct SideRun {
  var engine: String
  var path: String
  var concurrency: Int
  var checks: Int
  var seconds: Double
  var port: UInt16
  var countsAllocations: Bool
  var target = "127.0.0.1"
  var engines = 1

  init?(_ words: [String]) {
    guard words.count >= 6, let concurrency = Int(words[2]), let checks = Int(words[3]),
      let seconds = Double(words[4]), let port = UInt16(words[5])
    else { return nil }
    engine = words[0]
    path = words[1]
    self.concurrency = concurrency
    self.checks = checks
    self.seconds = seconds
    self.port = port
    let extra = words.dropFirst(6)
    countsAllocations = extra.contains("allocations")
    for word in extra {
      if word.hasPrefix("target=") { target = String(word.dropFirst(7)) }
      if word.hasPrefix("engines=") { engines = max(1, Int(word.dropFirst(8)) ?? 1) }
    }
  }

  func run() async throws {
    let checkers: [any Checker] = try (0..<engines).map { _ -> any Checker in
      engine == "connect" ? try ConnectEngine() : try PacketEngine()
    }
    // A tenth of it first: arrays grow, captures open, `auto` finds out who resets.
    _ = try await turn(checkers, checks / 10, seconds / 10)
    var (before, after) = (meter(), meter())
    count_allocations(countsAllocations ? 1 : 0)
    meter_read(&before)
    var tally = try await turn(checkers, checks, seconds)
    meter_read(&after)
    count_allocations(0)
    meter_print(
      &before, &after, UInt64(tally.checks), UInt64(tally.others), &tally.latencies, UInt64(tally.latencies.count))
    for checker in checkers { await checker.shutdown() }
  }

  private func turn(_ checkers: [any Checker], _ checks: Int, _ seconds: Double) async throws -> Tally {
    let end = meter_now() + UInt64(seconds * 1e9)
    let endpoint = try Endpoint("\(target):\(port)")
    if path == "bulk" {
      return await withTaskGroup(of: Tally.self) { group in
        for checker in checkers { group.addTask { await bulk(checker, endpoint, checks / checkers.count, end) } }
        return await group.reduce(into: Tally()) { $0.add($1) }
      }
    }
    if concurrency == 1 { return try await one(checkers[0], endpoint, checks, end, keepsLatencies: true) }
    let concurrency = concurrency
    return try await withThrowingTaskGroup(of: Tally.self) { group in
      for index in 0..<concurrency {
        let share = checks / concurrency + (index < checks % concurrency ? 1 : 0)
        let checker = checkers[index % checkers.count]
        group.addTask { try await one(checker, endpoint, share, end, keepsLatencies: false) }
      }
      return try await group.reduce(into: Tally()) { $0.add($1) }
    }
  }
}

/// What a turn saw. Every check has to come back open: `others` are the rest.
struct Tally: Sendable {
  var checks = 0
  var others = 0
  var latencies: [UInt64] = []

  mutating func note(_ result: CheckResult?) {
    checks += 1
    if result?.state != .open { others += 1 }
  }

  mutating func add(_ other: Tally) {
    checks += other.checks
    others += other.others
  }
}

/// The awaiting path: one caller, one check at a time.
@concurrent
private func one(
  _ checker: any Checker, _ endpoint: Endpoint, _ checks: Int, _ end: UInt64, keepsLatencies: Bool
) async throws -> Tally {
  var tally = Tally()
  if keepsLatencies { tally.latencies.reserveCapacity(checks) }
  let options = CheckOptions()
  while tally.checks < checks {
    let start = meter_now()
    if start >= end { break }
    tally.note(try await checker.check(endpoint, options: options))
    if keepsLatencies { tally.latencies.append(meter_now() - start) }
  }
  return tally
}

extension SideRun {
  /// The stream.
  @concurrent
  fileprivate func bulk(_ checker: any Checker, _ endpoint: Endpoint, _ checks: Int, _ end: UInt64) async -> Tally {
    var tally = Tally()
    let endpoints = Timed(endpoint: endpoint, left: checks, end: end)
    for await outcome in checker.outcomes(of: endpoints, options: CheckOptions(), concurrency: concurrency) {
      tally.note(try? outcome.result.get())
    }
    return tally
  }
}

/// The same endpoint again and again, until a count or a moment is reached.
private struct Timed: Sequence, IteratorProtocol, Sendable {
  let endpoint: Endpoint
  var left: Int
  let end: UInt64

  mutating func next() -> Endpoint? {
    if left == 0 || (left & 63 == 0 && meter_now() >= end) { return nil }
    left -= 1
    return endpoint
  }
}
