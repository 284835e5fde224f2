// SPDX-License-Identifier: Apache-2.0

import CMeasure
import HalfOpen

/// Whole checks and sweeps on loopback, where nobody listens: what the kernel answers with a RST. Several threads take
/// part, so counts vary a little.
struct EngineBenchmark {
  let name: String
  let count: Int
  /// Does it so often; returns how many ended closed.
  let run: @Sendable (Int) async throws -> Int

  static let all: [EngineBenchmark] = [
    EngineBenchmark(name: "engine: sweep of closed ports", count: 1 << 17, run: sweep),
    EngineBenchmark(name: "engine: connect, stream", count: 50_000) { try await stream(ConnectEngine(), $0) },
    EngineBenchmark(name: "engine: packet, stream", count: 100_000) { try await stream(PacketEngine(), $0) },
    EngineBenchmark(name: "engine: connect, awaited", count: 20_000) { try await awaited(ConnectEngine(), $0) },
    EngineBenchmark(name: "engine: packet, awaited", count: 40_000) { try await awaited(PacketEngine(), $0) },
  ]

  /// What starting and ending costs is in both counts, so that the difference is without it.
  func measure(rounds: Int) async throws -> Measured {
    let fewer = count / 4
    try await closed(fewer)
    var measured = Measured()
    for _ in 0..<rounds {
      let start = meter_now()
      try await closed(count)
      measured.nanoseconds.append(Double(meter_now() - start) / Double(count))
    }
    // The least of three: others on the machine can only add, by rounds that find little to do.
    measured.taken = Taken(allocations: .infinity, calls: .infinity)
    for _ in 0..<3 {
      let taken = (try await counted(count) - (try await counted(fewer))) / (count - fewer)
      measured.taken.allocations = min(measured.taken.allocations, taken.allocations)
      measured.taken.calls = min(measured.taken.calls, taken.calls)
    }
    return measured
  }

  private func counted(_ count: Int) async throws -> Taken {
    let before = Taken.now
    count_allocations(1)
    try await closed(count)
    count_allocations(0)
    return Taken.now - before
  }

  private func closed(_ count: Int) async throws {
    let closed = try await run(count)
    guard closed == count else { throw Failure("\(name): \(count - closed) of \(count) did not end closed") }
  }

  @Sendable private static func sweep(_ count: Int) async throws -> Int {
    let last = count - 1
    let sweep = try Sweep(
      SweepTargets(["127.1.0.0-127.\(1 + last >> 16).\(last >> 8 & 255).\(last & 255)"], ports: "9"),
      configuration: SweepConfiguration(rate: .infinity, retries: 1, allStates: true))
    var closed = 0
    for try await batch in sweep.batches {
      for result in batch where result.verdict.state == .closed { closed += 1 }
    }
    return closed
  }

  private static func stream(_ checker: any Checker, _ count: Int) async throws -> Int {
    let endpoints = [Endpoint](repeating: try Endpoint("127.0.0.1:9"), count: count)
    var closed = 0
    for await outcome in checker.outcomes(of: endpoints, options: CheckOptions(), concurrency: 512)
    where (try? outcome.result.get())?.state == .closed {
      closed += 1
    }
    await checker.shutdown()
    return closed
  }

  private static func awaited(_ checker: any Checker, _ count: Int) async throws -> Int {
    let endpoint = try Endpoint("127.0.0.1:9")
    let closed = try await withThrowingTaskGroup(of: Int.self) { group in
      for index in 0..<64 {
        let share = count / 64 + (index < count % 64 ? 1 : 0)
        group.addTask {
          var closed = 0
          for _ in 0..<share where try await checker.check(endpoint, options: CheckOptions()).state == .closed {
            closed += 1
          }
          return closed
        }
      }
      return try await group.reduce(0, +)
    }
    await checker.shutdown()
    return closed
  }
}
