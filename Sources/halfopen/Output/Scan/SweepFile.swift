// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// What an output of a sweep is given.
enum SweepPiece: Sendable {
  case results([SweepResult])
  case fault(FaultLine)
  /// The last piece: what the sweep came to.
  case end(SweepProgress)

  var weight: Int { if case .results(let results) = self { results.count } else { 1 } }
}

/// A file in one of the formats that are written as results come.
final class SweepFile: OutputSink {
  private static let blockSize = 1 << 18
  private static let worthSynchronizing = 1 << 16
  private let descriptor: Descriptor
  private let isRegular: Bool
  private var encoder: any SweepEncoder
  private var buffer: [UInt8] = []

  /// - Parameter isResuming: what a regular file holds stays, but for a torn last line.
  init(
    _ descriptor: consuming Descriptor, encoder: any SweepEncoder, isResuming: Bool
  ) throws(SystemCallError) {
    self.descriptor = descriptor
    self.encoder = encoder
    let file = try status(of: self.descriptor)
    isRegular = file.isRegular
    var size: Int64 = 0
    if isRegular, isResuming {
      size = try SweepFile.endOfLastLine(in: self.descriptor, size: file.size)
      let end = try read(Int(min(size, 16)), at: max(size - 16, 0), from: self.descriptor)
      size -= Int64(self.encoder.resume(after: size, end: end[...]))
      try setSize(of: self.descriptor, to: size)
    }
    if size == 0 { self.encoder.begin(&buffer) }
    // So that a reader sees the beginning, and a full disk shows, before the first packet.
    try write()
  }

  func take(_ pieces: [SweepPiece]) throws(SystemCallError) {
    for piece in pieces {
      switch piece {
      case .results(let results): encoder.encode(results, into: &buffer)
      case .fault(let fault): encoder.encode(fault, into: &buffer)
      case .end(let progress): encoder.end(progress, into: &buffer)
      }
      if buffer.count >= SweepFile.blockSize { try write() }
    }
    try write()
  }

  func synchronize() throws(SystemCallError) {
    if isRegular { try HalfOpenLinux.synchronize(descriptor) }
  }

  private func write() throws(SystemCallError) {
    try writeAll(buffer[...], to: descriptor.rawValue)
    // What is on its way to the disk need not be waited for at the end; a few lines would go there again and again.
    let isWorthIt = isRegular && buffer.count >= SweepFile.worthSynchronizing
    if isWorthIt { beginSynchronizing(last: buffer.count, of: descriptor) }
    buffer.removeAll(keepingCapacity: true)
  }

  /// The position behind the last newline.
  private static func endOfLastLine(
    in descriptor: borrowing Descriptor, size: Int64
  ) throws(SystemCallError) -> Int64 {
    var end = size
    while end > 0 {
      let start = max(end - 1 << 16, 0)
      let block = try read(Int(end - start), at: start, from: descriptor)
      if let newline = block.lastIndex(of: 0x0a) { return start + Int64(newline) + 1 }
      end = start
    }
    return 0
  }
}
