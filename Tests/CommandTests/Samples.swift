// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire
import Synchronization

@testable import halfopen_command

/// Values that many tests start from.
enum Sample {
  static let address = IPAddress.v4(IPv4Address(192, 0, 2, 1))
  static let endpoint = Endpoint(address, port: 443)

  static func result(_ state: CheckResult.State = .open, rtt: Duration? = .nanoseconds(412_500)) -> CheckResult {
    let reason: Reason =
      switch state {
      case .open: .synAck
      case .closed: .reset
      case .unreachable: .adminProhibited
      case .noAnswer: .noResponse
      }
    return CheckResult(
      address: address, state: state, reason: reason, rtt: state == .noAnswer ? nil : rtt, transmissions: 1,
      handshake: state == .open ? .halfOpen : .none, backend: .connect)
  }

  static func line(_ result: CheckResult = result(), name: String? = nil) -> ResultLine {
    ResultLine(time: 1_767_323_045_678_901_234, endpoint: endpoint, name: name, result: result)
  }
}

/// A checker that answers from a closure, through the library's own stream.
final class FakeChecker: Checker {
  typealias Answer = @Sendable (Endpoint) async -> Result<CheckResult, CheckError>
  private let gate: Gate

  init(_ answer: @escaping Answer) { gate = Gate(answer: answer) }

  func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult {
    try await gate.answer(endpoint).get()
  }

  func outcomes<Endpoints: Sequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint {
    CheckStream(gate: gate, options: options, concurrency: concurrency) { SequenceSource(endpoints) }
  }

  func outcomes<Endpoints: AsyncSequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint, Endpoints.Failure == Never {
    CheckStream(gate: gate, options: options, concurrency: concurrency) { AsyncSource(endpoints) }
  }

  func shutdown() async {}

  private final class Gate: CheckGate {
    let answer: Answer
    private let tasks = Mutex<[Task<Void, Never>]>([])

    init(answer: @escaping Answer) { self.answer = answer }

    func request(
      for endpoint: Endpoint, options: CheckOptions, sink: any CheckSink, index: Int
    ) throws(CheckError) -> CheckRequest {
      CheckRequest(
        target: .init(Sample.address, port: endpoint.port), zone: nil, deadline: .never, options: options, sink: sink,
        index: index)
    }

    func post(_ requests: [CheckRequest]) -> Bool {
      for request in requests {
        let answer = answer
        let task = Task {
          request.sink.deliver(await answer(Endpoint(Sample.address, port: request.target.port)), index: request.index)
          request.sink.flush()
        }
        tasks.withLock { $0.append(task) }
      }
      return true
    }

    func cancel(_ sink: any CheckSink) { for task in tasks.withLock({ $0 }) { task.cancel() } }
    func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult {
      try await answer(endpoint).get()
    }
  }
}
