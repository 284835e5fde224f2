// SPDX-License-Identifier: Apache-2.0

/// A piece of input that makes no sense, and where in its text.
package struct InputError: Error, Hashable, Sendable {
  /// Bytes before the piece.
  package var offset: Int
  package var what: String
  package var advice: String

  package init(offset: Int = 0, what: String, advice: String) {
    self.offset = offset
    self.what = what
    self.advice = advice
  }

  /// The same mistake in a text that has `count` more bytes before it.
  package func shifted(by count: Int) -> InputError {
    InputError(offset: offset + count, what: what, advice: advice)
  }

  /// One line: the file, line and column, what is wrong, and what to do.
  package func message(file: String, line: Int) -> String {
    "\(file):\(line):\(offset + 1): invalid \(what); \(advice)"
  }
}
