// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization

/// What a sweep's sender, receiver and reader share. Each takes the lock once a batch, never once a packet.
final class SweepShared: Sendable {
  private let state: Mutex<SweepState>
  private let senderBell: EventDescriptor
  private let receiverBell: EventDescriptor

  init(_ state: consuming SweepState) throws(SystemCallError) {
    senderBell = try EventDescriptor()
    receiverBell = try EventDescriptor()
    self.state = Mutex(state)
  }

  var senderDescriptor: CInt { senderBell.rawValue }
  var receiverDescriptor: CInt { receiverBell.rawValue }

  func withLock<Value: Sendable>(_ body: (inout sending SweepState) -> Value) -> Value {
    state.withLock { body(&$0) }
  }

  func wakeSender() { senderBell.signal() }
  func wakeReceiver() { receiverBell.signal() }
  func clearSenderBell() { senderBell.clear() }
  func clearReceiverBell() { receiverBell.clear() }

  func changeRate(_ change: @Sendable (Double) -> Double) {
    state.withLock { state in
      let rate = change(state.rate.asked)
      if rate > 0 { state.rate.ask(rate) }
    }
    wakeSender()
  }

  func takeNotices() -> [String] {
    state.withLock { state in
      defer { state.notices = [] }
      return state.notices
    }
  }

  func checkpoint(job: UInt64, seed: UInt64) -> SweepCheckpoint {
    state.withLock { $0.checkpoint(job: job, seed: seed, now: .now) }
  }

  func notice(_ text: String) {
    state.withLock { $0.notice(text) }
  }

  /// Ends the sweep with a fault of ours.
  func fail(_ error: CheckError) {
    state.withLock { state in
      if state.failure == nil { state.failure = error }
      state.isStopped = true
    }
    wakeSender()
    wakeReceiver()
  }

  func stop() {
    state.withLock { $0.isStopped = true }
    wakeSender()
  }

  /// Nothing more is sent: the receiver may go.
  func endReceiving() {
    state.withLock { $0.isEnding = true }
    wakeReceiver()
  }

  /// The sender's last word: no result comes after this.
  func end() {
    let readers = state.withLock { state in
      state.hasEnded = true
      state.progress.phase = .ended
      return state.takeReaders()
    }
    for reader in readers { reader.resume() }
  }

  /// Wakes who waits if there is something to read.
  func wakeReader() {
    let readers = state.withLock { state in state.results.isEmpty ? [] : state.takeReaders() }
    for reader in readers { reader.resume() }
  }

  /// The results that are there, waited for if there are none; nil at the end.
  func nextBatch() async -> Result<[SweepResult]?, CheckError> {
    while true {
      let (batch, hasEnded, wasFull, failure) = state.withLock { state -> ([SweepResult], Bool, Bool, CheckError?) in
        let batch = state.results
        state.results = []
        state.given += UInt64(batch.count)
        return (batch, state.hasEnded, batch.count >= SweepState.namingLimit, state.failure)
      }
      if wasFull { wakeSender() }
      if !batch.isEmpty { return .success(batch) }
      if hasEnded {
        return failure.map { .failure($0) } ?? .success(nil)
      }
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          if !state.results.isEmpty || state.hasEnded { return true }
          state.readers.append(continuation)
          return false
        }
        if isReady { continuation.resume() }
      }
    }
  }
}
