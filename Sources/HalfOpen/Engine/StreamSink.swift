// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization

/// A stream's end of the line: gathers what the loop delivers until the reader takes it.
package final class StreamSink: CheckSink {
  package struct Delivery: Sendable {
    package var index: Int
    package var end: CheckEnd
  }

  private struct State {
    var ready: [Delivery] = []
    var hasNews = false
    var reader: Resumption<Void>?
  }

  private let cancelled = Atomic<Bool>(false)
  private let state = Mutex(State())

  package init() {}

  package var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

  package func markCancelled() {
    cancelled.store(true, ordering: .releasing)
    flush()
  }

  package func deliver(_ end: CheckEnd, index: Int) {
    state.withLock { $0.ready.append(Delivery(index: index, end: end)) }
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
