// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization

/// How it went when a thread opened what it needs, for whoever started the thread.
final class Opening: Sendable {
  private let failure = Mutex<CheckError?>(nil)
  private let isOver = Semaphore()

  /// By the thread, once: opens, and lets the other one know.
  /// - Returns: nil where it failed.
  func run<Value>(_ open: () throws(CheckError) -> Value) -> Value? {
    defer { isOver.signal() }
    do throws(CheckError) { return try open() } catch {
      failure.withLock { $0 = error }
      return nil
    }
  }

  /// By who waits for it, once.
  /// - Throws: what the thread's opening threw.
  func wait() throws(CheckError) {
    isOver.wait()
    if let failure = failure.withLock({ $0 }) { throw failure }
  }
}
