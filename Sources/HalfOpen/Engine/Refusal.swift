// SPDX-License-Identifier: Apache-2.0

/// Stands where an engine could not start: every check ends with the reason.
final class Refusal: Checker, CheckGate {
  private let error: CheckError

  init(_ error: CheckError) { self.error = error }

  func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult { throw error }

  func outcomes<Endpoints: Sequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint {
    CheckStream(gate: self, options: options, concurrency: concurrency) { SequenceSource(endpoints) }
  }

  func outcomes<Endpoints: AsyncSequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint, Endpoints.Failure == Never {
    CheckStream(gate: self, options: options, concurrency: concurrency) { AsyncSource(endpoints) }
  }

  func shutdown() async {}

  func request(
    for endpoint: Endpoint, options: CheckOptions, sink: any CheckSink, index: Int
  ) throws(CheckError) -> CheckRequest { throw error }

  func post(_ requests: [CheckRequest]) -> Bool { true }

  func cancel(_ sink: any CheckSink) {}
}
