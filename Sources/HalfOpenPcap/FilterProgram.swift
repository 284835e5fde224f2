// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CLinux
  import CPcap
  import Glibc
  import HalfOpenLinux
  import SystemPackage

  /// A compiled filter. See pcap-filter(7).
  @safe package struct FilterProgram: ~Copyable, @unchecked Sendable {
    private let text: String
    private let program: bpf_program

    /// Without a capture. The corresponding C functions are `pcap_open_dead` and `pcap_compile`.
    package init(_ text: String, linkType: CaptureLinkType, snapLength: Int32 = 65535) throws(CaptureError) {
      guard let handle = unsafe pcap_open_dead(linkType.rawValue, snapLength) else {
        throw CaptureError(.filter, text, "out of memory", errno: .noMemory)
      }
      // SAFETY: the program does not refer to the handle.
      defer { unsafe pcap_close(handle) }
      try unsafe self.init(text, for: handle)
    }

    /// For a capture: libpcap makes use of what its socket can do.
    init(_ text: String, for handle: OpaquePointer) throws(CaptureError) {
      var program = unsafe bpf_program()
      // SAFETY: `program` is written by the call, and left empty where it fails.
      guard unsafe pcap_compile(handle, &program, text, 1, 0xffff_ffff) == 0 else {
        throw CaptureError(.filter, text, unsafe lastError(handle))
      }
      self.text = text
      unsafe self.program = program
    }

    deinit {
      var program = unsafe program
      unsafe pcap_freecode(&program)
    }

    /// Instructions; the kernel takes 4096 (BPF_MAXINSNS).
    package var count: Int { Int(unsafe program.bf_len) }

    /// Gives it to a capture, which drains what passed the one before. The corresponding C function is `pcap_setfilter`.
    func set(on handle: OpaquePointer) throws(CaptureError) {
      var program = unsafe program
      // SAFETY: libpcap copies the program.
      guard unsafe pcap_setfilter(handle, &program) == 0 else {
        throw CaptureError(.filter, text, unsafe lastError(handle))
      }
    }

    /// Gives it to a packet socket in place of its present one; no packet slips by in between. Not for cooked captures,
    /// whose programs libpcap adapts.
    ///
    /// The corresponding C function is `setsockopt(SO_ATTACH_FILTER)`.
    func attach(to socket: CInt) throws(CaptureError) {
      let filter = unsafe UnsafeMutableRawPointer(program.bf_insns)?.assumingMemoryBound(to: sock_filter.self)
      var code = unsafe sock_fprog(len: CUnsignedShort(truncatingIfNeeded: program.bf_len), filter: filter)
      let size = unsafe socklen_t(MemoryLayout<sock_fprog>.size)
      do throws(SystemCallError) {
        // SAFETY: libpcap's instructions are the kernel's (bpf_insn, sock_filter), and the kernel copies them.
        try retrying("setsockopt(SO_ATTACH_FILTER)") {
          unsafe setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &code, size)
        }
      } catch {
        throw CaptureError(.filter, text, "the kernel refuses it: \(error)", errno: error.errno)
      }
    }

    /// The corresponding C function is `pcap_offline_filter`.
    package func matches(_ bytes: Span<UInt8>) -> Bool {
      var header = pcap_pkthdr()
      header.caplen = UInt32(truncatingIfNeeded: bytes.count)
      header.len = header.caplen
      var program = unsafe program
      // SAFETY: the filter reads at most `caplen` bytes, and does not change the program.
      return unsafe bytes.withUnsafeBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return false }
        return unsafe pcap_offline_filter(&program, &header, start) != 0
      }
    }
  }
#endif
