// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CLinux
  import CPcap
  import Glibc
  import HalfOpenLinux
  import SystemPackage

  /// A libpcap handle, live or on a file. For one thread at a time.
  @safe package struct Capture: LiveCapture, ~Copyable, @unchecked Sendable {
    /// The interface or file.
    package let name: String
    package let linkType: CaptureLinkType
    private let handle: OpaquePointer
    private let inbox: UnsafeMutablePointer<Inbox>

    /// Starts a live capture, non-blocking.
    /// - Throws: `CaptureError`; the filter's mistakes as libpcap words them.
    package init(_ options: CaptureOptions) throws(CaptureError) {
      let handle = try unsafe activated(options)
      do throws(CaptureError) {
        if Descriptor.isReserved(unsafe pcap_fileno(handle)) {
          throw CaptureError(.tooManyFiles, options.interface, "\(Errno.tooManyOpenFiles)", errno: .tooManyOpenFiles)
        }
        try unsafe configure(handle, options)
      } catch {
        unsafe pcap_close(handle)
        throw error
      }
      unsafe self.init(owning: handle, name: options.interface)
    }

    /// Opens a capture file, pcap or pcapng.
    ///
    /// The corresponding C function is `pcap_open_offline_with_tstamp_precision`.
    package init(file path: String, filter: String = "") throws(CaptureError) {
      var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
      // SAFETY: `text` has the size that libpcap asks for.
      let opened = unsafe pcap_open_offline_with_tstamp_precision(
        path, CUnsignedInt(PCAP_TSTAMP_PRECISION_NANO), &text)
      guard let handle = unsafe opened else { throw CaptureError(.file, path, message(text)) }
      do throws(CaptureError) {
        try unsafe setFilter(handle, filter)
      } catch {
        unsafe pcap_close(handle)
        throw error
      }
      unsafe self.init(owning: handle, name: path)
    }

    private init(owning handle: OpaquePointer, name: String) {
      // SAFETY: the handle is activated, and from here on `deinit` closes it and frees the inbox.
      unsafe self.handle = handle
      self.name = name
      linkType = CaptureLinkType(rawValue: unsafe pcap_datalink(handle))
      let isNano = unsafe pcap_get_tstamp_precision(handle) == PCAP_TSTAMP_PRECISION_NANO
      unsafe inbox = .allocate(capacity: 1)
      unsafe inbox.initialize(
        to: Inbox(snapLength: Int(pcap_snapshot(handle)), nanosecondsPerFraction: isNano ? 1 : 1000))
    }

    deinit {
      unsafe pcap_close(handle)
      unsafe inbox.pointee.free()
      unsafe inbox.deallocate()
    }

    /// Readable when packets have come; for poll and epoll. Of no use for a file.
    package var descriptor: CInt { unsafe pcap_get_selectable_fd(handle) }

    /// The ring's time stamps have nanoseconds. Otherwise they are multiples of 1000.
    package var hasNanoseconds: Bool { unsafe inbox.pointee.nanosecondsPerFraction == 1 }

    /// Hands out the packets that are there, at most `max`, without waiting. Nothing per packet allocates.
    ///
    /// The corresponding C function is `pcap_dispatch`.
    /// - Parameter body: gets the captured bytes (gone after the call), the packet's real length in bytes, and its time
    ///   in nanoseconds since 1970.
    /// - Returns: how many packets there were: 0 when there is nothing now, or the file has ended.
    /// - Throws: `CaptureError`. After `.interfaceDown`, which comes once, the capture goes on when the interface is up
    ///   again; `.interfaceGone` is the end.
    @discardableResult
    package mutating func dispatch(
      max: Int = .max, _ body: (_ bytes: Span<UInt8>, _ originalLength: Int, _ nanoseconds: Int64) -> Void
    ) throws(CaptureError) -> Int {
      try unsafe checkLink(pcap_fileno(handle), name)
      var total = 0
      while total < max {
        let wanted = min(max - total, unsafe inbox.pointee.capacity)
        unsafe inbox.pointee.count = 0
        // SAFETY: `receive` puts at most `wanted` packets into the inbox, which is there as long as `self`.
        let status = unsafe pcap_dispatch(
          handle, CInt(wanted), receive, UnsafeMutableRawPointer(inbox).assumingMemoryBound(to: UInt8.self))
        let count = unsafe inbox.pointee.count
        for index in 0..<count {
          let record = unsafe inbox.pointee.records[index]
          body(unsafe inbox.pointee.bytes(of: record), Int(record.originalLength), record.nanoseconds)
        }
        total += count
        guard status >= 0 else { throw CaptureError(status: status, subject: name, message: unsafe lastError(handle)) }
        if count < wanted { break }
      }
      return total
    }

    /// The corresponding C function is `pcap_stats`.
    package mutating func statistics() throws(CaptureError) -> CaptureStatistics {
      var counters = pcap_stat()
      // SAFETY: `counters` is written by the call.
      let status = unsafe pcap_stats(handle, &counters)
      guard status == 0 else { throw CaptureError(status: status, subject: name, message: unsafe lastError(handle)) }
      return CaptureStatistics(
        received: UInt64(counters.ps_recv), droppedByKernel: UInt64(counters.ps_drop),
        droppedByInterface: UInt64(counters.ps_ifdrop))
    }

    /// Leaves outgoing packets out in the kernel, or no longer. For a live capture that began with `both`.
    package mutating func ignoreOutgoing(_ ignore: Bool) throws(CaptureError) {
      try unsafe setDirection(handle, CaptureOptions(interface: name, direction: ignore ? .incoming : .both))
    }

    /// Lets the kernel hand out less than the present filter. Unlike `replaceFilter`, which drains the socket, it loses
    /// nothing on the way. For Ethernet: libpcap adapts the programs of cooked captures.
    ///
    package mutating func narrowFilter(_ text: String) throws(CaptureError) {
      try unsafe FilterProgram(text, for: handle).attach(to: pcap_fileno(handle))
    }

    /// Puts another filter in place of the present one.
    package mutating func replaceFilter(_ text: String) throws(CaptureError) { try unsafe setFilter(handle, text) }
  }

  /// libpcap's callback. The ring takes its bytes back when this returns, so they are copied: a hundred bytes each.
  private func receive(
    _ user: UnsafeMutablePointer<UInt8>?, _ header: UnsafePointer<pcap_pkthdr>?, _ bytes: UnsafePointer<UInt8>?
  ) {
    guard let user = unsafe user, let header = unsafe header, let bytes = unsafe bytes else { return }
    // SAFETY: `user` is the inbox that `dispatch` passed, and libpcap lends `caplen` bytes.
    let inbox = unsafe UnsafeMutableRawPointer(user).assumingMemoryBound(to: Inbox.self)
    unsafe inbox.pointee.append(header.pointee, bytes)
  }

  // MARK: - The steps of pcap(3PCAP)

  private func activated(_ options: CaptureOptions) throws(CaptureError) -> OpaquePointer {
    var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
    // SAFETY: `text` has the size that libpcap asks for; the handle is not activated yet, so the setters cannot fail.
    let created = unsafe pcap_create(options.interface, &text)
    guard let handle = unsafe created else {
      throw CaptureError(.other, options.interface, message(text))
    }
    unsafe pcap_set_snaplen(handle, options.snapLength)
    unsafe pcap_set_promisc(handle, 0)
    unsafe pcap_set_buffer_size(handle, options.bufferSize)
    switch options.delivery {
    case .immediate, .queued: unsafe pcap_set_immediate_mode(handle, 1)
    case .batched(let milliseconds): unsafe pcap_set_timeout(handle, milliseconds)
    }
    if options.stamps == .nanoseconds {
      // Refused where the system has microseconds only; `hasNanoseconds` then says so.
      unsafe pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO)
    }
    let status = unsafe pcap_activate(handle)
    guard status >= 0 else {
      let error = CaptureError(status: status, subject: options.interface, message: unsafe lastError(handle))
      unsafe pcap_close(handle)
      throw error
    }
    return unsafe handle
  }

  private func configure(_ handle: OpaquePointer, _ options: CaptureOptions) throws(CaptureError) {
    if options.interface == "any" {
      // The newer header names the interface; libpcap before 1.10 does not have it.
      _ = unsafe pcap_set_datalink(handle, DLT_LINUX_SLL2)
    }
    try unsafe setDirection(handle, options)
    var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
    // SAFETY: `text` has the size that libpcap asks for.
    guard unsafe pcap_setnonblock(handle, 1, &text) == 0 else {
      throw CaptureError(.other, options.interface, message(text))
    }
    try unsafe setFilter(handle, options.filter)
  }

  private func setDirection(_ handle: OpaquePointer, _ options: CaptureOptions) throws(CaptureError) {
    let direction: pcap_direction_t
    switch options.direction {
    case .both:
      direction = PCAP_D_INOUT
      unsafe setIgnoreOutgoing(pcap_fileno(handle), false)
    // libpcap drops every outgoing packet of "lo" (linux_check_direction in pcap-linux.c): out alone would see nothing.
    case .outgoing where options.interface == "lo": return
    case .outgoing: direction = PCAP_D_OUT
    case .incoming:
      direction = PCAP_D_IN
      // libpcap looks at the direction when the packet has been copied; the kernel can leave it out (since 4.20).
      unsafe setIgnoreOutgoing(pcap_fileno(handle), true)
    }
    let status = unsafe pcap_setdirection(handle, direction)
    guard status == 0 else {
      throw CaptureError(status: status, subject: options.interface, message: unsafe lastError(handle))
    }
  }

  private func setFilter(_ handle: OpaquePointer, _ text: String) throws(CaptureError) {
    guard !text.isEmpty else { return }
    try unsafe FilterProgram(text, for: handle).set(on: handle)
  }

  /// The text in one of libpcap's error buffers.
  private func message(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func lastError(_ handle: OpaquePointer) -> String {
    // SAFETY: a text inside the handle, copied here.
    unsafe pcap_geterr(handle).map { unsafe String(cString: $0) } ?? ""
  }
#endif
