// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
import Synchronization

/// Where a loop delivers the ends of checks: one waiting caller, or a stream.
package protocol CheckSink: AnyObject, Sendable {
  /// Set by the cancelling side before it posts the cancellation. A loop starts nothing for such a sink.
  var isCancelled: Bool { get }

  /// Has one check only, whose tag the loop keeps in `slotTag`, so that its cancellation need not search.
  var isSingle: Bool { get }

  /// Written by the loop that owns the slot, and read by it again on cancellation.
  var slotTag: UInt64 { get set }

  /// Called once for each check: on the loop's thread, or for a single caller beside it (`EndedCallers`). Never blocks.
  func deliver(_ end: CheckEnd, index: Int)

  /// Called on the loop's thread at the end of a round with one or more `deliver`.
  func flush()

  /// Enough has been delivered for `flush` at once, and not only before the loop sleeps.
  var isWorthWaking: Bool { get }

  /// Appends the checks that may start in the place of those that ended.
  func start(into requests: inout [CheckRequest], now: Instant)
}

extension CheckSink {
  package var isSingle: Bool { false }
  package var slotTag: UInt64 {
    get { .max }
    set {}
  }
  package var isWorthWaking: Bool { true }
  package func start(into requests: inout [CheckRequest], now: Instant) {}
}

/// One caller that awaits one check.
package final class SingleCheck: CheckSink {
  private let cancelled = Atomic<Bool>(false)
  private let continuation = Mutex<Resumption<CheckEnd>?>(nil)
  private let tag = Atomic<UInt64>(.max)

  package init() {}

  package var isSingle: Bool { true }
  package var slotTag: UInt64 {
    get { tag.load(ordering: .relaxed) }
    set { tag.store(newValue, ordering: .relaxed) }
  }

  package var isCancelled: Bool { cancelled.load(ordering: .acquiring) }
  package func markCancelled() { cancelled.store(true, ordering: .releasing) }

  /// Before the request is posted.
  package func arm(_ continuation: Resumption<CheckEnd>) {
    self.continuation.withLock { $0 = continuation }
  }

  package func deliver(_ end: CheckEnd, index: Int) {
    let waiting = continuation.withLock { $0.take() }
    waiting?.resume(returning: end)
  }

  package func flush() {}
}
