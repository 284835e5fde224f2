// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenWire
  import SystemPackage

  /// Sends a sweep's packets in batches, each on the path it takes. For one thread: sender and receiver have their own.
  final class SweepTransmitter {
    /// A packet that did not leave.
    struct Failure {
      var tag: UInt64
      var errno: Errno
    }

    /// Packets handed to the kernel in one call.
    static let batchSize = 64

    private struct Templates {
      let syn: ProbeTemplate
      let reset: ResetTemplate
    }

    private let templates: [Templates]
    private let socket4: RawSocket
    private let socket6: IPv6Socket?
    private var batch4 = TransmitBatch(capacity: batchSize)
    private var batch6 = TransmitBatch(capacity: batchSize)
    private(set) var failures: [Failure] = []

    /// A socket that may not be there: an optional of a descriptor's owner can't be borrowed from a class.
    private final class IPv6Socket {
      let socket: RawSocket
      init(_ socket: consuming RawSocket) { self.socket = socket }
    }

    init(paths: [SweepPath], configuration: SweepConfiguration) throws(CheckError) {
      templates = paths.map { path in
        Templates(
          syn: ProbeTemplate(
            source: path.source, ttl: configuration.ttl, layout: configuration.tcpOptions),
          reset: ResetTemplate(source: path.source, ttl: configuration.ttl))
      }
      socket4 = try SweepTransmitter.openSocket(.v4, configuration)
      socket6 =
        paths.contains { $0.source.family == .v6 }
        ? try IPv6Socket(SweepTransmitter.openSocket(.v6, configuration)) : nil
    }

    private static func openSocket(
      _ family: IPFamily, _ configuration: SweepConfiguration
    ) throws(CheckError) -> RawSocket {
      do throws(SystemCallError) {
        let socket = try RawSocket(family)
        if let interface = configuration.interface { try socket.bind(toDevice: interface) }
        if let mark = configuration.mark { try socket.setMark(mark) }
        try socket.setSendBuffer(4 << 20)
        return socket
      } catch {
        guard error.errno == .notPermitted else { throw CheckError(error, subject: "the sweep's socket") }
        throw CheckError(
          .notPermitted, subject: "a sweep by packets needs CAP_NET_RAW",
          advice: "grant it: \(Capabilities.grantCommand), or sweep with the connect engine", errno: error.errno,
          call: "\(error.call)")
      }
    }

    func appendProbe(_ flow: Flow, path: Int, scope: UInt32, sequence: SequenceNumber, tag: UInt64) {
      append(to: flow.address, scope: scope, length: templates[path].syn.length, tag: tag) { slot in
        templates[path].syn.write(into: &slot)
        templates[path].syn.patch(
          into: &slot, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
          sequence: sequence)
      }
    }

    func appendReset(_ flow: Flow, path: Int, scope: UInt32, sequence: SequenceNumber) {
      append(to: flow.address, scope: scope, length: templates[path].reset.length, tag: 0) { slot in
        templates[path].reset.write(into: &slot)
        templates[path].reset.patch(
          into: &slot, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
          sequence: sequence)
      }
    }

    private func append(
      to address: IPAddress, scope: UInt32, length: Int, tag: UInt64, fill: (inout MutableSpan<UInt8>) -> Void
    ) {
      switch address.family {
      case .v4:
        if batch4.isFull { flush() }
        batch4.append(to: address, length: length, tag: tag, fill: fill)
      case .v6:
        if batch6.isFull { flush() }
        batch6.append(to: address, scope: scope, length: length, tag: tag, fill: fill)
      }
    }

    /// Sends what has gathered; what did not leave is in `failures`.
    func flush() {
      if !batch4.isEmpty { batch4.flush(on: socket4) { failures.append(Failure(tag: $0, errno: $1)) } }
      if batch6.isEmpty { return }
      if let socket6 {
        batch6.flush(on: socket6.socket) { failures.append(Failure(tag: $0, errno: $1)) }
      } else {
        batch6.removeAll()
      }
    }

    func takeFailures() -> [Failure] {
      guard !failures.isEmpty else { return [] }
      defer { failures.removeAll(keepingCapacity: true) }
      return failures
    }
  }

#endif
