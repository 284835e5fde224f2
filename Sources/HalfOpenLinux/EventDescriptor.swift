// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A counter that wakes an epoll loop from any thread. See eventfd(2).
package struct EventDescriptor: ~Copyable, Sendable {
  private let descriptor: Descriptor

  package init() throws(SystemCallError) {
    descriptor = try Descriptor(opening: "eventfd") { eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK)) }
  }

  package var rawValue: CInt { descriptor.rawValue }

  /// Makes the descriptor readable. A full counter already is, so failure needs no answer.
  package func signal() {
    var one: UInt64 = 1
    // SAFETY: eight bytes of `one` are read.
    _ = unsafe write(descriptor.rawValue, &one, 8)
  }

  /// Takes all signals so far.
  package func clear() {
    var count: UInt64 = 0
    // SAFETY: eight bytes are written to `count`.
    _ = unsafe read(descriptor.rawValue, &count, 8)
  }
}
