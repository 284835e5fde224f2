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
    var backlog = Queue<CheckRequest>()
    var budget = Self.stride
    while true {
      let isIdle = backlog.isEmpty
      let hadMail = mailbox.take(into: &post, maySleep: isIdle)
      // Requests of the same post see by their sink that they are cancelled.
      for sink in post.cancellations { loop.cancel(sink) }
      backlog.append(emptying: &post.requests)
      if post.isShutDown {
        finish(&loop, &backlog, .shutDown)
        return .shutDown
      }
      post.removeAll()
      while budget > 0, let request = backlog.popFirst() {
        loop.begin(request)
        budget -= 1
      }
      // With all begun, the mailbox first: who may sleep then saves a look that does not wait.
      if hadMail, backlog.isEmpty, budget > 0 { continue }
      budget = Self.stride
      do throws(SystemCallError) {
        try handleEvents(&loop, &backlog, maySleep: isIdle && !hadMail)
      } catch {
        let fault = CheckError(error, subject: "waiting for events")
        finish(&loop, &backlog, fault)
        return fault
      }
    }
  }

  private func finish(
    _ loop: inout ConnectLoop<KernelConnectPort>, _ backlog: inout Queue<CheckRequest>, _ error: CheckError
  ) {
    loop.endAll(error)
    for request in backlog.takeAll() {
      request.sink.deliver(.failure(error), index: request.index)
      request.sink.flush()
    }
  }

  /// - Parameter maySleep: the mailbox was empty, and wakes us for what comes next.
  private func handleEvents(
    _ loop: inout ConnectLoop<KernelConnectPort>, _ backlog: inout Queue<CheckRequest>, maySleep: Bool
  ) throws(SystemCallError) {
    loop.flush(into: &backlog, now: .now, isResting: maySleep && backlog.isEmpty)
    var timeout: Int64? = 0
    if maySleep, backlog.isEmpty { timeout = loop.nextLook.map { max(0, $0.nanoseconds(since: .now)) } }
    let count = try loop.port.wait(timeout: timeout)
    for index in 0..<count {
      let event = loop.port.event(index)
      if event.tag == .max { mailbox.clear() } else { loop.handle(tag: event.tag, events: event.events) }
    }
    let now = Instant.now
    loop.advance(to: now)
    loop.flush(into: &backlog, now: now, isResting: false)
  }
}
