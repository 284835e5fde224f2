// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
package import HalfOpenWire
import Synchronization

/// Names to addresses, on a few threads of its own, each caller held to its deadline.
///
/// The system's resolver can't be interrupted. A caller whose deadline passes leaves; a lookup that nobody waits for any
/// longer is not started, so a dead resolver costs `threads` stuck threads and never a growing queue.
package final class NameResolver: Sendable {
  package static let shared = NameResolver(threads: Descriptor.lookups) { (name, family) throws(NameLookupError) in
    try lookUp(name, family: family)
  }

  private typealias Answer = Result<[Endpoint.Host], CheckError>

  private final class Waiting: Sendable {
    private enum Phase {
      case new
      case waiting(CheckedContinuation<Answer, Never>)
      case over(Answer)
    }

    let name: String
    let family: IPFamily?
    private let phase = Mutex(Phase.new)

    init(name: String, family: IPFamily?) {
      self.name = name
      self.family = family
    }

    var isOver: Bool { phase.withLock { if case .over = $0 { true } else { false } } }

    /// Returns once `finish` is called, or at once if it was.
    func answer(_ begin: () -> Void) async -> Answer {
      await withCheckedContinuation { continuation in
        let known: Answer? = phase.withLock { phase in
          if case .over(let answer) = phase { return answer }
          phase = .waiting(continuation)
          return nil
        }
        if let known { continuation.resume(returning: known) } else { begin() }
      }
    }

    /// The first answer counts.
    func finish(_ answer: Answer) {
      let continuation: CheckedContinuation<Answer, Never>? = phase.withLock { phase in
        let before = phase
        if case .over = before { return nil }
        phase = .over(answer)
        if case .waiting(let continuation) = before { return continuation }
        return nil
      }
      continuation?.resume(returning: answer)
    }
  }

  private struct State {
    var queue: [Waiting] = []
    var running = 0
    var sweepAt = 64
  }

  private let limit: Int
  private let lookUpName: @Sendable (String, IPFamily?) throws(NameLookupError) -> [SocketAddress]
  private let state = Mutex(State())

  /// - Parameter threads: the most lookups at a time.
  package init(
    threads: Int, lookUp: @escaping @Sendable (String, IPFamily?) throws(NameLookupError) -> [SocketAddress]
  ) {
    limit = threads
    lookUpName = lookUp
  }

  /// All addresses of `name`, the preferred one first; never none.
  package func resolve(
    _ name: String, family: IPFamily?, deadline: Instant
  ) async throws(CheckError) -> [Endpoint.Host] {
    let waiting = Waiting(name: name, family: family)
    let expiry = Task {
      try? await Task.sleep(for: .nanoseconds(deadline.nanoseconds(since: .now)))
      waiting.finish(
        .failure(.unresolved(name, "no answer before the deadline", "check the resolver or allow more time")))
    }
    let answer = await withTaskCancellationHandler {
      await waiting.answer { enqueue(waiting) }
    } onCancel: {
      waiting.finish(.failure(.cancelled))
    }
    expiry.cancel()
    return try answer.get()
  }

  private func enqueue(_ waiting: Waiting) {
    let needsThread = state.withLock { state in
      // Those who left are swept out whenever the queue has doubled: it can't outgrow the callers there are.
      if state.queue.count >= state.sweepAt {
        state.queue.removeAll { $0.isOver }
        state.sweepAt = max(64, state.queue.count * 2)
      }
      state.queue.append(waiting)
      guard state.running < limit else { return false }
      state.running += 1
      return true
    }
    guard needsThread else { return }
    do {
      _ = try DedicatedThread(name: "halfopen-names") { self.work() }
    } catch {
      state.withLock { $0.running -= 1 }
      waiting.finish(.failure(CheckError(error, subject: "looking up '\(waiting.name)'")))
    }
  }

  private func work() {
    while let waiting = next() {
      do {
        let found = try lookUpName(waiting.name, waiting.family)
        let hosts = found.map { address -> Endpoint.Host in
          .address(address.address, zone: address.scope == 0 ? nil : interfaceName(address.scope))
        }
        waiting.finish(
          hosts.isEmpty
            ? .failure(.unresolved(waiting.name, "no address", "check the name and the address family"))
            : .success(hosts))
      } catch {
        waiting.finish(
          .failure(
            .unresolved(
              waiting.name, error.text,
              error.isDefinite ? "check the spelling, or /etc/hosts" : "check the resolver in /etc/resolv.conf")))
      }
    }
  }

  /// The next lookup that somebody waits for; without one the thread ends.
  private func next() -> Waiting? {
    state.withLock { state in
      while !state.queue.isEmpty {
        let first = state.queue.removeFirst()
        if !first.isOver { return first }
      }
      state.running -= 1
      return nil
    }
  }
}

extension CheckError {
  static func unresolved(_ name: String, _ why: String, _ advice: String) -> CheckError {
    CheckError(.nameNotResolved, subject: "name '\(name)' not resolved: \(why)", advice: advice)
  }
}
