// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CPcap
  import SystemPackage

  /// A compiled filter without a capture, to try it on bytes. See pcap-filter(7).
  @safe package struct FilterProgram: ~Copyable, @unchecked Sendable {
    private var program: bpf_program

    /// The corresponding C functions are `pcap_open_dead` and `pcap_compile`.
    package init(_ text: String, linkType: CaptureLinkType, snapLength: Int32 = 65535) throws(CaptureError) {
      guard let handle = unsafe pcap_open_dead(linkType.rawValue, snapLength) else {
        throw CaptureError(.filter, text, "out of memory", errno: .noMemory)
      }
      // SAFETY: the program does not refer to the handle.
      defer { unsafe pcap_close(handle) }
      unsafe program = try compiled(handle, text)
    }

    deinit {
      var program = unsafe program
      unsafe pcap_freecode(&program)
    }

    /// Instructions; the kernel takes 4096 (BPF_MAXINSNS).
    package var count: Int { Int(unsafe program.bf_len) }

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
