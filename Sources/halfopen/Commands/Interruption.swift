// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Ends a run from outside: a signal, or an output that takes no more.
final class Interruption: Sendable {
  private struct State {
    var signal: Int32?
    var isStopped = false
    var hasBegun = false
    var cancel: (@Sendable () -> Void)?
    var change: (@Sendable (Bool) -> Void)?
  }

  private let state = Mutex(State())

  /// The signal that came, nil for none.
  var signal: Int32? { state.withLock { $0.signal } }
  /// The run was told to stop.
  var isStopped: Bool { state.withLock { $0.isStopped } }

  /// Runs `body` in a task that `stop` cancels.
  func run<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
    // Before the task: it may be faster than what is done next.
    state.withLock { $0.hasBegun = true }
    let task = Task { await body() }
    let isStopped = state.withLock { state in
      state.cancel = { task.cancel() }
      return state.isStopped
    }
    if isStopped { task.cancel() }
    return await task.value
  }

  /// From here on `body` hears of wishes for more or less speed.
  func onChange(_ body: @escaping @Sendable (_ isMore: Bool) -> Void) { state.withLock { $0.change = body } }

  /// More speed is wished for, or less.
  func change(isMore: Bool) { state.withLock { $0.change }?(isMore) }

  /// - Returns: false if the run was told to stop before, or has not begun, so that nothing is to be saved: it is time for
  ///   harsher means.
  @discardableResult
  func stop(signal: Int32? = nil) -> Bool {
    let (cancel, isFirst) = state.withLock { state in
      let isFirst = signal == nil || state.signal == nil && state.hasBegun
      if state.signal == nil { state.signal = signal }
      state.isStopped = true
      return (state.cancel, isFirst)
    }
    cancel?()
    return isFirst
  }
}
