// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import Synchronization

/// Keeps on disk how far a scan is. What a checkpoint counts as found is in every output's file before it.
final class ScanCheckpoint: Sendable {
  private struct State {
    /// Results that the outputs have been given.
    var handed: UInt64 = 0
    var waiting: CheckedContinuation<Void, Never>?
    /// A checkpoint was lost: what a later one adds to it would leave a gap.
    var hasFailed = false
  }

  private static let interval = Duration.milliseconds(500)

  /// As people named the file.
  let shown: String
  private let file: SweepCheckpointFile
  private let sweep: any RunningSweep
  private let outputs: SweepOutputs
  private let onFailure: @Sendable (CheckError) -> Void
  private let state = Mutex(State())

  /// - Parameter onFailure: called once, if a checkpoint can't be written.
  init(
    _ file: SweepCheckpointFile, shown: String, sweep: any RunningSweep, outputs: SweepOutputs,
    onFailure: @escaping @Sendable (CheckError) -> Void
  ) {
    self.file = file
    self.shown = shown
    self.sweep = sweep
    self.outputs = outputs
    self.onFailure = onFailure
  }

  /// Notes that the outputs were given so many more results.
  func handed(_ count: Int) {
    let waiting = state.withLock { state in
      state.handed += UInt64(count)
      return state.waiting.take()
    }
    waiting?.resume()
  }

  /// Writes a checkpoint every now and then, until the task is cancelled.
  func run() async {
    while (try? await Task.sleep(for: ScanCheckpoint.interval)) != nil { await store() }
  }

  /// Writes one checkpoint. Not twice at the same time.
  func store() async {
    guard !hasFailed else { return }
    let checkpoint = sweep.checkpoint()
    await wait(for: checkpoint.resultsBefore)
    // An output that failed has told so itself.
    guard await outputs.flush().isEmpty else { return state.withLock { $0.hasFailed = true } }
    do throws(CheckError) {
      try await file.store(checkpoint)
    } catch {
      state.withLock { $0.hasFailed = true }
      onFailure(error)
    }
  }

  /// It waits for results to be handed to the outputs.
  var isWaiting: Bool { state.withLock { $0.waiting != nil } }

  /// What was found after the last checkpoint is not counted as found.
  var hasFailed: Bool { state.withLock { $0.hasFailed } }

  /// Takes the file away: nothing is left to do.
  func remove() throws(CheckError) { try file.remove() }

  private func wait(for count: UInt64) async {
    while state.withLock({ $0.handed < count }) {
      await withCheckedContinuation { continuation in
        let isMet = state.withLock { state in
          if state.handed >= count { return true }
          state.waiting = continuation
          return false
        }
        if isMet { continuation.resume() }
      }
    }
  }
}

/// Where a scan keeps its checkpoint.
enum CheckpointPlace {
  /// A job that may take longer than this gets one unasked.
  private static let patience = 60.0
  /// What `--rate max` is taken for: more than most paths reach would leave long jobs without.
  private static let fastest = 200_000.0

  /// The path of a new checkpoint; nil for none.
  ///
  /// - Parameters:
  ///   - targets: how many this run probes.
  ///   - isFile: whether a path is, or can become, a regular file.
  static func path(_ command: ScanCommand, targets: Int, isFile: (String) -> Bool) -> String? {
    if command.output.noCheckpoint { return nil }
    if let path = command.output.checkpoint { return path }
    let probes = Double(targets) * Double(command.pace.retries + 1)
    guard probes / min(command.pace.packetsPerSecond, fastest) > patience else { return nil }
    return command.output.outputs.first { !$0.isStandardOutput && isFile($0.path) }.map { "\($0.path).checkpoint" }
  }
}
