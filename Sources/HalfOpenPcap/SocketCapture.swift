// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CLinux
  import CPcap
  import Glibc
  import HalfOpenLinux
  import SystemPackage

  /// A packet socket with a filter, and no ring. It listens at once, where the kernel takes three or four ticks to open a
  /// ring and as many again to close it (`synchronize_net` in packet_set_ring of net/packet/af_packet.c). It is for few
  /// packets: its queue holds some hundred, and each costs a system call to read.
  ///
  /// Frames come without the VLAN tag that the kernel takes off them. See packet(7).
  struct SocketCapture: LiveCapture, ~Copyable {
    let linkType: CaptureLinkType
    private let name: String
    private let socket: Descriptor
    private let isLoopback: Bool
    private var frame: [UInt8]
    private var counted = CaptureStatistics(received: 0, droppedByKernel: 0, droppedByInterface: 0)

    /// Starts to capture what `filter` says for the link's type.
    ///
    /// - Returns: nil where libpcap is needed: for `any`, and for a link whose frames it would put into another form.
    static func start(
      _ options: CaptureOptions, filter: (CaptureLinkType) -> String
    ) throws(CaptureError) -> SocketCapture? {
      guard options.direction != .outgoing, let index = interfaceIndex(options.interface) else { return nil }
      let socket = try on(options.interface) { () throws(SystemCallError) in
        let socket = try Descriptor.packetSocket()
        // Protocol 0: nothing is received before the filter is there.
        try socket.bind(toLink: index, protocol: 0)
        try setBuffer(socket.rawValue, SO_RCVBUFFORCE, SO_RCVBUF, Int(options.bufferSize))
        try setOption(socket.rawValue, SOL_SOCKET, CInt(CLINUX_SO_TIMESTAMPNS), 1, "setsockopt(SO_TIMESTAMPNS)")
        return socket
      }
      guard let capture = SocketCapture(owning: socket, options) else { return nil }
      capture.ignoreOutgoing(options.direction == .incoming)
      try capture.replaceFilter(filter(capture.linkType))
      try on(options.interface) { () throws(SystemCallError) in
        try capture.socket.bind(toLink: index, protocol: ETH_P_ALL)
      }
      try checkLink(capture.descriptor, options.interface)
      return capture
    }

    private init?(owning socket: consuming Descriptor, _ options: CaptureOptions) {
      let link = LinkType(rawValue: linkAddress(of: socket.rawValue).sll_hatype)
      guard let linkType = CaptureLinkType(link) else { return nil }
      self.linkType = linkType
      self.socket = socket
      name = options.interface
      isLoopback = link == .loopback
      frame = Array(repeating: 0, count: Int(max(1, options.snapLength)))
    }

    var descriptor: CInt { socket.rawValue }

    /// The corresponding C function is `recvmsg`.
    mutating func dispatch(
      max: Int, _ body: (_ bytes: Span<UInt8>, _ originalLength: Int, _ nanoseconds: Int64) -> Void
    ) throws(CaptureError) -> Int {
      try checkLink(socket.rawValue, name)
      var count = 0
      while count < max, let (length, nanoseconds) = try receive() {
        body(frame.span.extracting(first: min(length, frame.count)), length, nanoseconds)
        count += 1
      }
      return count
    }

    /// The corresponding C call is `getsockopt(PACKET_STATISTICS)`, which begins at zero again each time.
    mutating func statistics() throws(CaptureError) -> CaptureStatistics {
      var (counters, length) = (tpacket_stats(), socklen_t(MemoryLayout<tpacket_stats>.size))
      _ = try on(name) { () throws(SystemCallError) in
        // SAFETY: the kernel writes at most `length` bytes.
        try retrying("getsockopt(PACKET_STATISTICS)") {
          unsafe getsockopt(descriptor, SOL_PACKET, CInt(PACKET_STATISTICS), &counters, &length)
        }
      }
      counted.received &+= UInt64(counters.tp_packets)
      counted.droppedByKernel &+= UInt64(counters.tp_drops)
      return counted
    }

    /// On a loopback interface they come in too.
    func ignoreOutgoing(_ ignore: Bool) { setIgnoreOutgoing(socket.rawValue, ignore || isLoopback) }

    func replaceFilter(_ text: String) throws(CaptureError) {
      try FilterProgram(text, linkType: linkType).attach(to: socket.rawValue)
    }

    func narrowFilter(_ text: String) throws(CaptureError) { try replaceFilter(text) }

    /// Takes the next packet into `frame`.
    ///
    /// - Returns: its real length, and when the kernel got it; nil where none waits.
    private mutating func receive() throws(CaptureError) -> (length: Int, nanoseconds: Int64)? {
      let (fd, room) = (descriptor, frame.count)
      var stamp = timespec()
      do throws(SystemCallError) {
        // SAFETY: `frame` has `room` bytes, and nobody else writes to either.
        let length = try retryingSize("recvmsg(AF_PACKET)") { unsafe clinux_recv_stamped(fd, &frame, room, &stamp) }
        return (length, Int64(stamp.tv_sec) &* 1_000_000_000 &+ Int64(stamp.tv_nsec))
      } catch {
        switch error.errno {
        case .resourceTemporarilyUnavailable: return nil
        case .networkDown: throw linkFault(fd, name)
        default: throw CaptureError(error, subject: name)
        }
      }
    }
  }

  /// Runs system calls, their faults put in terms of a capture.
  private func on<Value: ~Copyable>(
    _ interface: String, _ calls: () throws(SystemCallError) -> Value
  ) throws(CaptureError) -> Value {
    do throws(SystemCallError) { return try calls() } catch { throw CaptureError(error, subject: interface) }
  }

  extension CaptureLinkType {
    /// Of links whose frames a packet socket hands out as libpcap does (map_arphrd_to_dlt in pcap-linux.c).
    fileprivate init?(_ link: LinkType) {
      switch link {
      case .ethernet, .loopback: self = .ethernet
      case .none: self = .raw
      default: return nil
      }
    }
  }

  extension CaptureError {
    fileprivate init(_ error: SystemCallError, subject: String) {
      let code: Code =
        switch error.errno {
        case .notPermitted: .permission
        case .operationNotSupportedByDevice: .noSuchInterface
        case _ where error.isLackOfDescriptors: .tooManyFiles
        default: .other
        }
      self.init(code, subject, "\(error)", errno: error.errno)
    }
  }
#endif
