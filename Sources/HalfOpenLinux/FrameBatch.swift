// SPDX-License-Identifier: Apache-2.0

/// Ethernet frames that gather to leave together, in memory that keeps what was written into it.
package protocol FrameBatch: ~Copyable {
  /// Adds frames of one length that begin alike, so that `fill` only has to write what differs.
  ///
  /// There must be room for them.
  /// - Parameters:
  ///   - start: tells what `begin` writes from all else that is written so; not negative.
  ///   - begin: writes what a frame begins as, where that is not what it finds.
  ///   - fill: writes the frame of an index from 0, and returns its tag.
  mutating func append(
    _ number: Int, length: Int, start: Int, begin: (inout MutableSpan<UInt8>) -> Void,
    fill: (_ index: Int, _ frame: inout MutableSpan<UInt8>) -> UInt64)
}
