// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import SystemPackage

/// An output that took no more.
struct OutputFailure: Error, CustomStringConvertible {
  let output: SweepOutput
  let error: SystemCallError

  var description: String {
    let advice =
      error.errno == .permissionDenied
      ? "choose a place where the user that the scan becomes may write, or another by --user"
      : "what was written stays. Make room or mend the reader"
    return "can't write \(output.shown): \(error.errno); \(advice)"
  }
}

/// All that a sweep's results are written to, each from a thread of its own.
final class SweepOutputs: Sendable {
  /// Results that may wait for a slow output.
  private static let bound = 1 << 10
  private static let syncInterval: Int64 = 900_000_000
  private let threads: [(output: SweepOutput, thread: OutputThread<SweepPiece>)]

  /// Opens every file. An existing one is emptied, unless a sweep is resumed: then it is continued.
  ///
  /// - Parameter onFailure: called once for each output that takes no more, on its thread. The others go on.
  init(
    _ outputs: [SweepOutput], job: OutputJob, isResuming: Bool,
    onFailure: @escaping @Sendable (OutputFailure) -> Void
  ) throws(OutputFailure) {
    var threads: [(output: SweepOutput, thread: OutputThread<SweepPiece>)] = []
    for output in outputs {
      do throws(SystemCallError) {
        let report: @Sendable (SystemCallError) -> Void = { onFailure(OutputFailure(output: output, error: $0)) }
        threads.append((output, try SweepOutputs.open(output, job: job, isResuming: isResuming, onFailure: report)))
      } catch {
        throw OutputFailure(output: output, error: error)
      }
    }
    self.threads = threads
  }

  /// Queues results for every output; waits while one of them has too many waiting.
  func write(_ results: [SweepResult]) async { await write(.results(results)) }

  /// Queues a fault for the outputs that have a form for it.
  func write(_ fault: FaultLine) async { await write(.fault(fault)) }

  /// Waits until all that was queued before is in the files, safe from a loss of power.
  ///
  /// - Returns: the outputs that could not be written: none, or no checkpoint may be made of what was queued.
  func flush() async -> [OutputFailure] { await all { await $0.flush() } }

  /// Ends every file in the way of its format.
  ///
  /// - Returns: the outputs that are not whole.
  func finish(_ progress: SweepProgress) async -> [OutputFailure] {
    await write(.end(progress))
    return await all { await $0.close() }
  }

  /// Takes away what only a resume would need, once all is finished.
  func forget() throws(SystemCallError) {
    for (output, _) in threads where output.format == .nmapXML && !output.isStandardOutput {
      try removeFile(NmapFile.spool(of: output.path))
    }
  }

  private func write(_ piece: SweepPiece) async {
    for (_, thread) in threads { await thread.write(piece, weight: piece.weight) }
  }

  private func all(
    _ body: @escaping @Sendable (OutputThread<SweepPiece>) async -> SystemCallError?
  ) async -> [OutputFailure] {
    await withTaskGroup { group in
      for (output, thread) in threads {
        group.addTask { await body(thread).map { OutputFailure(output: output, error: $0) } }
      }
      var failures: [OutputFailure] = []
      for await case let failure? in group { failures.append(failure) }
      return failures
    }
  }

  private static func open(
    _ output: SweepOutput, job: OutputJob, isResuming: Bool, onFailure: @escaping @Sendable (SystemCallError) -> Void
  ) throws(SystemCallError) -> OutputThread<SweepPiece> {
    let descriptor =
      try output.isStandardOutput ? duplicateOfStandardOutput() : openOutput(output.path, keeping: isResuming)
    let isResuming = isResuming && !output.isStandardOutput
    let encoder: any SweepEncoder
    switch output.format {
    case .jsonl: encoder = JSONLinesEncoder(names: job.names)
    case .text:
      encoder = TextEncoder(names: job.names, usesColor: job.usesColor && isTerminal(descriptor.rawValue))
    case .csv: encoder = ZmapEncoder()
    case .ipPort: encoder = EndpointEncoder()
    case .masscanList: encoder = MasscanListEncoder()
    case .masscanJSON: encoder = MasscanJSONEncoder()
    case .nmapXML:
      let path = output.isStandardOutput ? nil : output.path
      let file = try NmapFile(descriptor, path: path, job: job, isResuming: isResuming)
      return try OutputThread(sink: file, bound: bound, syncInterval: syncInterval, onFailure: onFailure)
    }
    let file = try SweepFile(descriptor, encoder: encoder, isResuming: isResuming)
    return try OutputThread(sink: file, bound: bound, syncInterval: syncInterval, onFailure: onFailure)
  }
}

/// What outputs say about the sweep itself.
struct OutputJob: Sendable {
  /// The names that targets were given by.
  var names = HostNames()
  /// Text may be coloured on a terminal: NO_COLOR is not set.
  var usesColor = true
  /// The command line.
  var arguments = ["halfopen", "scan"]
  var version = "0.1.0"
  /// The ports as text, such as `22,80-90`, and how many they are.
  var ports = ""
  var portCount = 0
  /// How many ports of every host this sweep probes; nil where they differ, as in a shard, or where every result is
  /// written anyhow.
  var portsOfEachHost: Int?
  /// How many hosts this sweep probes, as far as that is known.
  var hosts: UInt64?
}
