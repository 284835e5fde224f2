// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// Every endpoint once, results written as they come.
struct CheckPass: Sendable {
  let plan: CheckPlan
  let checker: any Checker
  let sources: [any TargetSource]
  let reporter: Reporter

  /// - Returns: how many results were not as expected.
  func runOnce() async -> Int {
    var unexpected = 0
    await forEachOutcome { line in
      await reporter.report(line)
      if !plan.expectation.isMet(by: line.result.state) { unexpected += 1 }
    }
    return unexpected
  }

  /// Checks everything that the sources give.
  private func forEachOutcome(_ body: (ResultLine) async -> Void) async {
    let names = NameTable()
    let pacer = makePacer()
    let reporter = reporter
    let feed = EndpointFeed(
      sources: sources, family: plan.options.family, names: names, pacer: pacer
    ) { fault in await reporter.report(fault) }
    for await outcome in checker.outcomes(of: feed, options: plan.options, concurrency: plan.concurrency) {
      pacer?.end()
      let name = names.take(outcome.index)
      switch settle(outcome, name: name) {
      case .result(let line): await body(line)
      case .fault(let fault): await reporter.report(fault)
      case .cancelled: break
      }
      // Once interrupted the stream ends by itself, with what was under way as cancelled.
    }
  }

  enum Settled {
    case result(ResultLine)
    case fault(FaultLine)
    case cancelled
  }

  /// What an outcome is to the output, received now.
  func settle(_ outcome: CheckOutcome, name: String?, round: ResultLine.Round? = nil) -> Settled {
    let time = realtimeNanoseconds()
    switch outcome.result {
    case .success(let result):
      return .result(ResultLine(time: time, endpoint: outcome.endpoint, name: name, result: result, round: round))
    case .failure(let error):
      if error.code == .cancelled || error.code == .shutDown { return .cancelled }
      let target = name ?? "\(outcome.endpoint.host)"
      return .fault(FaultLine(time: time, target: target, port: outcome.endpoint.port, error: error))
    }
  }

  func makePacer() -> Pacer? {
    guard case .perSecond(let rate) = plan.rate else { return nil }
    return Pacer(rate: rate, limit: plan.concurrency)
  }
}
