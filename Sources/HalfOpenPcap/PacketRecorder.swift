// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import HalfOpenLinux
  import Synchronization

  /// Writes packets to a pcap file from a thread of its own. Whoever has packets never waits for the disk: what finds no
  /// room is left out, and counted.
  package final class PacketRecorder: Sendable {
    private struct State {
      /// Packets, each behind its `Entry`.
      var bytes: [UInt8] = []
      var leftOut: UInt64 = 0
      var isClosed = false
      var failure: CaptureError?
    }

    private let room: Int
    private let onFailure: @Sendable (CaptureError) -> Void
    private let state = Mutex(State())
    private let work = Semaphore()
    private let end = Semaphore()

    /// Makes the file, or empties it.
    ///
    /// - Parameters:
    ///   - linkType: what every packet begins with. `raw` serves all interfaces.
    ///   - room: bytes that may wait for the disk.
    ///   - onFailure: called once, on the recorder's thread, when the file takes no more.
    package init(
      path: String, linkType: CaptureLinkType = .raw, room: Int = 16 << 20,
      onFailure: @escaping @Sendable (CaptureError) -> Void
    ) throws(CaptureError) {
      self.room = room
      self.onFailure = onFailure
      let writer = Writer(try DumpFile(path: path, linkType: linkType))
      do throws(SystemCallError) {
        _ = try DedicatedThread(name: "halfopen-pcap") { [self] in run(writer) }
      } catch {
        throw CaptureError(.file, path, "no thread to write it: \(error)", errno: error.errno)
      }
    }

    /// Queues a packet, from any thread. Packets are written in the order of the calls.
    ///
    /// - Parameters:
    ///   - originalLength: the packet's real length in bytes, if only its beginning is here.
    ///   - nanoseconds: since 1970.
    package func record(_ packet: Span<UInt8>, originalLength: Int? = nil, nanoseconds: Int64) {
      let entry = Entry(count: packet.count, originalLength: originalLength ?? packet.count, nanoseconds: nanoseconds)
      let isFirst = state.withLock { state in
        guard state.failure == nil, !state.isClosed else { return false }
        guard state.bytes.count + Entry.size + packet.count <= room else {
          state.leftOut += 1
          return false
        }
        let isFirst = state.bytes.isEmpty
        entry.append(to: &state.bytes)
        // SAFETY: the buffer is copied at once.
        unsafe packet.withUnsafeBufferPointer { unsafe state.bytes.append(contentsOf: $0) }
        return isFirst
      }
      if isFirst { work.signal() }
    }

    /// Packets that were left out since the file stood still for too long.
    package var leftOut: UInt64 { state.withLock { $0.leftOut } }

    /// Writes what is left and ends. Blocks: not for the cooperative pool. Once.
    ///
    /// - Throws: `CaptureError` if the file has not everything that was queued.
    package func close() throws(CaptureError) {
      state.withLock { $0.isClosed = true }
      work.signal()
      end.wait()
      if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    private func run(_ writer: Writer) {
      var batch: [UInt8] = []
      while true {
        work.wait()
        batch.removeAll(keepingCapacity: true)
        let isLast = state.withLock { state in
          swap(&state.bytes, &batch)
          return state.isClosed
        }
        do throws(CaptureError) {
          try writer.write(batch)
        } catch {
          state.withLock { $0.failure = error }
          onFailure(error)
          break
        }
        if isLast { break }
      }
      end.signal()
    }

    /// What stands before each packet in the queue.
    private struct Entry {
      static let size = 24
      var count: Int
      var originalLength: Int
      var nanoseconds: Int64

      func append(to bytes: inout [UInt8]) {
        append(Int64(count), to: &bytes)
        append(Int64(originalLength), to: &bytes)
        append(nanoseconds, to: &bytes)
      }

      private func append(_ value: Int64, to bytes: inout [UInt8]) {
        for shift in stride(from: Int64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
      }
    }

    /// Owns the file for the thread.
    private final class Writer {
      private var file: DumpFile
      init(_ file: consuming DumpFile) { self.file = file }

      func write(_ batch: [UInt8]) throws(CaptureError) {
        var offset = 0
        while offset + Entry.size <= batch.count {
          let count = Int(number(batch, at: offset))
          let start = offset + Entry.size
          file.append(
            batch.span.extracting(start..<start + count), originalLength: Int(number(batch, at: offset + 8)),
            nanoseconds: number(batch, at: offset + 16))
          offset = start + count
        }
        try file.flush()
      }

      private func number(_ bytes: [UInt8], at offset: Int) -> Int64 {
        bytes[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | Int64($1) }
      }
    }
  }
#endif
