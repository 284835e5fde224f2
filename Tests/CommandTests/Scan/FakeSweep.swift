// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire
import Synchronization

@testable import halfopen_command

/// A sweep without a network: every target is open, `batch` of them at a time.
final class FakeSweep: RunningSweep {
  let backend = CheckResult.Backend.packet
  let why = "it is made up"
  let faults: [SweepFault] = []
  struct State {
    /// Results given so far in this run, and where it began.
    var given: UInt64 = 0
    var start: UInt64 = 0
    var isStopped = false
    var hasEnded = false
  }

  let targets: TargetSet
  private let batch: UInt64
  private let state: Mutex<State>
  /// Called before each batch with what has been given.
  private let pause: @Sendable (UInt64) async throws(CheckError) -> Void
  let configuration: SweepConfiguration

  init(
    _ targets: TargetSet, _ configuration: SweepConfiguration, resume: SweepCheckpoint?, batch: UInt64 = 10,
    pause: @escaping @Sendable (UInt64) async throws(CheckError) -> Void = { _ throws(CheckError) in }
  ) {
    self.targets = targets
    self.configuration = configuration
    self.batch = batch
    self.pause = pause
    // What had been sent in the last moments before is sent again.
    let start = (resume?.cursor ?? 0) - min(resume?.cursor ?? 0, 5)
    state = Mutex(State(start: start))
  }

  var progress: SweepProgress {
    state.withLock { state in
      var progress = SweepProgress()
      progress.targets = targets.count
      progress.open = state.start + state.given
      progress.isComplete = progress.open == targets.count
      return progress
    }
  }

  func nextBatch() async throws(CheckError) -> [SweepResult]? {
    try await pause(state.withLock { $0.given })
    return state.withLock { state in
      let next = state.start + state.given
      guard !state.isStopped, !Task.isCancelled, next < targets.count else { return nil }
      let last = min(next + batch, targets.count)
      state.given += last - next
      return (next..<last).map { Sample.swept(address: targets[$0].address, port: targets[$0].port) }
    }
  }

  func changeRate(_ change: @Sendable (Double) -> Double) {}
  func stop() { state.withLock { $0.isStopped = true } }
  func takeNotices() -> [String] { [] }

  func checkpoint() -> SweepCheckpoint {
    state.withLock { state in
      SweepCheckpoint(
        job: targets.fingerprint, seed: 1, pass: 0, cursor: state.start + state.given, window: 0..<targets.count,
        reportCursor: 0, progress: SweepProgress(), resultsBefore: state.given, changed: [])
    }
  }

  func record(
    to path: String, onFailure: @escaping @Sendable (CheckError) -> Void
  ) throws(CheckError) -> SweepRecording {
    throw CheckError(.unsupported, subject: "a recording", advice: "")
  }
}
