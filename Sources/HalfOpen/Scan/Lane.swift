// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenWire
  import SystemPackage

  /// One socket and the batch that leaves through it.
  final class Lane {
    enum Kind: Hashable {
      case ip(IPFamily)
      case link(UInt32)
    }

    let kind: Kind
    private let port: Port
    private var batch = TransmitBatch(capacity: SweepTransmitter.batchSize)

    /// The socket, in a class of its own: an optional of a descriptor's owner can't be borrowed from a class.
    private final class RawPort {
      let socket: RawSocket
      init(_ socket: consuming RawSocket) { self.socket = socket }
    }

    private final class LinkPort {
      let socket: LinkSocket
      init(_ socket: consuming LinkSocket) { self.socket = socket }
    }

    private enum Port {
      case raw(RawPort)
      case link(LinkPort)
    }

    init(_ kind: Kind, _ configuration: SweepConfiguration, interfaceName: String) throws(CheckError) {
      self.kind = kind
      do throws(SystemCallError) {
        switch kind {
        case .ip(let family): port = .raw(RawPort(try Lane.rawSocket(family, configuration)))
        case .link(let interface): port = .link(LinkPort(try LinkSocket(interfaceIndex: interface)))
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

    /// Adds a packet that `fill` writes, given where in the slot it begins.
    @inline(__always)
    func append(
      to address: IPAddress, scope: UInt32, header: EthernetHeader?, hardware: MACAddress?, length: Int, tag: UInt64,
      fill: (_ slot: inout MutableSpan<UInt8>, _ offset: Int) -> Void
    ) {
      guard var header else {
        return batch.append(to: address, scope: scope, length: length, tag: tag) { fill(&$0, 0) }
      }
      if let hardware { header.destination = hardware }
      let offset = header.length
      batch.append(length: offset + length, tag: tag) { slot in
        header.emit(into: &slot)
        fill(&slot, offset)
      }
    }

    func flush(onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) {
      guard !batch.isEmpty else { return }
      switch port {
      case .raw(let raw): batch.flush(on: raw.socket, onFailure: onFailure)
      case .link(let link): batch.flush(on: link.socket, onFailure: onFailure)
      }
    }
  }

#endif
