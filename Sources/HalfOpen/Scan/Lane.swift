// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenWire
  import SystemPackage

  /// One socket and the batch that leaves through it. The batch's memory keeps what the last packet began as, so that the
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
      /// Where the packet begins, behind the header.
      let offset: Int
      /// Of all.
      let length: Int

      init(template: Template, number: Int, header: EthernetHeader?) {
        (self.template, self.number, self.header) = (template, number, header)
        offset = header == nil ? 0 : EthernetHeader.untaggedLength
        length = offset + template.length
      }

      func write(into out: inout MutableSpan<UInt8>) {
        header?.emit(into: &out)
        template.write(into: &out, at: offset)
      }

      /// The kernel fills in none of a frame (RFC 6864: it may be anything where nothing is cut).
      @inline(__always)
      func identification(_ sequence: SequenceNumber) -> UInt16 {
        header == nil ? 0 : UInt16(truncatingIfNeeded: sequence.rawValue >> 16)
      }
    }

    /// Where a packet goes.
    struct Destination {
      var address: IPAddress
      var port: UInt16
      /// The interface of an IPv6 link-local destination, 0 otherwise.
      var scope: UInt32
      /// Who gets the frame, on a link.
      var hardware: MACAddress?
    }

    /// What the probes of a path have in common, for a batch.
    struct Series {
      let start: Start<ProbeTemplate>
      let cookie: SweepCookie.Start
      let localPort: UInt16
      /// TSval, where there is one.
      let timestamp: UInt32?
    }

    let kind: Kind
    /// Why it is no AF_XDP socket, where one was asked for.
    private(set) var fallback: String?
    private let port: Port

    /// A socket and its batch, in a class of its own: an optional of a descriptor's owner can't be borrowed from a class.
    private final class RawPort {
      let socket: RawSocket
      var batch = TransmitBatch(capacity: SweepTransmitter.batchSize)
      init(_ socket: consuming RawSocket) { self.socket = socket }
    }

    private final class LinkPort {
      let socket: LinkSocket
      var batch = TransmitBatch(capacity: SweepTransmitter.batchSize)
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
            port = .xdp(
              XDPPort(
                try XDPSocket(
                  interfaceIndex: interface, capacity: SweepTransmitter.batchSize, isPatient: isPatient)))
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

    /// Packets that have gathered.
    private var count: Int {
      switch port {
      case .raw(let raw): raw.batch.count
      case .link(let link): link.batch.count
      case .xdp(let xdp): xdp.socket.count
      }
    }

    var isFull: Bool { count == SweepTransmitter.batchSize }

    /// Adds a RST.
    func append(
      _ start: Start<ResetTemplate>, to destination: Destination, localPort: UInt16, sequence: SequenceNumber,
      tag: UInt64
    ) {
      append(1, start) { _ in
        destination
      } fill: { _, packet in
        start.template.patch(
          into: &packet, at: start.offset, destination: destination.address, sourcePort: localPort,
          destinationPort: destination.port, sequence: sequence,
          identification: start.identification(sequence))
        return tag
      }
    }

    /// Adds probes of one path, as many as there is room for.
    /// - Returns: the place behind the last one added.
    func append(_ probes: [SweepTransmitter.Probe], _ range: Range<Int>, _ series: Series) -> Int {
      let count = min(range.count, SweepTransmitter.batchSize - count)
      let (first, start) = (range.lowerBound, series.start)
      append(count, start) {
        probes[first + $0].destination
      } fill: { index, packet in
        let destination = probes[first + index].destination
        let sequence = series.cookie.sequence(to: destination.address, port: destination.port)
        start.template.patch(
          into: &packet, at: start.offset, destination: destination.address, sourcePort: series.localPort,
          destinationPort: destination.port, sequence: sequence,
          identification: start.identification(sequence), timestamp: series.timestamp)
        return probes[first + index].position
      }
      return first + count
    }

    /// - Parameter fill: writes what differs behind the hardware addresses, and returns the tag.
    @inline(__always)
    private func append<Template>(
      _ count: Int, _ start: Start<Template>, _ destination: (_ index: Int) -> Destination,
      fill: (_ index: Int, _ packet: inout MutableSpan<UInt8>) -> UInt64
    ) {
      switch port {
      case .raw(let raw):
        for index in 0..<count {
          let destination = destination(index)
          raw.batch.append(
            to: destination.address, scope: destination.scope, length: start.length, start: start.number,
            begin: start.write(into:)
          ) { fill(index, &$0) }
        }
      case .link(let link): Lane.append(count, start, to: &link.batch, destination, fill)
      case .xdp(let xdp): Lane.append(count, start, to: &xdp.socket, destination, fill)
      }
    }

    @inline(__always)
    private static func append<Template>(
      _ count: Int, _ start: Start<Template>, to batch: inout some FrameBatch & ~Copyable,
      _ destination: (_ index: Int) -> Destination,
      _ fill: (_ index: Int, _ packet: inout MutableSpan<UInt8>) -> UInt64
    ) {
      batch.append(count, length: start.length, start: start.number, begin: start.write(into:)) { index, frame in
        if let hardware = destination(index).hardware { EthernetHeader.patch(destination: hardware, into: &frame) }
        return fill(index, &frame)
      }
    }

    func flush(onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) {
      guard count > 0 else { return }
      switch port {
      case .raw(let raw): raw.batch.flush(on: raw.socket, onFailure: onFailure)
      case .link(let link): link.batch.flush(on: link.socket, onFailure: onFailure)
      case .xdp(let xdp): xdp.socket.flush(onFailure: onFailure)
      }
    }
  }

#endif
