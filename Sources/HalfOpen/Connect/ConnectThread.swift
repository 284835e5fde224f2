// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization

/// The connect engine's thread: moves requests, events and time into a `ConnectLoop`.
final class ConnectThread: Sendable {
  /// Requests begun between two looks at the events: a SYN-ACK must not wait long for its RST.
  private static let stride = 64

  private let mailbox: Mailbox
  /// Until the thread takes it over.
  private let port: Mutex<KernelConnectPort?>

  init(_ port: consuming sending KernelConnectPort, _ mailbox: Mailbox) {
    self.port = Mutex(consume port)
    self.mailbox = mailbox
  }

  func run() {
    let error = serve()
    // All descriptors are closed by now.
    let left = mailbox.end()
    for request in left.requests {
      request.sink.deliver(.failure(error), index: request.index)
      request.sink.flush()
    }
  }

  /// Returns what is to be said to checks that come too late.
  private func serve() -> CheckError {
    guard let port = port.withLock({ $0.take() }) else { return .shutDown }
    var loop = ConnectLoop(port: port, now: .now)
    var post = Mailbox.Post()
    var begun = 0
    var budget = Self.stride
    while true {
      var maySleep = false
      if begun == post.requests.count {
        switch takePost(&post, &begun, &loop) {
        case .work: break
        case .nothing: maySleep = true
        case .end: return .shutDown
        }
      }
      while begun < post.requests.count, budget > 0 {
        loop.begin(post.requests[begun])
        begun += 1
        budget -= 1
      }
      // With all begun, the mailbox first: who may sleep then saves a look that does not wait.
      if begun == post.requests.count, budget > 0, !maySleep { continue }
      budget = Self.stride
      loop.flush(into: &post.requests, now: .now, isResting: maySleep)
      if begun < post.requests.count { maySleep = false }
      do throws(SystemCallError) {
        try handleEvents(&loop, &post.requests, maySleep: maySleep)
      } catch {
        let fault = CheckError(error, subject: "waiting for events")
        finish(&loop, post.requests[begun...], fault)
        return fault
      }
    }
  }

  private enum Taken {
    case work
    /// The mailbox wakes us for what comes next.
    case nothing
    case end
  }

  private func takePost(
    _ post: inout Mailbox.Post, _ begun: inout Int, _ loop: inout ConnectLoop<KernelConnectPort>
  ) -> Taken {
    post.removeAll()
    begun = 0
    guard mailbox.take(into: &post) else { return .nothing }
    // Requests of the same post see by their sink that they are cancelled.
    for sink in post.cancellations { loop.cancel(sink) }
    guard post.isShutDown else { return .work }
    finish(&loop, post.requests[...], .shutDown)
    return .end
  }

  private func finish(
    _ loop: inout ConnectLoop<KernelConnectPort>, _ unbegun: ArraySlice<CheckRequest>, _ error: CheckError
  ) {
    loop.endAll(error)
    for request in unbegun {
      request.sink.deliver(.failure(error), index: request.index)
      request.sink.flush()
    }
  }

  private func handleEvents(
    _ loop: inout ConnectLoop<KernelConnectPort>, _ requests: inout [CheckRequest], maySleep: Bool
  ) throws(SystemCallError) {
    var timeout: Int64? = maySleep ? nil : 0
    if maySleep, let next = loop.nextLook { timeout = max(0, next.nanoseconds(since: .now)) }
    let count = try loop.port.wait(timeout: timeout)
    for index in 0..<count {
      let event = loop.port.event(index)
      if event.tag == .max { mailbox.clear() } else { loop.handle(tag: event.tag, events: event.events) }
    }
    let now = Instant.now
    loop.advance(to: now)
    loop.flush(into: &requests, now: now, isResting: false)
  }
}
