// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The owner of one file descriptor, closed when the owner goes.
package struct Descriptor: ~Copyable, Sendable {
  package let rawValue: CInt

  /// Takes over `rawValue`: nobody else may close it.
  package init(owning rawValue: CInt) { self.rawValue = rawValue }

  deinit {
    // EINTR is not retried: Linux has freed the number by then (close(2), https://lwn.net/Articles/576478/).
    let result = Glibc.close(rawValue)
    assert(result == 0 || errno != EBADF, "descriptor \(rawValue) was closed by someone else")
  }

  /// Gives the descriptor up without closing it.
  package consuming func release() -> CInt {
    let value = rawValue
    discard self
    return value
  }
}
