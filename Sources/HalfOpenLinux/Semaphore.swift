// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A counter that a thread waits on, for threads that may block.
@safe package final class Semaphore: @unchecked Sendable {
  // SAFETY: sem_t is made for use by several threads; it stays at one address from init to deinit.
  private let handle: UnsafeMutablePointer<sem_t>

  package init() {
    unsafe handle = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    unsafe handle.initialize(to: sem_t())
    _ = unsafe sem_init(handle, 0, 0)
  }

  deinit {
    // SAFETY: nobody waits any longer: a waiter holds a reference.
    _ = unsafe sem_destroy(handle)
    unsafe handle.deallocate()
  }

  /// Lets one waiter go, now or later.
  ///
  /// The corresponding C function is `sem_post`.
  package func signal() { _ = unsafe sem_post(handle) }

  /// Blocks until a `signal` is left over.
  ///
  /// The corresponding C function is `sem_wait`.
  package func wait() { while unsafe sem_wait(handle) != 0 {} }

  /// Blocks until a `signal` is left over, or `deadline` has come.
  ///
  /// The corresponding C function is `sem_clockwait(CLOCK_MONOTONIC)`, of glibc 2.30.
  package func wait(until deadline: Instant) {
    let (seconds, nanoseconds) = max(deadline.nanoseconds, 0).quotientAndRemainder(dividingBy: 1_000_000_000)
    var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
    // SAFETY: the time outlives the call. The only failure that is not an interruption is the deadline.
    _ = try? retrying("sem_clockwait") { unsafe clinux_sem_wait(handle, &time) }
  }
}
