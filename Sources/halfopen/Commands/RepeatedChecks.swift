// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// The same endpoints round after round: `--count` and `--until`.
struct RepeatedChecks: Sendable {
  let pass: CheckPass
  let interruption: Interruption

  private struct Member: Sendable {
    var endpoint: Endpoint
    var name: String?
    var statistics = PingStatistics()
    var last: ResultLine?
    var fault: FaultLine?
    var isDone = false
  }

  /// - Parameter rounds: nil goes on until it is interrupted.
  /// - Returns: how many endpoints were not as expected in their last result.
  func run(rounds: Int?, interval: Duration) async -> Int {
    var members = await collect()
    var round = 0
    let start = Instant.now
    while !members.isEmpty, rounds.map({ round < $0 }) ?? true, !Task.isCancelled {
      await sleep(until: start, plus: interval, times: round)
      guard !Task.isCancelled else { break }
      round += 1
      let label = ResultLine.Round(number: round, of: rounds)
      await check(Array(members.indices), of: members, round: label) { index, settled in
        switch settled {
        case .result(let line):
          members[index].statistics.add(line.result)
          members[index].last = line
          await pass.reporter.report(line)
        case .fault(let fault): await pass.reporter.report(fault)
        case .cancelled: break
        }
      }
    }
    for member in members {
      if let last = member.last { await pass.reporter.report(member.statistics, for: last) }
    }
    return members.count { $0.last.map { !pass.plan.expectation.isMet(by: $0.result.state) } ?? false }
  }

  /// Text shows an endpoint when its state changes, JSON every result.
  /// - Returns: how many endpoints never came to be as wanted.
  func run(until expectation: Expectation, within limit: Duration, interval: Duration) async -> Int {
    var members = await collect()
    let start = Instant.now
    let end = start.advanced(by: limit)
    var round = 0
    let showsAll = pass.plan.format == .jsonl || pass.plan.isVerbose
    while !Task.isCancelled {
      let waiting = members.indices.filter { !members[$0].isDone }
      if waiting.isEmpty { return 0 }
      // A round that took longer than the interval has used up time that the grid knows nothing of.
      let next = max(start.advanced(by: interval * round), .now)
      if round > 0, next >= end { break }
      await sleep(until: start, plus: interval, times: round)
      guard !Task.isCancelled else { break }
      round += 1
      await check(waiting, of: members, round: nil, until: end) { index, settled in
        switch settled {
        case .result(let line):
          let isNews = members[index].last?.result.state != line.result.state
          members[index].last = line
          members[index].fault = nil
          members[index].isDone = expectation.isMet(by: line.result.state)
          await pass.reporter.report(line, isShown: isNews || showsAll)
        case .fault(let fault):
          if members[index].fault == nil || showsAll { await pass.reporter.show(fault) }
          members[index].fault = fault
        case .cancelled: break
        }
      }
    }
    // A fault that passed while there was time, such as a name that did not exist yet, is none.
    for member in members { if let fault = member.fault { pass.reporter.count(fault) } }
    let missing = members.count { !$0.isDone }
    if missing > 0, !Task.isCancelled, !pass.plan.isQuiet {
      Diagnostics.say(
        "gave up waiting: \(missing) of \(members.count) not \(expectation.rawValue); allow more with --max-time")
    }
    return missing
  }

  private func collect() async -> [Member] {
    let names = NameTable()
    let reporter = pass.reporter
    let feed = EndpointFeed(sources: pass.sources, family: pass.plan.options.family, names: names, pacer: nil) {
      fault in await reporter.report(fault)
    }
    var members: [Member] = []
    for await endpoint in feed {
      members.append(Member(endpoint: endpoint, name: names.take(members.count)))
    }
    return members
  }

  /// - Parameter end: when no check is worth waiting for any longer. What is under way then is cancelled.
  private func check(
    _ indices: [Int], of members: [Member], round: ResultLine.Round?, until end: Instant = .never,
    _ body: (Int, CheckPass.Settled) async -> Void
  ) async {
    let pacer = pass.makePacer()
    let endpoints = PacedList(endpoints: indices.map { members[$0].endpoint }, pacer: pacer)
    var options = pass.plan.options
    let concurrency = pass.plan.concurrency
    options.timeout = min(options.timeout, .nanoseconds(max(1, end.nanoseconds(since: .now))))
    for await outcome in pass.checker.outcomes(of: endpoints, options: options, concurrency: concurrency) {
      pacer?.end()
      let index = indices[outcome.index]
      await body(index, pass.settle(outcome, name: members[index].name, round: round))
      if end != .never, .now >= end { break }
    }
  }

  /// Rounds start on a fixed grid; one that took too long is followed at once.
  private func sleep(until start: Instant, plus interval: Duration, times round: Int) async {
    let wait = start.advanced(by: interval * round).nanoseconds(since: .now)
    if wait > 0 { try? await Task.sleep(for: .nanoseconds(wait)) }
  }
}

/// A list of endpoints, no faster than the pacer lets them through.
private struct PacedList: AsyncSequence, Sendable {
  typealias Element = Endpoint
  typealias Failure = Never

  let endpoints: [Endpoint]
  let pacer: Pacer?

  func makeAsyncIterator() -> Iterator { Iterator(rest: endpoints[...], pacer: pacer) }

  struct Iterator: AsyncIteratorProtocol {
    var rest: ArraySlice<Endpoint>
    let pacer: Pacer?

    mutating func next() async -> Endpoint? {
      guard !rest.isEmpty, await pacer?.start() ?? true else { return nil }
      return rest.popFirst()
    }
  }
}
