// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization

/// What becomes of the pieces of an output. Used by one thread.
protocol OutputSink<Piece>: AnyObject, SendableMetatype {
  associatedtype Piece: Sendable

  /// Writes what was queued since the last time, in its order.
  func take(_ pieces: [Piece]) throws(SystemCallError)
  /// Waits until what was taken outlasts a loss of power.
  func synchronize() throws(SystemCallError)
}

/// Hands pieces to a sink on a thread of its own: at once while the sink keeps up, in batches while it does not.
///
/// A slow sink makes `write` wait, and so slows whoever finds the results: nothing piles up.
final class OutputThread<Piece: Sendable>: Sendable {
  private struct State {
    var pieces: [Piece] = []
    var weight = 0
    var failure: SystemCallError?
    var isClosed = false
    var isDone = false
    /// Barriers asked for, and those that have been passed.
    var barriers = 0
    var passed = 0
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let bound: Int
  private let syncInterval: Int64
  private let onFailure: @Sendable (SystemCallError) -> Void
  private let state = Mutex(State())
  private let work = Semaphore()

  /// - Parameters:
  ///   - bound: how much weight may be queued before `write` waits.
  ///   - syncInterval: what was taken is made safe at most this many nanoseconds later.
  ///   - onFailure: called once, on the output's thread, when the sink takes no more.
  init(
    sink: sending some OutputSink<Piece>, bound: Int, syncInterval: Int64 = .max,
    onFailure: @escaping @Sendable (SystemCallError) -> Void
  ) throws(SystemCallError) {
    self.bound = bound
    self.syncInterval = syncInterval
    self.onFailure = onFailure
    _ = try DedicatedThread(name: "halfopen-output") { [self] in run(sink) }
  }

  /// Queues a piece. Nothing happens after a failure.
  func write(_ piece: Piece, weight: Int) async {
    while true {
      let (isQueued, isFirst) = state.withLock { state in
        if state.failure != nil || state.isClosed { return (true, false) }
        guard state.weight < bound else { return (false, false) }
        state.pieces.append(piece)
        state.weight += weight
        return (true, state.pieces.count == 1)
      }
      if isFirst { work.signal() }
      if isQueued { return }
      await wait { $0.weight < bound || $0.failure != nil }
    }
  }

  /// Waits until all that was queued before is written and safe.
  ///
  /// - Returns: nil, or the error that lost something.
  func flush() async -> SystemCallError? {
    let barrier = state.withLock { state in
      state.barriers += 1
      return state.barriers
    }
    work.signal()
    await wait { $0.passed >= barrier || $0.isDone }
    return state.withLock { $0.failure }
  }

  /// Writes what is left and ends the thread.
  ///
  /// - Returns: nil, or the error that lost something.
  func close() async -> SystemCallError? {
    state.withLock { $0.isClosed = true }
    work.signal()
    await wait { $0.isDone }
    return state.withLock { $0.failure }
  }

  /// Every batch resumes all who wait, so what they wait for is looked at again.
  private func wait(until condition: @Sendable (borrowing State) -> Bool) async {
    while !state.withLock({ condition($0) }) {
      await withCheckedContinuation { continuation in
        let isMet = state.withLock { state in
          if condition(state) { return true }
          state.waiting.append(continuation)
          return false
        }
        if isMet { continuation.resume() }
      }
    }
  }

  private func run(_ sink: some OutputSink<Piece>) {
    var batch: [Piece] = []
    var syncTime = Instant.never
    while true {
      if syncTime == .never { work.wait() } else { work.wait(until: syncTime) }
      batch.removeAll(keepingCapacity: true)
      let (isLast, barrier, passed) = state.withLock { state in
        swap(&state.pieces, &batch)
        state.weight = 0
        return (state.isClosed, state.barriers, state.passed)
      }
      if !batch.isEmpty { syncTime = min(syncTime, Instant.now.advanced(byNanoseconds: syncInterval)) }
      let isSynchronized = isLast || barrier > passed || Instant.now >= syncTime
      let failure = write(batch, to: sink, isSynchronized: isSynchronized)
      if isSynchronized { syncTime = .never }
      let waiting = state.withLock { state in
        state.failure = failure
        state.passed = failure == nil ? barrier : state.passed
        state.isDone = isLast || failure != nil
        let waiting = state.waiting
        state.waiting = []
        return waiting
      }
      if let failure { onFailure(failure) }
      for continuation in waiting { continuation.resume() }
      if isLast || failure != nil { return }
    }
  }

  private func write(
    _ batch: [Piece], to sink: some OutputSink<Piece>, isSynchronized: Bool
  ) -> SystemCallError? {
    do throws(SystemCallError) {
      if !batch.isEmpty { try sink.take(batch) }
      if isSynchronized { try sink.synchronize() }
      return nil
    } catch {
      return error
    }
  }
}
