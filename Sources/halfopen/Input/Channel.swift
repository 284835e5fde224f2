// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization

/// A bounded queue from threads and tasks to one reading task.
final class Channel<Item: Sendable>: Sendable {
  private struct State {
    var items: [Item] = []
    var head = 0
    var isClosed = false
    var reader: CheckedContinuation<Void, Never>?
    var senders: [CheckedContinuation<Void, Never>] = []
    var blocked = 0
  }

  private let bound: Int
  private let state = Mutex(State())
  private let room = Semaphore()

  init(bound: Int) { self.bound = bound }

  /// Queues an item from a thread of its own; blocks while the queue is full. False once the channel is closed.
  func sendBlocking(_ item: Item) -> Bool {
    while true {
      let (sent, open) = state.withLock { state in
        let sent = put(item, into: &state)
        if !sent, !state.isClosed { state.blocked += 1 }
        return (sent, !state.isClosed)
      }
      if sent { break }
      guard open else { return false }
      room.wait()
    }
    wakeReader()
    return true
  }

  /// Queues an item; waits while the queue is full. False once the channel is closed.
  @discardableResult
  func send(_ item: Item) async -> Bool {
    while true {
      let (sent, open) = state.withLock { state in (put(item, into: &state), !state.isClosed) }
      if sent { break }
      guard open else { return false }
      await withCheckedContinuation { continuation in
        let now = state.withLock { state in
          if state.isClosed || state.items.count - state.head < bound { return true }
          state.senders.append(continuation)
          return false
        }
        if now { continuation.resume() }
      }
    }
    wakeReader()
    return true
  }

  /// The next item, nil once the channel is closed and empty, or the reading task is cancelled.
  func next() async -> Item? {
    while true {
      let (item, isOver) = take()
      if let item { return item }
      if isOver || Task.isCancelled { return nil }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let now = state.withLock { state in
            if state.head < state.items.count || state.isClosed || Task.isCancelled { return true }
            state.reader = continuation
            return false
          }
          if now { continuation.resume() }
        }
      } onCancel: {
        wakeReader()
      }
    }
  }

  /// Nothing more comes in; what is queued can still be read.
  func close() {
    let (reader, senders, blocked) = state.withLock { state in
      state.isClosed = true
      let all = (state.reader.take(), state.senders, state.blocked)
      state.senders = []
      state.blocked = 0
      return all
    }
    reader?.resume()
    for sender in senders { sender.resume() }
    for _ in 0..<blocked { room.signal() }
  }

  private func put(_ item: Item, into state: inout State) -> Bool {
    guard !state.isClosed, state.items.count - state.head < bound else { return false }
    state.items.append(item)
    return true
  }

  private func take() -> (Item?, isOver: Bool) {
    let (item, isOver, senders, blocked) = state.withLock { state in
      guard state.head < state.items.count else {
        return (Item?.none, state.isClosed, [CheckedContinuation<Void, Never>](), 0)
      }
      let item = state.items[state.head]
      state.head += 1
      if state.head == state.items.count {
        state.items.removeAll(keepingCapacity: true)
        state.head = 0
      } else if state.head >= bound {
        state.items.removeFirst(state.head)
        state.head = 0
      }
      let waiting = (item, false, state.senders, state.blocked)
      state.senders = []
      state.blocked = 0
      return waiting
    }
    for sender in senders { sender.resume() }
    for _ in 0..<blocked { room.signal() }
    return (item, isOver)
  }

  private func wakeReader() { state.withLock { $0.reader.take() }?.resume() }
}
