// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
import Synchronization

/// The way into an engine's loop from any thread.
///
/// The loop sleeps on `descriptor`; a post signals it only when the loop said that it is about to sleep, so a busy loop
/// costs a poster no system call.
package final class Mailbox: Sendable {
  /// What the loop takes out at once. Its arrays go back and forth between the two sides, so none is allocated anew.
  package struct Post: Sendable {
    package var requests: [CheckRequest] = []
    package var cancellations: [any CheckSink] = []
    package var isShutDown = false

    package mutating func removeAll() {
      requests.removeAll(keepingCapacity: true)
      cancellations.removeAll(keepingCapacity: true)
    }

    var isEmpty: Bool { requests.isEmpty && cancellations.isEmpty && !isShutDown }
  }

  private struct State {
    var post = Post()
    var loopSleeps = false
    var isClosed = false
    var hasEnded = false
    var enders: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())
  private let event: EventDescriptor

  package init() throws(SystemCallError) { event = try EventDescriptor() }

  /// Readable when there is something to take.
  package var descriptor: CInt { event.rawValue }

  /// Hands a check over; false once the engine is shut down.
  package func post(_ request: CheckRequest) -> Bool { change { $0.requests.append(request) } }

  /// Hands several over, all or none.
  package func post(_ requests: [CheckRequest]) -> Bool { change { $0.requests.append(contentsOf: requests) } }

  /// Asks for the end of all checks of `sink`.
  package func cancel(_ sink: any CheckSink) { _ = change { $0.cancellations.append(sink) } }

  /// Closes the mailbox and asks the loop to end.
  package func shutDown() {
    _ = change { $0.isShutDown = true }
    state.withLock { $0.isClosed = true }
  }

  /// Returns once the loop has ended.
  package func waitUntilEnded() async {
    await withCheckedContinuation { continuation in
      let ended = state.withLock { state in
        if !state.hasEnded { state.enders.append(continuation) }
        return state.hasEnded
      }
      if ended { continuation.resume() }
    }
  }

  private func change(_ body: (inout Post) -> Void) -> Bool {
    let (accepted, wake) = state.withLock { state in
      if state.isClosed { return (false, false) }
      body(&state.post)
      let wake = state.loopSleeps
      state.loopSleeps = false
      return (true, wake)
    }
    if wake { event.signal() }
    return accepted
  }

  // MARK: The loop's side

  /// Exchanges what has come for the emptied `post`.
  /// - Parameter maySleep: if nothing has come, the loop may sleep on `descriptor`, and will be woken.
  package func take(into post: inout Post, maySleep: Bool = true) -> Bool {
    state.withLock { state in
      if state.post.isEmpty {
        state.loopSleeps = maySleep
        return false
      }
      swap(&state.post, &post)
      return true
    }
  }

  /// To be called after a wake-up by `descriptor`.
  package func clear() { event.clear() }

  /// The loop's last words. What was posted since its last `take` comes back, to be ended.
  package func end() -> Post {
    let (left, enders) = state.withLock { state in
      state.isClosed = true
      state.hasEnded = true
      let left = state.post
      let enders = state.enders
      state.post = Post()
      state.enders = []
      return (left, enders)
    }
    for ender in enders { ender.resume() }
    return left
  }
}

extension Mailbox {
  /// A mailbox, its fault in an engine's words.
  static func start(for engine: StaticString) throws(CheckError) -> Mailbox {
    do throws(SystemCallError) {
      return try Mailbox()
    } catch {
      throw CheckError(error, subject: "starting the \(engine) engine")
    }
  }

  /// Runs an engine's loop on a thread of its own.
  func runThread(for engine: StaticString, _ body: sending @escaping () -> Void) throws(CheckError) {
    do throws(SystemCallError) {
      _ = try DedicatedThread(name: "halfopen-\(engine)", body)
    } catch {
      throw CheckError(error, subject: "starting the \(engine) engine's thread")
    }
  }
}
