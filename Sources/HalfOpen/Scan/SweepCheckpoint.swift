// SPDX-License-Identifier: Apache-2.0

/// Where a sweep stands, to go on from after its end, however that came.
package struct SweepCheckpoint: Sendable {
  /// What the job is: a hash of all that decides which target has which position, and what counts as its result.
  package var job: UInt64
  /// What the order follows from.
  package var seed: UInt64
  /// The running pass, 0 the first.
  package var pass: Int
  /// Positions below it have been probed in this pass.
  package var cursor: UInt64
  /// The positions that the answered bits are of.
  package var window: Range<UInt64>
  /// Silent targets at positions below it have been handed out.
  package var reportCursor: UInt64
  /// The counts so far.
  package var progress: SweepProgress
  /// How many results, from the first of this run on, have to be on disk before this checkpoint is.
  package var resultsBefore: UInt64
  /// The pieces of the answered bits that changed since the checkpoint before, in words from the window's start: bit b of
  /// word w is position `window.lowerBound + 64 * w + b`. Whoever resumes gets all that are not zero.
  package var changed: [(offset: UInt64, words: [UInt64])]

  /// A checkpoint by parts.
  package init(
    job: UInt64, seed: UInt64, pass: Int, cursor: UInt64, window: Range<UInt64>, reportCursor: UInt64,
    progress: SweepProgress, resultsBefore: UInt64, changed: [(offset: UInt64, words: [UInt64])]
  ) {
    self.job = job
    self.seed = seed
    self.pass = pass
    self.cursor = cursor
    self.window = window
    self.reportCursor = reportCursor
    self.progress = progress
    self.resultsBefore = resultsBefore
    self.changed = changed
  }
}
