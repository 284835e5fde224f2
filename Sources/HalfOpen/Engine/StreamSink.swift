// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
import Synchronization

/// A stream's end of the line: gathers what the loop delivers until the reader takes it, and holds checks in reserve, so
/// that the loop has the next at hand when one ends and need not wait for the reader.
package final class StreamSink: CheckSink {
  package struct Delivery: Sendable {
    package var index: Int
    package var end: CheckEnd
  }

  fileprivate struct State {
    var ready: [Delivery] = []
    var hasNews = false
    var reader: Resumption<Void>?
    /// Checks handed out and not yet delivered.
    var underWay = 0
    var reserve = Queue<CheckRequest>()
  }

  private let limit: Int
  private let timeout: Duration
  private let cancelled = Atomic<Bool>(false)
  private let state = Mutex(State())

  /// - Parameters:
  ///   - limit: checks under way at a time.
  ///   - timeout: of each, from when it starts.
  package init(limit: Int = .max, timeout: Duration = .seconds(1)) {
    self.limit = limit
    self.timeout = timeout
  }

  package var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

  package func markCancelled() {
    cancelled.store(true, ordering: .releasing)
    flush()
  }

  package func deliver(_ end: CheckEnd, index: Int) {
    state.withLock { state in
      state.ready.append(Delivery(index: index, end: end))
      state.underWay -= 1
    }
  }

  /// Wakes the reader, who looks at everything anew.
  package func flush() {
    let reader = state.withLock { state in
      let reader = state.reader.take()
      state.hasNews = reader == nil
      return reader
    }
    reader?.resume()
  }

  /// A flush that the reader has not yet seen.
  package var hasNews: Bool { state.withLock(\.hasNews) }

  package var isWorthWaking: Bool { state.withLock { $0.ready.count >= min(256, limit / 2) } }

  package func start(into requests: inout [CheckRequest], now: Instant) {
    guard !isCancelled else { return }
    state.withLock { $0.start(into: &requests, limit: limit, timeout: timeout, now: now) }
  }

  // MARK: The reader's side

  /// Leaves in `requests` what may start now, and keeps the others in reserve, in their order.
  package func admit(_ requests: inout [CheckRequest], now: Instant) {
    state.withLock { state in
      if state.reserve.isEmpty, requests.count <= limit - state.underWay {
        state.underWay += requests.count
        let deadline = now.advanced(by: timeout)
        for index in requests.indices { requests[index].deadline = deadline }
      } else {
        state.reserve.append(emptying: &requests)
        state.start(into: &requests, limit: limit, timeout: timeout, now: now)
      }
    }
  }

  /// Counts a check that does not pass through a loop; false where there is no room for it.
  package func admitOne() -> Bool {
    state.withLock { state in
      guard state.underWay < limit else { return false }
      state.underWay += 1
      return true
    }
  }

  /// Forgets the reserve.
  /// - Returns: what its checks were known by.
  package func dropReserve() -> [Int] {
    state.withLock { $0.reserve.takeAll().map(\.index) }
  }

  /// The outcome of a check that was never under way.
  package func fail(_ error: CheckError, index: Int) {
    state.withLock { $0.ready.append(Delivery(index: index, end: .failure(error))) }
    flush()
  }

  /// Exchanges what is ready for the emptied `batch`.
  package func take(into batch: inout [Delivery]) {
    state.withLock { swap(&$0.ready, &batch) }
  }

  /// Returns at the next `flush`, or at once if there was one since the last return.
  package func waitForNews() async {
    await suspended { (continuation: Resumption<Void>) in
      let now = state.withLock { state in
        if state.hasNews {
          state.hasNews = false
          return true
        }
        state.reader = continuation
        return false
      }
      if now { continuation.resume() }
    }
  }
}

extension StreamSink.State {
  fileprivate mutating func start(
    into requests: inout [CheckRequest], limit: Int, timeout: Duration, now: Instant
  ) {
    let count = min(limit - underWay, reserve.count)
    guard count > 0 else { return }
    let deadline = now.advanced(by: timeout)
    underWay += count
    for _ in 0..<count {
      guard var request = reserve.popFirst() else { return }
      request.deadline = deadline
      requests.append(request)
    }
  }
}
