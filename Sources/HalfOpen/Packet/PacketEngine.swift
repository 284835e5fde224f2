// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux

  /// The engine that builds its SYNs by hand and reads the answers from a capture. Needs CAP_NET_RAW.
  ///
  /// Its conversation with an open port is SYN, SYN-ACK, RST.
  public final class PacketEngine: Checker {
    private let front: EngineFront

    /// Opens sockets and starts the engine's thread, in the calling thread's network namespace.
    ///
    /// - Throws: `CheckError`: `.notPermitted` without CAP_NET_RAW, `.addressNotAvailable` naming the port for a source
    ///   port in use, `.linkDown` for an interface that is not there.
    public init(_ configuration: CheckerConfiguration = CheckerConfiguration()) throws(CheckError) {
      front = EngineFront(
        mailbox: try PacketEngine.start(configuration), configuration: configuration, supportsFull: false)
    }

    /// Checks one endpoint. See ``Checker``.
    public func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult {
      try await front.check(endpoint, options: options)
    }

    /// Checks all of a sequence. See ``Checker``.
    public func outcomes<Endpoints: Sequence & Sendable>(
      of endpoints: Endpoints, options: CheckOptions, concurrency: Int
    ) -> CheckStream where Endpoints.Element == Endpoint {
      front.outcomes(options: options, concurrency: concurrency) { SequenceSource(endpoints) }
    }

    /// Checks all of an asynchronous sequence. See ``Checker``.
    public func outcomes<Endpoints: AsyncSequence & Sendable>(
      of endpoints: Endpoints, options: CheckOptions, concurrency: Int
    ) -> CheckStream where Endpoints.Element == Endpoint, Endpoints.Failure == Never {
      front.outcomes(options: options, concurrency: concurrency) { AsyncSource(endpoints) }
    }

    /// Ends all checks and the engine. See ``Checker``.
    public func shutdown() async { await front.shutdown() }

    private static func start(_ configuration: CheckerConfiguration) throws(CheckError) -> Mailbox {
      let mailbox = try Mailbox.start(for: "packet")
      // Made here, so that a fault is the caller's to see and the sockets are of its namespace; then the thread's alone.
      var loop: PacketLoop? = try PacketLoop(configuration, mailbox: mailbox)
      try mailbox.runThread(for: "packet") {
        loop?.run()
        // Every descriptor is closed before anybody hears of the end.
        loop = nil
        for request in mailbox.end().requests {
          request.sink.deliver(.failure(.shutDown), index: request.index)
          request.sink.flush()
        }
      }
      return mailbox
    }
  }

#endif
