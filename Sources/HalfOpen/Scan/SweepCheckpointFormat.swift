// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// What a checkpoint file says beside the checkpoint: how to go on with nothing but the file.
package struct SweepCheckpointIntroduction: Hashable, Sendable {
  /// The command's arguments, without the command's name.
  package var arguments: [String]
  /// The folder that relative paths in them start from.
  package var folder: String
  /// The targets themselves, as `TargetSet` has them in words: what they were read from may be gone.
  package var targets: [UInt64]
  /// Addresses and the names that they were given by, in turn.
  package var names: [String]
  /// What is to be told of targets that could not be found.
  package var faults: [String]
  /// Bytes that each copy has for answered bits: those of the first window, which no later one exceeds.
  package var bitsSize: UInt64

  package init(
    arguments: [String], folder: String, targets: [UInt64] = [], names: [String] = [], faults: [String] = [],
    window: Range<UInt64> = 0..<0
  ) {
    self.arguments = arguments
    self.folder = folder
    self.targets = targets
    self.names = names
    self.faults = faults
    bitsSize = 0
    makeRoom(for: window)
  }

  /// - Parameter window: the first; no later one is larger.
  package mutating func makeRoom(for window: Range<UInt64>) {
    let words = (window.upperBound - window.lowerBound + 63) / 64
    let page = SweepCheckpointFormat.pageSize
    bitsSize = (words * 8 + page - 1) / page * page
  }
}

/// The bytes of a checkpoint file, all numbers little-endian:
///
///     introduction   magic, version, length, bits size, folder, arguments, names, faults, targets, checksum; to the
///                    next whole page
///     copy 0         header: magic, generation, the checkpoint's numbers, checksum; to the next page
///                    answered bits
///     copy 1         the same
///
/// Checkpoints go to the two copies in turn: bits, then (when they are safe) the header. So at any moment the copy with the
/// higher generation among whole headers has exactly the bits that its header is of.
package enum SweepCheckpointFormat {
  package static let pageSize: UInt64 = 4096
  private static let magic = Array("halfopen sweep \n".utf8)
  private static let version: UInt64 = 2
  private static let headerMagic: UInt64 = 0x7265_6461_6568_6f68
  /// More targets than fit into memory.
  private static let maximumIntroduction: UInt64 = 1 << 40

  /// Why bytes are no checkpoint.
  package enum Fault: Error, Hashable, Sendable {
    case notACheckpoint
    case version(UInt64)
    case damaged
    /// How many bytes there have to be.
    case truncated(needed: UInt64)
  }

  // MARK: introduction

  package static func encode(_ introduction: SweepCheckpointIntroduction) -> [UInt8] {
    var body: [UInt8] = []
    append([introduction.bitsSize], to: &body)
    for texts in [[introduction.folder], introduction.arguments, introduction.names, introduction.faults] {
      append([UInt64(texts.count)], to: &body)
      for text in texts {
        append([UInt64(text.utf8.count)], to: &body)
        body += text.utf8
      }
    }
    append([UInt64(introduction.targets.count)], to: &body)
    append(introduction.targets, to: &body)
    var bytes = magic
    append([version, UInt64(magic.count + 16 + body.count + 8)], to: &bytes)
    bytes += body
    append([checksum(bytes)], to: &bytes)
    return bytes
  }

  /// Where the first copy begins.
  package static func copyOffset(introductionSize: Int) -> UInt64 {
    (UInt64(introductionSize) + pageSize - 1) / pageSize * pageSize
  }

  /// Whether a file begins as a checkpoint of any version does.
  package static func isCheckpoint(_ start: [UInt8]) -> Bool { start.starts(with: magic) }

  /// How many bytes the introduction has.
  ///
  /// - Parameter start: the file's first page, or all of it.
  package static func introductionSize(_ start: [UInt8]) throws(Fault) -> UInt64 {
    guard start.starts(with: magic) else {
      throw !start.isEmpty && magic.starts(with: start) ? .truncated(needed: pageSize) : .notACheckpoint
    }
    guard start.count >= magic.count + 16 else { throw .truncated(needed: pageSize) }
    let version = word(start, at: magic.count)
    guard version == SweepCheckpointFormat.version else { throw .version(version) }
    let size = word(start, at: magic.count + 8)
    guard size >= UInt64(magic.count) + 40, size <= maximumIntroduction else { throw .damaged }
    return size
  }

  /// Reads an introduction of all its bytes.
  package static func introduction(_ bytes: [UInt8]) throws(Fault) -> SweepCheckpointIntroduction {
    let size = try introductionSize(bytes)
    guard UInt64(bytes.count) >= size else { throw .truncated(needed: size) }
    let end = Int(size) - 8
    guard word(bytes, at: end) == checksum(Array(bytes[..<end])) else { throw .damaged }
    var reader = Reader(bytes: bytes[(magic.count + 16)..<end])
    let bitsSize = try reader.word()
    guard bitsSize % pageSize == 0, bitsSize <= 1 << 40, let folder = try reader.texts().first else { throw .damaged }
    var introduction = SweepCheckpointIntroduction(
      arguments: try reader.texts(), folder: folder)
    introduction.names = try reader.texts()
    introduction.faults = try reader.texts()
    introduction.targets = try reader.words()
    introduction.bitsSize = bitsSize
    guard reader.bytes.isEmpty else { throw .damaged }
    return introduction
  }

  private struct Reader {
    var bytes: ArraySlice<UInt8>

    mutating func word() throws(Fault) -> UInt64 {
      guard bytes.count >= 8 else { throw .damaged }
      defer { bytes = bytes.dropFirst(8) }
      return bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func texts() throws(Fault) -> [String] {
      let count = try word()
      var texts: [String] = []
      while texts.count < count {
        let length = try word()
        guard length <= UInt64(bytes.count) else { throw .damaged }
        texts.append(String(decoding: bytes.prefix(Int(length)), as: UTF8.self))
        bytes = bytes.dropFirst(Int(length))
      }
      return texts
    }

    mutating func words() throws(Fault) -> [UInt64] {
      let count = try word()
      guard count <= UInt64(bytes.count) / 8 else { throw .damaged }
      return try (0..<count).map { _ throws(Fault) in try word() }
    }
  }

  // MARK: header

  package static func encode(_ checkpoint: SweepCheckpoint, generation: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    append(
      [
        headerMagic, generation, checkpoint.job, checkpoint.seed, UInt64(checkpoint.pass), checkpoint.cursor,
        checkpoint.window.lowerBound, checkpoint.window.upperBound, checkpoint.reportCursor,
      ] + words(checkpoint.progress), to: &bytes)
    append([checksum(bytes)], to: &bytes)
    return bytes
  }

  package static let headerSize = encode(SweepCheckpoint.empty, generation: 0).count

  /// Reads a header, without the bits; nil for one that is not whole.
  package static func header(_ bytes: [UInt8]) -> (checkpoint: SweepCheckpoint, generation: UInt64)? {
    guard bytes.count >= headerSize, word(bytes, at: 0) == headerMagic,
      word(bytes, at: headerSize - 8) == checksum(Array(bytes[..<(headerSize - 8)]))
    else { return nil }
    let words = (0..<headerSize / 8 - 1).map { word(bytes, at: 8 * $0) }
    guard words[6] <= words[7], let pass = Int(exactly: words[4]) else { return nil }
    let checkpoint = SweepCheckpoint(
      job: words[2], seed: words[3], pass: pass, cursor: words[5], window: words[6]..<words[7],
      reportCursor: words[8], progress: progress(words[9...]), resultsBefore: 0, changed: [])
    return (checkpoint, words[1])
  }

  private static func words(_ progress: SweepProgress) -> [UInt64] {
    let (phase, pass): (UInt64, Int) =
      switch progress.phase {
      case .starting: (0, 0)
      case .sending(let pass): (1, pass)
      case .coolingDown: (2, 0)
      case .reporting: (3, 0)
      case .ended: (4, 0)
      }
    return [
      phase, UInt64(pass), progress.targets, progress.probed, progress.sent, progress.received, progress.open,
      progress.closed, progress.unreachable, progress.noAnswer, progress.errors, progress.duplicates, progress.late,
      progress.unmatched, progress.captureDropped, progress.sendFailures, progress.resetsSent,
      progress.rateAsked.bitPattern, progress.rateLimit == nil ? 0 : 1, (progress.rateLimit ?? 0).bitPattern,
      UInt64(bitPattern: progress.elapsed.saturatedNanoseconds),
      UInt64(bitPattern: progress.sendingTime.saturatedNanoseconds), progress.isComplete ? 1 : 0,
    ]
  }

  private static func progress(_ words: ArraySlice<UInt64>) -> SweepProgress {
    var words = words
    var progress = SweepProgress()
    let (phase, pass) = (words.removeFirst(), Int(truncatingIfNeeded: words.removeFirst()))
    progress.phase =
      switch phase {
      case 0: .starting
      case 1: .sending(pass: pass)
      case 2: .coolingDown
      case 3: .reporting
      default: .ended
      }
    let counts: [WritableKeyPath<SweepProgress, UInt64>] = [
      \.targets, \.probed, \.sent, \.received, \.open, \.closed, \.unreachable, \.noAnswer, \.errors, \.duplicates,
      \.late, \.unmatched, \.captureDropped, \.sendFailures, \.resetsSent,
    ]
    for count in counts { progress[keyPath: count] = words.removeFirst() }
    progress.rateAsked = Double(bitPattern: words.removeFirst())
    let hasLimit = words.removeFirst() != 0
    let limit = Double(bitPattern: words.removeFirst())
    progress.rateLimit = hasLimit ? limit : nil
    progress.elapsed = .nanoseconds(Int64(bitPattern: words.removeFirst()))
    progress.sendingTime = .nanoseconds(Int64(bitPattern: words.removeFirst()))
    progress.isComplete = words.removeFirst() != 0
    return progress
  }

  // MARK: words

  package static func append(_ words: some Sequence<UInt64>, to bytes: inout [UInt8]) {
    for word in words {
      for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
  }

  /// The word at `offset`, 0 where there is none.
  package static func word(_ bytes: [UInt8], at offset: Int) -> UInt64 {
    guard offset >= 0, offset + 8 <= bytes.count else { return 0 }
    var word: UInt64 = 0
    for index in (offset..<offset + 8).reversed() { word = word << 8 | UInt64(bytes[index]) }
    return word
  }

  /// Against accidents, not against malice: the key is known.
  private static func checksum(_ bytes: [UInt8]) -> UInt64 {
    let hash = SipHash(key: (0x6861_6c66_6f70_656e, 0x6368_6563_6b73_756d))
    var sum = UInt64(bytes.count)
    var padded = bytes
    padded += [UInt8](repeating: 0, count: (40 - bytes.count % 40) % 40)
    for offset in stride(from: 0, to: padded.count, by: 40) {
      sum = hash.hash(
        sum, word(padded, at: offset), word(padded, at: offset + 8), word(padded, at: offset + 16),
        word(padded, at: offset + 24), word(padded, at: offset + 32))
    }
    return sum
  }
}

extension SweepCheckpoint {
  fileprivate static var empty: SweepCheckpoint {
    SweepCheckpoint(
      job: 0, seed: 0, pass: 0, cursor: 0, window: 0..<0, reportCursor: 0, progress: SweepProgress(), resultsBefore: 0,
      changed: [])
  }
}
