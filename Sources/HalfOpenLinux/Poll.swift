// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A few descriptors to sleep on, for a loop that is seldom idle. See poll(2).
///
/// An epoll instance is called back for each packet that comes, whether or not anybody waits (`ep_poll_callback`); this is
/// known to the kernel only while it waits.
package struct Poll: ~Copyable {
  private var entries: [pollfd] = []

  package init() {}

  /// From here on `wait` ends when there is something to read, or the descriptor has failed.
  package mutating func add(_ fd: CInt) { entries.append(pollfd(fd: fd, events: CShort(POLLIN), revents: 0)) }

  /// To be called before the descriptor is closed.
  package mutating func remove(_ fd: CInt) { entries.removeAll { $0.fd == fd } }

  /// Waits until one of them is ready.
  /// - Parameter timeout: nanoseconds, nil for ever. Rounded up to the next millisecond.
  package mutating func wait(timeout: Int64?) throws(SystemCallError) {
    let (count, milliseconds) = (nfds_t(entries.count), roundedUp(timeout))
    // SAFETY: the kernel reads and writes as many entries as there are.
    try retrying("poll") { unsafe poll(&entries, count, milliseconds) }
  }

  /// Whether the last `wait` found it ready.
  package func isReady(_ fd: CInt) -> Bool { entries.contains { $0.fd == fd && $0.revents != 0 } }
}

/// What poll and epoll take for a timeout in nanoseconds. Rounded down, a short wait becomes a busy loop.
func roundedUp(_ timeout: Int64?) -> CInt {
  guard let timeout else { return -1 }
  let whole = max(0, timeout) / 1_000_000
  return CInt(clamping: timeout > 0 && timeout % 1_000_000 != 0 ? whole + 1 : whole)
}
