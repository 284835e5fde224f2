// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenWire
  import SystemPackage

  /// One socket and the batch that leaves through it. A slot of the batch keeps what its last packet began as, so that the
  /// next one of the same template costs the stores of what differs.
  final class Lane {
    enum Kind: Hashable {
      case ip(IPFamily)
      case link(UInt32)
      case xdp(UInt32)
    }

    /// What a packet begins as.
    struct Start<Template: PacketTemplate> {
      let template: Template
      /// Tells it from all others of the sweep.
      let number: Int
      /// Of frames: our own address and the type. Nil where the kernel makes the frame.
      let header: EthernetHeader?
      /// Of the packet, from its IP header on.
      let length: Int

      init(template: Template, number: Int, header: EthernetHeader?) {
        (self.template, self.number, self.header, length) = (template, number, header, template.length)
      }
    }

    /// Where a packet goes.
    struct Destination {
      var flow: Flow
      /// The interface of an IPv6 link-local destination, 0 otherwise.
      var scope: UInt32
      /// Who gets the frame, on a link.
      var hardware: MACAddress?
      /// TSval, where there is one.
      var timestamp: UInt32?
    }

    let kind: Kind
    /// Why it is no AF_XDP socket, where one was asked for.
    private(set) var fallback: String?
    private let port: Port
    private var batch = TransmitBatch(capacity: SweepTransmitter.batchSize)
    /// The number of the start that is in each slot.
    private var written = [Int](repeating: -1, count: SweepTransmitter.batchSize)

    /// The socket, in a class of its own: an optional of a descriptor's owner can't be borrowed from a class.
    private final class RawPort {
      let socket: RawSocket
      init(_ socket: consuming RawSocket) { self.socket = socket }
    }

    private final class LinkPort {
      let socket: LinkSocket
      init(_ socket: consuming LinkSocket) { self.socket = socket }
    }

    private final class XDPPort {
      var socket: XDPSocket
      init(_ socket: consuming XDPSocket) { self.socket = socket }
    }

    private enum Port {
      case raw(RawPort)
      case link(LinkPort)
      case xdp(XDPPort)
    }

    /// - Parameter isPatient: waits for a queue that may become free.
    init(
      _ kind: Kind, _ configuration: SweepConfiguration, interfaceName: String, isPatient: Bool
    ) throws(CheckError) {
      self.kind = kind
      do throws(SystemCallError) {
        switch kind {
        case .ip(let family): port = .raw(RawPort(try Lane.rawSocket(family, configuration)))
        case .link(let interface): port = .link(LinkPort(try LinkSocket(interfaceIndex: interface)))
        case .xdp(let interface):
          do throws(SystemCallError) {
            port = .xdp(XDPPort(try XDPSocket(interfaceIndex: interface, isPatient: isPatient)))
          } catch {
            port = .link(LinkPort(try LinkSocket(interfaceIndex: interface)))
            fallback = TransmitChoice.fallback(interfaceName, to: .link, TransmitChoice.reason(error))
          }
        }
      } catch {
        guard error.errno == .notPermitted else {
          throw CheckError(error, subject: "the sweep's socket for \(interfaceName)")
        }
        throw CheckError(
          .notPermitted, subject: "a sweep by packets needs CAP_NET_RAW",
          advice: "grant it: \(Capabilities.grantCommand), or use --backend connect", errno: error.errno,
          call: "\(error.call)")
      }
    }

    private static func rawSocket(
      _ family: IPFamily, _ configuration: SweepConfiguration
    ) throws(SystemCallError) -> RawSocket {
      let socket = try RawSocket(family)
      if let interface = configuration.interface { try socket.bind(toDevice: interface) }
      if let mark = configuration.mark { try socket.setMark(mark) }
      try socket.setSendBuffer(4 << 20)
      return socket
    }

    var isFull: Bool { batch.isFull }

    /// Adds a packet.
    func append<Template>(
      _ start: Start<Template>, to destination: Destination, sequence: SequenceNumber, tag: UInt64
    ) { append(1, start) { _ in (destination, sequence, tag) } }

    /// Adds probes of one path, as many as there is room for.
    /// - Returns: the place behind the last one added.
    func append(_ probes: [SweepTransmitter.Probe], _ range: Range<Int>, _ start: Start<ProbeTemplate>) -> Int {
      let count = min(range.count, SweepTransmitter.batchSize - batch.count)
      append(count, start) { index in
        let probe = probes[range.lowerBound + index]
        return (probe.destination, probe.sequence, probe.position)
      }
      return range.lowerBound + count
    }

    @inline(__always)
    private func append<Template>(
      _ count: Int, _ start: Start<Template>,
      _ packet: (_ index: Int) -> (destination: Destination, sequence: SequenceNumber, tag: UInt64)
    ) {
      begin(count, with: start)
      guard start.header != nil else {
        for index in 0..<count {
          let (destination, sequence, tag) = packet(index)
          batch.append(to: destination.flow.address, scope: destination.scope, length: start.length, tag: tag) {
            Lane.patch(start.template, &$0, at: 0, destination, sequence, identification: 0)
          }
        }
        return
      }
      let offset = EthernetHeader.untaggedLength
      batch.append(count, length: offset + start.length) { index, frame in
        let (destination, sequence, tag) = packet(index)
        if let hardware = destination.hardware { EthernetHeader.patch(destination: hardware, into: &frame) }
        // The kernel fills in no identification on this way (RFC 6864: it may be anything where nothing is cut).
        let identification = UInt16(truncatingIfNeeded: sequence.rawValue >> 16)
        Lane.patch(start.template, &frame, at: offset, destination, sequence, identification: identification)
        return tag
      }
    }

    /// Writes what packets begin as into the next slots, where something else is in them.
    private func begin<Template>(_ count: Int, with start: Start<Template>) {
      for index in 0..<count where written[batch.count + index] != start.number {
        written[batch.count + index] = start.number
        guard let header = start.header else {
          batch.prepare(index, length: start.length) { start.template.write(into: &$0, at: 0) }
          continue
        }
        let offset = EthernetHeader.untaggedLength
        batch.prepare(index, length: offset + start.length) {
          header.emit(into: &$0)
          start.template.write(into: &$0, at: offset)
        }
      }
    }

    @inline(__always)
    private static func patch<Template: PacketTemplate>(
      _ template: Template, _ slot: inout MutableSpan<UInt8>, at offset: Int, _ destination: Destination,
      _ sequence: SequenceNumber, identification: UInt16
    ) {
      let flow = destination.flow
      template.patch(
        into: &slot, at: offset, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
        sequence: sequence, identification: identification, timestamp: destination.timestamp)
    }

    func flush(onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) {
      guard !batch.isEmpty else { return }
      switch port {
      case .raw(let raw): batch.flush(on: raw.socket, onFailure: onFailure)
      case .link(let link): batch.flush(on: link.socket, onFailure: onFailure)
      case .xdp(let xdp): batch.flush(on: &xdp.socket, onFailure: onFailure)
      }
    }
  }

#endif
