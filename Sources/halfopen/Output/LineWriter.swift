// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization
import SystemPackage

/// Writes lines from a thread of its own: at once while the reader keeps up, in batches of whole lines while it does not.
///
/// A slow reader makes `write` wait, and so slows the checks: nothing piles up.
final class LineWriter: Sendable {
  private struct State {
    var lines: [UInt8] = []
    var failure: Errno?
    var isClosed = false
    var isDone = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private static let bound = 1 << 18
  private let descriptor: CInt
  private let onFailure: @Sendable (Errno) -> Void
  private let state = Mutex(State())
  private let work = Semaphore()

  /// - Parameter onFailure: called once, on the writer's thread, when the output takes no more.
  init(descriptor: CInt, onFailure: @escaping @Sendable (Errno) -> Void) throws(SystemCallError) {
    self.descriptor = descriptor
    self.onFailure = onFailure
    _ = try DedicatedThread(name: "halfopen-output") { [self] in run() }
  }

  /// Queues whole lines. Nothing happens after a failure.
  func write(_ lines: some Collection<UInt8>) async {
    guard !lines.isEmpty else { return }
    while true {
      let (isQueued, isFirst) = state.withLock { state in
        if state.failure != nil || state.isClosed { return (true, false) }
        guard state.lines.count < LineWriter.bound else { return (false, false) }
        state.lines += lines
        return (true, state.lines.count == lines.count)
      }
      if isFirst { work.signal() }
      if isQueued { return }
      await wait { $0.lines.count < LineWriter.bound || $0.failure != nil }
    }
  }

  /// Writes what is left and returns how it went: nil, or the error that lost something.
  func close() async -> Errno? {
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

  private func run() {
    var batch: [UInt8] = []
    while true {
      work.wait()
      batch.removeAll(keepingCapacity: true)
      let isLast = state.withLock { state in
        swap(&state.lines, &batch)
        return state.isClosed
      }
      let failure = flush(batch)
      let waiting = state.withLock { state in
        state.failure = failure
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

  private func flush(_ batch: [UInt8]) -> Errno? {
    do throws(SystemCallError) {
      try writeAll(batch[...], to: descriptor)
      return nil
    } catch {
      return error.errno
    }
  }
}
