// SPDX-License-Identifier: Apache-2.0

/// The best engine that this process may use: packet where CAP_NET_RAW and libpcap are there, else connect.
///
/// Checks with `mode` `.full` always go to a connect engine. Each result says which engine it came from.
public final class AutoChecker: Checker {
  /// The engine behind half-open checks.
  public let backend: CheckResult.Backend
  /// Why that one, in a sentence.
  public let why: String

  private let halfOpen: any Checker
  private let full: any Checker

  /// Picks and starts an engine, in the calling thread's network namespace.
  ///
  /// - Throws: `CheckError` where neither engine can run with this configuration. A fault other than a missing
  ///   permission, such as a source port in use, is thrown and not hidden behind the other engine. What only the connect
  ///   engine can't use, such as a source address that is not the host's own, is thrown by checks with `mode` `.full`.
  public init(_ configuration: CheckerConfiguration = CheckerConfiguration()) throws(CheckError) {
    var connect = configuration
    connect.reset = .auto
    #if HALFOPEN_LIBPCAP
      do throws(CheckError) {
        halfOpen = try PacketEngine(configuration)
        backend = .packet
        why = "CAP_NET_RAW and libpcap are there"
        full = AutoChecker.connectEngine(connect)
      } catch {
        guard error.code == .notPermitted else { throw error }
        halfOpen = try ConnectEngine(connect)
        full = halfOpen
        backend = .connect
        why = "no CAP_NET_RAW for the packet engine (\(error))"
      }
    #else
      halfOpen = try ConnectEngine(connect)
      full = halfOpen
      backend = .connect
      why = "built without libpcap"
    #endif
  }

  private static func connectEngine(_ configuration: CheckerConfiguration) -> any Checker {
    do throws(CheckError) { return try ConnectEngine(configuration) } catch { return Refusal(error) }
  }

  /// Checks one endpoint. See ``Checker``.
  public func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult {
    try await engine(for: options).check(endpoint, options: options)
  }

  /// Checks all of a sequence. See ``Checker``.
  public func outcomes<Endpoints: Sequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint {
    engine(for: options).outcomes(of: endpoints, options: options, concurrency: concurrency)
  }

  /// Checks all of an asynchronous sequence. See ``Checker``.
  public func outcomes<Endpoints: AsyncSequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint, Endpoints.Failure == Never {
    engine(for: options).outcomes(of: endpoints, options: options, concurrency: concurrency)
  }

  /// Ends all checks and the engine. See ``Checker``.
  public func shutdown() async {
    await halfOpen.shutdown()
    await full.shutdown()
  }

  private func engine(for options: CheckOptions) -> any Checker { options.mode == .full ? full : halfOpen }
}
