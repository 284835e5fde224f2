// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import HalfOpenPcap
#endif

/// A pcap file of a sweep's packets: every one sent, and every one that belongs to it. Each begins with its IP header.
///
/// Whoever sends never waits for the file.
package final class SweepRecording: Sendable {
  #if HALFOPEN_LIBPCAP
    private let recorder: PacketRecorder

    fileprivate init(_ recorder: PacketRecorder) { self.recorder = recorder }

    fileprivate static func fault(_ error: CaptureError) -> CheckError {
      CheckError(
        .system, subject: "can't write the recording '\(error.subject)': \(error.message)",
        advice: "make room, or choose another place with --pcap", errno: error.errno)
    }
  #endif

  /// Packets that are not in the file, since it stood still for too long.
  package var leftOut: UInt64 {
    #if HALFOPEN_LIBPCAP
      recorder.leftOut
    #else
      0
    #endif
  }

  /// Writes what is left and ends the file. Blocks. Once.
  ///
  /// - Throws: `CheckError` if the file has not everything.
  package func close() throws(CheckError) {
    #if HALFOPEN_LIBPCAP
      do throws(CaptureError) { try recorder.close() } catch { throw SweepRecording.fault(error) }
    #endif
  }
}

extension Sweep {
  /// Records from the start on. Before the first batch.
  ///
  /// - Parameters:
  ///   - path: of the file, which is made or emptied.
  ///   - onFailure: called once, when the file takes no more.
  /// - Throws: `CheckError` where the engine sees no packets, or the file can't be made.
  package func record(
    to path: String, onFailure: @escaping @Sendable (CheckError) -> Void
  ) throws(CheckError) -> SweepRecording {
    #if HALFOPEN_LIBPCAP
      if let run = run as? PacketSweep {
        do throws(CaptureError) {
          let recorder = try PacketRecorder(path: path) { onFailure(SweepRecording.fault($0)) }
          run.record(to: recorder)
          return SweepRecording(recorder)
        } catch {
          throw SweepRecording.fault(error)
        }
      }
    #endif
    throw CheckError(
      .unsupported, subject: "a recording: the \(backend.rawValue) engine sees no packets",
      advice: "use --backend packet, or leave out --pcap")
  }
}
