// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of bytes into lines, each at most `limit` bytes long. Holds no more than one unfinished line.
package struct LineSplitter {
  package struct Line: Equatable {
    /// From one.
    package var number: Int
    /// Without the newline; cut at the limit.
    package var bytes: [UInt8]
    /// The line was longer than the limit: its bytes are its beginning.
    package var isTooLong: Bool
  }

  package let limit: Int
  private var partial: [UInt8] = []
  private var number = 1
  private var isTooLong = false

  package init(limit: Int = 1 << 16) { self.limit = limit }

  /// Gives `body` each line that `bytes` completes.
  package mutating func feed(_ bytes: ArraySlice<UInt8>, _ body: (Line) -> Void) {
    var rest = bytes
    while let newline = rest.firstIndex(of: 0x0a) {
      keep(rest[..<newline])
      finish(body)
      rest = rest[(newline + 1)...]
    }
    keep(rest)
  }

  /// Gives `body` the last line where no newline ended it.
  package mutating func end(_ body: (Line) -> Void) {
    if !partial.isEmpty { finish(body) }
  }

  private mutating func keep(_ bytes: ArraySlice<UInt8>) {
    let room = limit - partial.count
    if bytes.count > room { isTooLong = true }
    partial += bytes.prefix(room)
  }

  private mutating func finish(_ body: (Line) -> Void) {
    body(Line(number: number, bytes: partial, isTooLong: isTooLong))
    partial.removeAll(keepingCapacity: true)
    number += 1
    isTooLong = false
  }
}
