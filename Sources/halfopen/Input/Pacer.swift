// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import Synchronization

/// Holds starts to a rate and to a number under way, so that nothing queues up behind it and bursts later.
final class Pacer: Sendable {
  private struct State {
    var schedule: PaceSchedule
    var underWay = 0
    var waiting: CheckedContinuation<Void, Never>?
  }

  private let limit: Int
  private let state: Mutex<State>

  /// - Parameter rate: starts a second.
  init(rate: Double, limit: Int) {
    self.limit = limit
    state = Mutex(State(schedule: PaceSchedule(rate: rate, now: Instant.now.nanoseconds)))
  }

  /// Waits for the next start's time. For one task. False if it was cancelled.
  func start() async -> Bool {
    while !Task.isCancelled, !reserve() { await waitForEnd() }
    while !Task.isCancelled {
      let wait = state.withLock { state -> Int64? in
        let now = Instant.now.nanoseconds
        return state.schedule.take(upTo: 1, now: now) == 1 ? nil : state.schedule.wake() - now
      }
      guard let wait else { return true }
      try? await Task.sleep(for: .nanoseconds(wait))
    }
    return false
  }

  /// Notes that a check has ended.
  func end() {
    let waiting = state.withLock { state in
      state.underWay -= 1
      return state.waiting.take()
    }
    waiting?.resume()
  }

  private func reserve() -> Bool {
    state.withLock { state in
      guard state.underWay < limit else { return false }
      state.underWay += 1
      return true
    }
  }

  private func waitForEnd() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let now = state.withLock { state in
          if state.underWay < limit || Task.isCancelled { return true }
          state.waiting = continuation
          return false
        }
        if now { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiting.take() }?.resume()
    }
  }
}
