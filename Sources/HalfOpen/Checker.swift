// SPDX-License-Identifier: Apache-2.0

public import HalfOpenWire

/// Tells whether TCP ports answer. Every engine is one, and so is `AutoChecker`.
///
/// ```swift
/// let checker = try AutoChecker()
/// let result = try await checker.check(Endpoint("example.com:443"))
/// print(result.state, result.reason)
/// ```
public protocol Checker: Sendable {
  /// Checks one endpoint.
  ///
  /// Silence is a result (`noAnswer`), given at the deadline. Cancelling the task ends the check at once.
  /// - Throws: `CheckError` for faults on our side: no permission, no route, no local ports, a name that does not
  ///   resolve, cancellation, shutdown.
  func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult

  /// Checks all of `endpoints`, at most `concurrency` of them at a time, and streams the outcomes as they come.
  ///
  /// The stream pulls: nothing starts before its first `next()`, and a slow reader slows the checks, not the memory.
  /// Dropping the stream's iterator cancels what is under way.
  func outcomes<Endpoints: Sequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint

  /// The same for endpoints that arrive over time.
  func outcomes<Endpoints: AsyncSequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint, Endpoints.Failure == Never

  /// Ends every check under way with a `CheckError`, closes every descriptor and returns once that is done. Later
  /// checks throw `.shutDown`. Calling it twice is harmless.
  func shutdown() async
}

extension Checker {
  /// Checks one endpoint within `timeout`.
  public func check(_ endpoint: Endpoint, timeout: Duration = .seconds(1)) async throws(CheckError) -> CheckResult {
    try await check(endpoint, options: CheckOptions(timeout: timeout))
  }

  /// Checks all of `endpoints`, 512 at a time.
  public func outcomes<Endpoints: Sequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions = CheckOptions()
  ) -> CheckStream where Endpoints.Element == Endpoint {
    outcomes(of: endpoints, options: options, concurrency: 512)
  }
}

/// How to do one check.
public struct CheckOptions: Hashable, Sendable {
  /// How far the handshake goes.
  public enum Mode: String, Hashable, Sendable, CaseIterable {
    /// SYN, SYN-ACK, RST: the application never notices.
    case halfOpen = "half-open"
    /// SYN, SYN-ACK, ACK, then RST. A hung application shows once its accept queue is full, as a half-open check never
    /// shows it. Connect engine only.
    case full
  }

  /// From the call to the verdict, name resolution included. Above zero.
  public var timeout: Duration
  /// SYNs within the timeout, the first included. 1 to 16.
  ///
  /// The packet engine sends at most so many: its first pause is a millisecond at the least. The connect engine leaves the timing to the kernel (TCP_SYNCNT), which since
  /// Linux 6.5 may repeat a SYN every second of the same time (`net.ipv4.tcp_syn_linear_timeouts`), and gives up with
  /// `noAnswer` one pause after the last, which can be before the deadline. `CheckResult.transmissions` says how many
  /// left.
  public var attempts: Int
  /// How far the handshake goes.
  public var mode: Mode
  /// Which addresses of a name to use; nil for whichever comes first.
  public var family: IPFamily?
  /// How long to look for replies that contradict a SYN-ACK (a RST behind it, another TTL) before giving the result.
  /// Zero, the default, looks at what has arrived together with it. Packet engine only.
  public var settle: Duration

  /// Options by parts.
  public init(
    timeout: Duration = .seconds(1), attempts: Int = 2, mode: Mode = .halfOpen, family: IPFamily? = nil,
    settle: Duration = .zero
  ) {
    self.timeout = timeout
    self.attempts = attempts
    self.mode = mode
    self.family = family
    self.settle = settle
  }
}

/// How a bulk check ended for one endpoint.
public struct CheckOutcome: Sendable {
  /// Position in the sequence given, from zero.
  public let index: Int
  /// The endpoint as given.
  public let endpoint: Endpoint
  /// The result, or the fault on our side.
  public let result: Result<CheckResult, CheckError>
}
