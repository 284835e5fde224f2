// SPDX-License-Identifier: Apache-2.0

/// What a checkpoint file holds, read from wherever its bytes are.
package struct SweepCheckpointContents: Sendable {
  package var introduction: SweepCheckpointIntroduction
  /// Goes on from the checkpoint.
  package var journal: SweepCheckpointJournal
  /// The last whole one, with all answered bits that are not zero.
  package var checkpoint: SweepCheckpoint

  /// Words of bits that are looked at at a time; a piece of the checkpoint has so many.
  private static let pieceWords: UInt64 = 512

  /// - Parameters:
  ///   - size: the file's, in bytes.
  ///   - read: gives `count` bytes from `offset` on, fewer only where the file ends.
  package static func read<Failure: Error>(
    size: UInt64, _ read: (_ offset: UInt64, _ count: Int) throws(Failure) -> [UInt8]
  ) throws(Failure) -> Result<SweepCheckpointContents, SweepCheckpointFormat.Fault> {
    let start = try read(0, Int(SweepCheckpointFormat.pageSize))
    let introductionSize: Int
    switch Result(catching: { () throws(SweepCheckpointFormat.Fault) in
      try SweepCheckpointFormat.introductionSize(start)
    }) {
    case .success(let size): introductionSize = Int(size)
    case .failure(let fault): return .failure(fault)
    }
    guard size >= UInt64(introductionSize) else { return .failure(.truncated(needed: UInt64(introductionSize))) }
    let bytes = try read(0, introductionSize)
    let introduction: SweepCheckpointIntroduction
    switch Result(catching: { () throws(SweepCheckpointFormat.Fault) in try SweepCheckpointFormat.introduction(bytes) })
    {
    case .success(let read): introduction = read
    case .failure(let fault): return .failure(fault)
    }
    let places = SweepCheckpointJournal(introductionSize: introductionSize, bitsSize: introduction.bitsSize)
    guard size >= places.fileSize else { return .failure(.truncated(needed: places.fileSize)) }
    var latest: (checkpoint: SweepCheckpoint, generation: UInt64)?
    for copy in [UInt64(0), 1] {
      let bytes = try read(places.copyOffset(copy), SweepCheckpointFormat.headerSize)
      guard let header = SweepCheckpointFormat.header(bytes), header.generation & 1 == copy,
        places.fits(header.checkpoint)
      else { continue }
      if header.generation > latest?.generation ?? 0 { latest = header }
    }
    guard let (header, generation) = latest else { return .failure(.damaged) }
    var checkpoint = header
    try readBits(of: &checkpoint, at: places.bitsOffset(generation & 1), read)
    let journal = SweepCheckpointJournal(
      introductionSize: introductionSize, bitsSize: introduction.bitsSize, latest: checkpoint, generation: generation)
    return .success(
      SweepCheckpointContents(introduction: introduction, journal: journal, checkpoint: checkpoint))
  }

  private static func readBits<Failure: Error>(
    of checkpoint: inout SweepCheckpoint, at start: UInt64,
    _ read: (_ offset: UInt64, _ count: Int) throws(Failure) -> [UInt8]
  ) throws(Failure) {
    let words = (checkpoint.window.upperBound - checkpoint.window.lowerBound + 63) / 64
    var offset: UInt64 = 0
    while offset < words {
      let count = min(words - offset, pieceWords)
      let bytes = try read(start + 8 * offset, 8 * Int(count))
      if bytes.contains(where: { $0 != 0 }) {
        let piece = (0..<Int(count)).map { SweepCheckpointFormat.word(bytes, at: 8 * $0) }
        checkpoint.changed.append((offset, piece))
      }
      offset += count
    }
  }
}
