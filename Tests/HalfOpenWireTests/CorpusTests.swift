// SPDX-License-Identifier: Apache-2.0

import Foundation
import HalfOpenWire
import Testing

/// Every parser against the files the fuzzers found, and against what cutting and flipping does to real packets.
@Suite struct CorpusTests {
  @Test(arguments: FuzzTarget.allCases)
  func theCorpusReplays(_ target: FuzzTarget) throws {
    let files = try Corpus.files(target)
    #expect(!files.isEmpty && files.count < 60)
    for file in files {
      let bytes = [UInt8](try Data(contentsOf: file))
      target.run(bytes.span)
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func noTruncationTraps(_ target: FuzzTarget) {
    for seed in target.seeds {
      for length in 0...seed.count { target.run(Array(seed.prefix(length)).span) }
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func noFlippedBitTraps(_ target: FuzzTarget) {
    for seed in target.seeds {
      var bytes = seed
      for bit in 0..<(seed.count * 8) {
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        target.run(bytes.span)
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      }
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func noRandomBytesTrap(_ target: FuzzTarget) {
    var random = SeededGenerator(state: 7)
    for _ in 0..<2_000 {
      let bytes = (0..<Int.random(in: 0...100, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      target.run(bytes.span)
    }
  }
}

enum Corpus {
  /// Tests/HalfOpenWireTests/Corpus, read where it stands: the files are no resource of the test bundle.
  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Corpus")

  static func files(_ target: FuzzTarget) throws -> [URL] {
    try FileManager.default.contentsOfDirectory(
      at: directory.appendingPathComponent(target.rawValue), includingPropertiesForKeys: nil)
  }
}
