// SPDX-License-Identifier: Apache-2.0

/// Which writes put a checkpoint into a file, in which order: the part of a checkpoint file that can be proved without one.
package struct SweepCheckpointJournal: Sendable {
  /// One step. Only what comes before a `synchronize` outlasts a loss of power for sure.
  package enum Step: Hashable, Sendable {
    case write(offset: UInt64, bytes: [UInt8])
    case synchronize
  }

  private let firstCopy: UInt64
  private let bitsSize: UInt64
  private var generation: UInt64 = 0
  /// The window that each copy's bits are of; nil for bits that have to be written anew.
  private var windows: [Range<UInt64>?] = [nil, nil]
  /// What the copy that is not the latest lacks.
  private var previous: (window: Range<UInt64>, changed: [(offset: UInt64, words: [UInt64])])?
  private static let block = 1 << 20

  /// A journal of a file that holds no checkpoint, with all bits zero.
  package init(introductionSize: Int, bitsSize: UInt64) {
    firstCopy = SweepCheckpointFormat.copyOffset(introductionSize: introductionSize)
    self.bitsSize = bitsSize
  }

  /// A journal of a file whose latest checkpoint is `latest`, with all its bits that are not zero.
  package init(introductionSize: Int, bitsSize: UInt64, latest: SweepCheckpoint, generation: UInt64) {
    self.init(introductionSize: introductionSize, bitsSize: bitsSize)
    self.generation = generation
    windows[Int(generation & 1)] = latest.window
    previous = (latest.window, latest.changed)
  }

  /// The file's size in bytes.
  package var fileSize: UInt64 { copyOffset(2) }

  /// Where a copy's header is.
  package func copyOffset(_ copy: UInt64) -> UInt64 {
    firstCopy + copy * (SweepCheckpointFormat.pageSize + bitsSize)
  }

  /// Where a copy's bits are.
  package func bitsOffset(_ copy: UInt64) -> UInt64 { copyOffset(copy) + SweepCheckpointFormat.pageSize }

  /// Whether the file has room for a checkpoint's bits.
  package func fits(_ checkpoint: SweepCheckpoint) -> Bool {
    let words = bitsSize / 8
    return checkpoint.window.upperBound - checkpoint.window.lowerBound <= bitsSize * 8
      && checkpoint.changed.allSatisfy { $0.offset <= words && UInt64($0.words.count) <= words - $0.offset }
  }

  /// Gives the steps that put the next checkpoint in the place of the one before the latest.
  package mutating func store<Failure: Error>(
    _ checkpoint: SweepCheckpoint, perform: (Step) throws(Failure) -> Void
  ) throws(Failure) {
    let next = generation + 1
    let copy = next & 1
    let isNew = windows[Int(copy)] != checkpoint.window
    windows[Int(copy)] = nil
    // A header that stayed would vouch for bits that are no longer its own.
    let headerSize = SweepCheckpointFormat.headerSize
    try perform(.write(offset: copyOffset(copy), bytes: [UInt8](repeating: 0, count: headerSize)))
    if isNew { try clear(copy, perform: perform) }
    if let previous, previous.window == checkpoint.window {
      try write(previous.changed, to: copy, perform: perform)
    }
    try write(checkpoint.changed, to: copy, perform: perform)
    try perform(.synchronize)
    try perform(
      .write(offset: copyOffset(copy), bytes: SweepCheckpointFormat.encode(checkpoint, generation: next)))
    try perform(.synchronize)
    windows[Int(copy)] = checkpoint.window
    previous = (checkpoint.window, checkpoint.changed)
    generation = next
  }

  private func clear<Failure: Error>(_ copy: UInt64, perform: (Step) throws(Failure) -> Void) throws(Failure) {
    var offset: UInt64 = 0
    while offset < bitsSize {
      let count = min(bitsSize - offset, UInt64(SweepCheckpointJournal.block))
      try perform(.write(offset: bitsOffset(copy) + offset, bytes: [UInt8](repeating: 0, count: Int(count))))
      offset += count
    }
  }

  private func write<Failure: Error>(
    _ pieces: [(offset: UInt64, words: [UInt64])], to copy: UInt64, perform: (Step) throws(Failure) -> Void
  ) throws(Failure) {
    for piece in pieces {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(8 * piece.words.count)
      SweepCheckpointFormat.append(piece.words, to: &bytes)
      try perform(.write(offset: bitsOffset(copy) + 8 * piece.offset, bytes: bytes))
    }
  }
}
