// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenPcap
  import HalfOpenWire
  import Synchronization

  /// Where a sweep's threads find the recorder of its packets, if there is one.
  final class PacketTap: Sendable {
    private let recorder = Mutex<PacketRecorder?>(nil)

    func set(_ recorder: PacketRecorder) { self.recorder.withLock { $0 = recorder } }

    /// Asked for once a turn, never once a packet.
    var current: PacketRecorder? { recorder.withLock { $0 } }
  }

  /// What a transmitter is about to send, for the recorder: a packet that did not leave is left out.
  struct SentCopies {
    private var copies: [(tag: UInt64, packet: PacketCopy)] = []

    mutating func append(_ packet: PacketCopy, tag: UInt64) { copies.append((tag, packet)) }

    mutating func record(to recorder: PacketRecorder, nanoseconds: Int64, without failed: Set<UInt64>) {
      for (tag, packet) in copies where !failed.contains(tag) {
        recorder.record(packet.bytes.span, nanoseconds: nanoseconds)
      }
      copies.removeAll(keepingCapacity: true)
    }
  }

#endif
