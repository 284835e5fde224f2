// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// The engine that needs no privilege: kernel sockets that withhold their last ACK and end in a RST.
///
/// Its conversation with an open port is SYN, SYN-ACK, RST+ACK. The ACK is withheld for 200 ms at most (the kernel's
/// delayed ACK); a check that was kept from closing in that time says so in `CheckResult.handshake`.
///
/// SYNs are repeated on the kernel's timing, a second apart at first, and the kernel can't be told to send one only: with
/// `CheckOptions.attempts` 1 and a timeout above a second there are two (`CheckResult.transmissions` tells). It gives up
/// a while after the last attempt, and `noAnswer` comes then, if that is before the deadline.
public final class ConnectEngine: Checker {
  private let front: EngineFront

  /// Starts the engine's thread, in the calling thread's network namespace.
  ///
  /// - Throws: `CheckError` where the system has no descriptors or threads left, or the configuration can't be used.
  public init(_ configuration: CheckerConfiguration = CheckerConfiguration()) throws(CheckError) {
    front = EngineFront(
      mailbox: try ConnectEngine.start(configuration), configuration: configuration, supportsFull: true)
  }

  /// Checks one endpoint.
  public func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult {
    try await front.check(endpoint, options: options)
  }

  /// Checks all of `endpoints`, at most `concurrency` at a time. Those for which no descriptor or source port is free wait
  /// for one until their deadline.
  public func outcomes<Endpoints: Sequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint {
    front.outcomes(options: options, concurrency: concurrency) { SequenceSource(endpoints) }
  }

  /// The same for endpoints that arrive over time.
  public func outcomes<Endpoints: AsyncSequence & Sendable>(
    of endpoints: Endpoints, options: CheckOptions, concurrency: Int
  ) -> CheckStream where Endpoints.Element == Endpoint, Endpoints.Failure == Never {
    front.outcomes(options: options, concurrency: concurrency) { AsyncSource(endpoints) }
  }

  /// Ends every check under way, closes every socket and stops the thread.
  public func shutdown() async { await front.shutdown() }

  private static func start(_ configuration: CheckerConfiguration) throws(CheckError) -> Mailbox {
    let mailbox: Mailbox
    do throws(SystemCallError) {
      mailbox = try Mailbox()
    } catch {
      throw CheckError(error, subject: "starting the connect engine")
    }
    let thread = ConnectThread(try KernelConnectPort(configuration, mailbox: mailbox), mailbox)
    do throws(SystemCallError) {
      _ = try DedicatedThread(name: "halfopen-conn") { thread.run() }
    } catch {
      throw CheckError(error, subject: "starting the connect engine's thread")
    }
    return mailbox
  }
}
