// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import Glibc
  import HalfOpenPcap
  import HalfOpenWire
  import Testing

  @Suite struct DumpFileTests {
    @Test(arguments: [CaptureLinkType.ethernet, .raw, .linuxCooked2])
    func whatIsWrittenIsReadBack(_ link: CaptureLinkType) throws {
      let path = temporaryPath()
      defer { unsafe unlink(path) }
      let packets: [[UInt8]] = [[1, 2, 3], [], Array(repeating: 0xa5, count: 1500)]
      do {
        var file = try DumpFile(path: path, linkType: link)
        for (index, packet) in packets.enumerated() {
          file.append(
            packet.span, originalLength: packet.count + index, nanoseconds: 1_700_000_000_123_456_789 + Int64(index))
        }
        try file.flush()
      }
      var capture = try Capture(file: path)
      let (found, isPrecise) = (capture.linkType, capture.hasNanoseconds)
      #expect(found == link && isPrecise)
      var seen: [Seen] = []
      try capture.dispatch { seen.append(Seen(bytes: copied($0), originalLength: $1, nanoseconds: $2)) }
      #expect(seen.map(\.bytes) == packets.filter { !$0.isEmpty } || seen.map(\.bytes) == packets)
      #expect(seen.last?.originalLength == 1502 && seen.last?.nanoseconds == 1_700_000_000_123_456_791)
      let count = try capture.count()
      #expect(count == 0)
    }

    @Test func aFilterAppliesToFiles() throws {
      let path = temporaryPath()
      defer { unsafe unlink(path) }
      do {
        var file = try DumpFile(path: path, linkType: .raw)
        for flags: UInt8 in [0x02, 0x12, 0x04] {
          let packet = Packets.ipv4(to: "192.0.2.1", protocol: 6, Packets.tcp(from: 1, to: 2, flags: flags))
          file.append(packet.span, nanoseconds: 0)
        }
      }
      var capture = try Capture(file: path, filter: "tcp[13] = 0x12")
      let count = try capture.count()
      #expect(count == 1)
    }

    @Test func pcapngAndMicrosecondFilesAreRead() throws {
      for bytes in [pcapng, microseconds] {
        let path = temporaryPath()
        defer { unsafe unlink(path) }
        try write(bytes, to: path)
        var capture = try Capture(file: path)
        var times: [Int64] = []
        try capture.dispatch { bytes, _, nanoseconds in
          #expect(bytes.count == 4 && bytes[0] == 0xde)
          times.append(nanoseconds)
        }
        #expect(times == [1_000_000_002_000])
      }
    }

    @Test func truncatedFilesAreErrorsAndNeverTrap() throws {
      for bytes in [pcapng, microseconds] {
        for length in 0..<bytes.count {
          let path = temporaryPath()
          defer { unsafe unlink(path) }
          try write(Array(bytes.prefix(length)), to: path)
          do throws(CaptureError) {
            var capture = try Capture(file: path)
            let count = try capture.count()
            #expect(count == 0)
          } catch {
            #expect(!error.message.isEmpty)
          }
        }
      }
    }

    @Test func anUnwritablePathIsAFileError() {
      #expect { _ = try DumpFile(path: "/nonexistent/x.pcap", linkType: .raw) } throws: { error in
        (error as? CaptureError)?.code == .file
      }
    }

    @Test func aFullDiskIsReportedAtFlush() throws {
      var file = try DumpFile(path: "/dev/full", linkType: .raw)
      let packet: [UInt8] = Array(repeating: 0, count: 1000)
      file.append(packet.span, nanoseconds: 0)
      #expect(throws: CaptureError.self) { try file.flush() }
    }

    /// A little-endian file header, LINKTYPE_RAW, and one packet at 1000.000002 s.
    private let microseconds: [UInt8] =
      [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]  // magic, version 2.4, zone, accuracy
      + [0xff, 0xff, 0, 0, 101, 0, 0, 0]  // snap length, link type
      + [0xe8, 3, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0]  // 1000 s, 2 us, lengths
      + [0xde, 0xad, 0xbe, 0xef]

    /// Section header, interface (LINKTYPE_RAW), one enhanced packet at 1000.000002 s.
    private let pcapng: [UInt8] =
      [0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]  // type, length, magic, version 1.0
      + [UInt8](repeating: 0xff, count: 8) + [28, 0, 0, 0]  // section length unknown, length again
      + [1, 0, 0, 0, 20, 0, 0, 0, 101, 0, 0, 0, 0xff, 0xff, 0, 0, 20, 0, 0, 0]  // interface, raw, snap length
      + [6, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]  // enhanced packet of interface 0, time (high)
      + [0x02, 0xca, 0x9a, 0x3b, 4, 0, 0, 0, 4, 0, 0, 0]  // 1000000002 us, lengths
      + [0xde, 0xad, 0xbe, 0xef, 36, 0, 0, 0]

    private func copied(_ bytes: Span<UInt8>) -> [UInt8] { bytes.indices.map { bytes[$0] } }

    private func temporaryPath() -> String { "/tmp/halfopen-\(getpid())-\(UInt64.random(in: 0 ... .max)).pcap" }

    private func write(_ bytes: [UInt8], to path: String) throws {
      guard let file = unsafe fopen(path, "w") else { throw CaptureError(.file, path, "not opened") }
      defer { unsafe fclose(file) }
      let written = unsafe fwrite(bytes, 1, bytes.count, file)
      #expect(written == bytes.count)
    }
  }
#endif
