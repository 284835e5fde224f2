// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CPcap
  import Glibc
  import SystemPackage

  /// Writes packets to a pcap file with nanosecond stamps. Needs no capture and no privilege.
  @safe package struct DumpFile: ~Copyable, @unchecked Sendable {
    private let path: String
    private let handle: OpaquePointer
    private let dumper: OpaquePointer

    /// Makes the file, or empties it. `-` is the standard output.
    ///
    /// The corresponding C function is `pcap_dump_open`.
    package init(path: String, linkType: CaptureLinkType, snapLength: Int32 = 65535) throws(CaptureError) {
      // SAFETY: each handle is closed once: here where the second step fails, else by `deinit`.
      let dead = unsafe pcap_open_dead_with_tstamp_precision(
        linkType.rawValue, snapLength, CUnsignedInt(PCAP_TSTAMP_PRECISION_NANO))
      guard let handle = unsafe dead else { throw CaptureError(.file, path, "out of memory", errno: .noMemory) }
      guard let dumper = unsafe pcap_dump_open(handle, path) else {
        let error = CaptureError(.file, path, unsafe String(cString: pcap_geterr(handle)))
        unsafe pcap_close(handle)
        throw error
      }
      self.path = path
      unsafe self.handle = handle
      unsafe self.dumper = dumper
    }

    deinit {
      unsafe pcap_dump_close(dumper)
      unsafe pcap_close(handle)
    }

    /// Appends one packet to the file's buffer. What goes wrong shows at `flush`.
    ///
    /// The corresponding C function is `pcap_dump`.
    /// - Parameters:
    ///   - originalLength: the packet's real length in bytes, if only its beginning is here.
    ///   - nanoseconds: since 1970.
    package mutating func append(_ bytes: Span<UInt8>, originalLength: Int? = nil, nanoseconds: Int64) {
      var header = pcap_pkthdr()
      let (seconds, fraction) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
      header.ts = timeval(tv_sec: Int(seconds), tv_usec: Int(fraction))
      header.caplen = UInt32(truncatingIfNeeded: bytes.count)
      header.len = UInt32(truncatingIfNeeded: originalLength ?? bytes.count)
      // SAFETY: libpcap reads `caplen` bytes, which the span has.
      unsafe bytes.withUnsafeBufferPointer {
        guard let start = $0.baseAddress else { return }
        unsafe pcap_dump(UnsafeMutableRawPointer(dumper).assumingMemoryBound(to: UInt8.self), &header, start)
      }
    }

    /// Hands everything to the kernel.
    ///
    /// The corresponding C function is `pcap_dump_flush`.
    package mutating func flush() throws(CaptureError) {
      // SAFETY: the file belongs to the dumper.
      let failed = unsafe pcap_dump_flush(dumper) != 0 || ferror(pcap_dump_file(dumper)) != 0
      guard failed else { return }
      throw CaptureError(.file, path, "not everything could be written; is the disk full?")
    }
  }
#endif
