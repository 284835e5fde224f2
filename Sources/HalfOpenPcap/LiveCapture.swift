// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CLinux
  import Glibc
  import HalfOpenLinux
  import SystemPackage

  /// What passes an interface, held until it is read: by libpcap's ring or by a socket's queue. For one thread at a time.
  package protocol LiveCapture: ~Copyable {
    var linkType: CaptureLinkType { get }
    /// Readable when packets have come; for poll and epoll.
    var descriptor: CInt { get }

    /// Hands out the packets that are there, at most `max`, without waiting. Nothing per packet allocates.
    ///
    /// - Parameter body: gets the captured bytes (gone after the call), the packet's real length in bytes, and its time
    ///   in nanoseconds since 1970.
    /// - Returns: how many packets there were.
    /// - Throws: `CaptureError`. After `.interfaceDown`, which comes once, the capture goes on when the interface is up
    ///   again; `.interfaceGone` is the end.
    @discardableResult
    mutating func dispatch(
      max: Int, _ body: (_ bytes: Span<UInt8>, _ originalLength: Int, _ nanoseconds: Int64) -> Void
    ) throws(CaptureError) -> Int

    mutating func statistics() throws(CaptureError) -> CaptureStatistics

    /// Leaves outgoing packets out in the kernel, or no longer. For a capture that began with `both`.
    mutating func ignoreOutgoing(_ ignore: Bool) throws(CaptureError)

    /// Puts another filter in place of the present one.
    mutating func replaceFilter(_ text: String) throws(CaptureError)

    /// Lets the kernel hand out less than the present filter, and loses nothing on the way. For Ethernet.
    mutating func narrowFilter(_ text: String) throws(CaptureError)
  }

  /// Starts to capture what `filter` says for the link's type. What leaves from now on has somebody who listens.
  package func liveCapture(
    _ options: CaptureOptions, filter: (CaptureLinkType) -> String
  ) throws(CaptureError) -> any LiveCapture & ~Copyable {
    if options.delivery == .queued, let capture = try SocketCapture.start(options, filter: filter) { return capture }
    var capture = try Capture(options)
    try capture.replaceFilter(filter(capture.linkType))
    return capture
  }

  // MARK: - What both ask of their packet socket

  /// Throws what happened to the interface since the last call. libpcap 1.10 takes an interface that goes down for idle.
  func checkLink(_ fd: CInt, _ name: String) throws(CaptureError) {
    var (pending, length) = (CInt(0), socklen_t(MemoryLayout<CInt>.size))
    // SAFETY: the kernel writes one int. A file's descriptor gives ENOTSOCK and leaves 0.
    guard unsafe getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length) == 0, pending == ENETDOWN else { return }
    throw linkFault(fd, name)
  }

  /// What ENETDOWN means: the socket loses its index when the interface is removed (packet_notifier in
  /// net/packet/af_packet.c).
  func linkFault(_ fd: CInt, _ name: String) -> CaptureError {
    linkAddress(of: fd).sll_ifindex <= 0
      ? CaptureError(.interfaceGone, name, "the interface is gone", errno: .operationNotSupportedByDevice)
      : CaptureError(.interfaceDown, name, "the interface went down", errno: .networkDown)
  }

  /// What a packet socket is bound to. The corresponding C function is `getsockname`.
  func linkAddress(of fd: CInt) -> sockaddr_ll {
    var (address, length) = (sockaddr_ll(), socklen_t(MemoryLayout<sockaddr_ll>.size))
    // SAFETY: the kernel writes at most `length` bytes.
    _ = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(fd, $0, &length) }
    }
    return address
  }

  /// A kernel without it (before 4.20) leaves the work to whoever reads.
  func setIgnoreOutgoing(_ fd: CInt, _ ignore: Bool) {
    try? setOption(
      fd, SOL_PACKET, CInt(CLINUX_PACKET_IGNORE_OUTGOING), ignore ? 1 : 0, "setsockopt(PACKET_IGNORE_OUTGOING)")
  }
#endif
