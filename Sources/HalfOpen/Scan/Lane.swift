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

    /// Where a packet goes.
    struct Destination {
      var address: IPAddress
      var port: UInt16
      /// The interface of an IPv6 link-local destination, 0 otherwise.
      var scope: UInt32
      /// Who gets the frame, on a link.
      var hardware: MACAddress?
    }

    /// A packet of a series.
    struct Packet {
      /// What it is called if it does not leave.
      var tag: UInt64
      /// The place of its path.
      var path: Int
      var destination: Destination
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

    /// Packets that there is room for before the next flush.
    var room: Int { SweepTransmitter.batchSize - count }

    private var count: Int {
      switch port {
      case .raw(let raw): raw.batch.count
      case .link(let link): link.batch.count
      case .xdp(let xdp): xdp.socket.count
      }
    }

    /// Adds packets: no more than there is room for.
    func append<Series: PacketSeries>(_ packets: some RandomAccessCollection<Packet>, _ series: Series) {
      switch port {
      case .raw(let raw):
        let start = series.start
        for packet in packets {
          raw.batch.append(
            to: packet.destination.address, scope: packet.destination.scope, length: start.length, start: start.number,
            begin: { start.write(into: &$0) }
          ) {
            series.patch(&$0, to: packet.destination)
            return packet.tag
          }
        }
      case .link(let link): Lane.append(packets, series, to: &link.batch)
      case .xdp(let xdp): Lane.append(packets, series, to: &xdp.socket)
      }
    }

    @inline(__always)
    private static func append<Series: PacketSeries>(
      _ packets: some RandomAccessCollection<Packet>, _ series: Series, to batch: inout some FrameBatch & ~Copyable
    ) {
      let start = series.start
      batch.append(packets.count, length: start.length, start: start.number, begin: { start.write(into: &$0) }) {
        index, frame in
        let packet = packets[packets.index(packets.startIndex, offsetBy: index)]
        if let hardware = packet.destination.hardware { EthernetHeader.patch(destination: hardware, into: &frame) }
        series.patch(&frame, to: packet.destination)
        return packet.tag
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
