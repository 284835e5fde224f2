// SPDX-License-Identifier: Apache-2.0

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

  init(nanosecondsPerStart: Double, limit: Int) {
    self.limit = limit
    state = Mutex(State(schedule: PaceSchedule(interval: nanosecondsPerStart, start: Instant.now.nanoseconds)))
  }

  /// Waits for the next start's time. For one task. False if it was cancelled.
  func start() async -> Bool {
    while !Task.isCancelled, !reserve() { await waitForEnd() }
    while !Task.isCancelled {
      let wait = state.withLock { $0.schedule.wait(now: Instant.now.nanoseconds) }
      if wait <= 0 { return true }
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

/// When the next start is due. Time that was slept too long is made up for, at most 5 ms of it.
struct PaceSchedule: Sendable {
  let interval: Double
  private var due: Double
  private static let slack = 5_000_000.0

  init(interval: Double, start: Int64) {
    self.interval = interval
    due = Double(start)
  }

  /// Nanoseconds to wait; zero or less means that the start was taken.
  mutating func wait(now: Int64) -> Int64 {
    let now = Double(now)
    guard due <= now else { return Int64(min(due - now, 1e18).rounded(.up)) }
    due = max(due, now - PaceSchedule.slack) + interval
    return 0
  }
}
