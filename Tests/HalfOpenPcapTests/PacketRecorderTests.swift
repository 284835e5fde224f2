// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import Glibc
  import HalfOpenLinux
  import HalfOpenPcap
  import Synchronization
  import Testing

  @Suite(.timeLimit(.minutes(2))) struct PacketRecorderTests {
    private let path = "/tmp/halfopen-\(getpid())-\(UInt64.random(in: 0 ... .max)).pcap"

    /// A packet that tells its writer and its place.
    private static func packet(_ writer: UInt8, _ number: Int) -> [UInt8] {
      [writer, UInt8(number & 0xff), UInt8(number >> 8)] + [UInt8](repeating: writer, count: number % 60)
    }

    @Test func packetsOfTwoThreadsAreAllThereInTheirOrder() throws {
      defer { try? removeFile(path) }
      let count = 5000
      let recorder = try PacketRecorder(path: path) { _ in }
      func record(_ writer: UInt8) throws(SystemCallError) -> DedicatedThread {
        try DedicatedThread(name: "recording") {
          for number in 0..<count {
            recorder.record(
              Self.packet(writer, number).span, originalLength: 100 + number, nanoseconds: Int64(number) + 7)
          }
        }
      }
      let first = try record(1)
      let second = try record(2)
      first.join()
      second.join()
      try recorder.close()
      #expect(recorder.leftOut == 0)
      var numbers: [UInt8: [Int]] = [:]
      var capture = try Capture(file: path)
      while try capture.dispatch({ bytes, length, nanoseconds in
        let number = Int(bytes[1]) | Int(bytes[2]) << 8
        let isWhole = bytes.indices.map { bytes[$0] } == Self.packet(bytes[0], number)
        #expect(isWhole && length == 100 + number && nanoseconds == Int64(number) + 7)
        numbers[bytes[0], default: []].append(number)
      }) > 0 {}
      #expect(numbers == [1: Array(0..<count), 2: Array(0..<count)])
    }

    /// A file that takes nothing for now: a pipe that nobody reads.
    @Test func whatFindsNoRoomIsCountedAndNobodyWaits() throws {
      try retrying("mkfifo") { unsafe mkfifo(path, 0o600) }
      defer { try? removeFile(path) }
      // Opened for both sides, so that opening the other one does not wait.
      let reading = Descriptor(owning: try retrying("open") { unsafe open(path, O_RDWR) })
      let recorder = try PacketRecorder(path: path, room: 10_000) { _ in }
      let packet = [UInt8](repeating: 1, count: 1000)
      let count = 1000
      for _ in 0..<count { recorder.record(packet.span, nanoseconds: 0) }
      let leftOut = recorder.leftOut
      // A pipe holds 64 KiB, the recorder its room twice.
      #expect(leftOut > UInt64(count - 100) && leftOut < UInt64(count))
      let reader = try DedicatedThread(name: "reading") {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        // Ends when the other side has closed and the test lets go of its own.
        var rest = 24 + (count - Int(leftOut)) * 1016
        while rest > 0, let read = try? readSome(into: &chunk, from: reading.rawValue), read > 0 { rest -= read }
      }
      try recorder.close()
      reader.join()
      #expect(recorder.leftOut == leftOut)
    }

    @Test func aFullDiskIsSaidOnce() throws {
      let failures = Atomic(0)
      let recorder = try PacketRecorder(path: "/dev/full") { _ in failures.add(1, ordering: .relaxed) }
      let packet = [UInt8](repeating: 1, count: 1000)
      for _ in 0..<100 { recorder.record(packet.span, nanoseconds: 0) }
      #expect(throws: CaptureError.self) { try recorder.close() }
      #expect(failures.load(ordering: .relaxed) == 1)
    }

    @Test func aPathThatCannotBeOpenedIsSaidAtOnce() {
      #expect(throws: CaptureError.self) { try PacketRecorder(path: "/nonexistent/x.pcap") { _ in } }
    }
  }
#endif
