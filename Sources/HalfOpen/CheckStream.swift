// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization

/// The outcomes of a bulk check, in the order in which they come.
public struct CheckStream: AsyncSequence, Sendable {
  /// One outcome for each endpoint.
  public typealias Element = CheckOutcome
  /// Faults are outcomes; the stream itself never fails.
  public typealias Failure = Never

  private let makeSource: @Sendable () -> any EndpointSource
  private let gate: any CheckGate
  private let options: CheckOptions
  private let concurrency: Int

  package init(
    gate: any CheckGate, options: CheckOptions, concurrency: Int, source: @escaping @Sendable () -> any EndpointSource
  ) {
    self.gate = gate
    self.options = options
    self.concurrency = Swift.max(1, concurrency)
    makeSource = source
  }

  /// Starts over: each iterator checks all endpoints.
  public func makeAsyncIterator() -> Iterator {
    Iterator(pull: BulkPull(source: makeSource(), gate: gate, options: options, concurrency: concurrency))
  }

  /// Reads a stream. Dropping it cancels the checks under way.
  public struct Iterator: AsyncIteratorProtocol {
    private let pull: BulkPull
    fileprivate init(pull: BulkPull) { self.pull = pull }

    /// The next outcome, nil after the last.
    public mutating func next() async -> CheckOutcome? { await pull.next() }

    /// The next outcome, nil after the last.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> CheckOutcome? { await pull.next() }
  }
}

/// What a bulk check needs of an engine.
package protocol CheckGate: Sendable {
  /// Turns a numeric endpoint into a request; an error is an outcome.
  func request(
    for endpoint: Endpoint, options: CheckOptions, sink: any CheckSink, index: Int
  ) throws(CheckError) -> CheckRequest
  /// Hands requests over, all or none; false after shutdown.
  func post(_ requests: [CheckRequest]) -> Bool
  func cancel(_ sink: any CheckSink)
  func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult
}

/// Where a bulk check's endpoints come from. `next` never waits: an async source says `.later` and wakes the sink.
package protocol EndpointSource: AnyObject, Sendable {
  func next(wake sink: StreamSink) -> SourceStep
  func cancel()
}

package enum SourceStep {
  case endpoint(Endpoint)
  case later
  case end
}

/// The reader's side of a bulk check: keeps up to `concurrency` checks under way whenever it is asked for the next.
private final class BulkPull {
  private let sink: StreamSink
  private let gate: any CheckGate
  /// One value, so that a step is one access to the object.
  private var state: BulkState

  init(source: any EndpointSource, gate: any CheckGate, options: CheckOptions, concurrency: Int) {
    self.gate = gate
    state = BulkState(source: source, gate: gate, options: options, concurrency: concurrency)
    sink = state.sink
  }

  deinit { state.cancel() }

  func next() async -> CheckOutcome? {
    while true {
      if let outcome = state.nextOfBatch() { return outcome }
      if Task.isCancelled, !state.wasCancelled { state.cancel() }
      guard state.proceed() else { return nil }
      if state.isBatchEmpty {
        await wait()
        state.take()
      }
    }
  }

  private func wait() async {
    let (gate, sink) = (gate, sink)
    // Asked for once, the end of all is on its way. The handler of a cancelled task would ask again at each turn, and wake
    // us: a loop that drowns the engine in cancellations.
    if state.wasCancelled { return await sink.waitForNews() }
    await withTaskCancellationHandler {
      await sink.waitForNews()
    } onCancel: {
      sink.markCancelled()
      gate.cancel(sink)
    }
  }
}

/// What a reader knows between two outcomes.
private struct BulkState {
  private struct Pending {
    var endpoint: Endpoint
    var ordinal: Int
  }

  /// Endpoints read ahead at most, for the engine to go on with while the reader is busy.
  private static let reserve = 256

  private let source: any EndpointSource
  private let gate: any CheckGate
  private let options: CheckOptions
  let sink: StreamSink
  private var pending: [Pending?]
  private var free: [Int]
  private var requests: [CheckRequest] = []
  private var batch: [StreamSink.Delivery] = []
  private var position = 0
  private var ordinal = 0
  private var isExhausted = false
  private(set) var wasCancelled = false
  private var named: [Int: Task<Void, Never>] = [:]
  /// A name that there was no room for.
  private var held: (endpoint: Endpoint, index: Int)?

  init(source: any EndpointSource, gate: any CheckGate, options: CheckOptions, concurrency: Int) {
    self.source = source
    self.gate = gate
    self.options = options
    sink = StreamSink(limit: concurrency, timeout: options.timeout)
    let window = concurrency + min(concurrency, Self.reserve)
    pending = Array(repeating: nil, count: window)
    free = Array((0..<window).reversed())
  }

  var isBatchEmpty: Bool { batch.isEmpty }

  mutating func take() { sink.take(into: &batch) }

  /// Starts what may be started and looks for outcomes. False at the end of all.
  mutating func proceed() -> Bool {
    topUp()
    if isExhausted, free.count == pending.count { return false }
    take()
    return true
  }

  mutating func nextOfBatch() -> CheckOutcome? {
    while position < batch.count {
      let delivery = batch[position]
      position += 1
      guard let entry = pending[delivery.index].take() else { continue }
      free.append(delivery.index)
      if !named.isEmpty { named[delivery.index] = nil }
      return CheckOutcome(index: entry.ordinal, endpoint: entry.endpoint, result: delivery.end)
    }
    batch.removeAll(keepingCapacity: true)
    position = 0
    return nil
  }

  private mutating func topUp() {
    requests.removeAll(keepingCapacity: true)
    if let (endpoint, index) = held {
      guard startName(endpoint, index: index) else { return submit() }
      held = nil
    }
    while !isExhausted, let index = free.last {
      switch source.next(wake: sink) {
      case .later: return submit()
      case .end: isExhausted = true
      case .endpoint(let endpoint):
        free.removeLast()
        pending[index] = Pending(endpoint: endpoint, ordinal: ordinal)
        ordinal += 1
        if case .name = endpoint.host {
          guard startName(endpoint, index: index) else {
            held = (endpoint, index)
            return submit()
          }
        } else {
          start(endpoint, index: index)
        }
      }
    }
    submit()
  }

  private mutating func start(_ endpoint: Endpoint, index: Int) {
    do {
      requests.append(try gate.request(for: endpoint, options: options, sink: sink, index: index))
    } catch {
      sink.fail(error, index: index)
    }
  }

  /// Looks the name up in a task of its own; false while there is no room for one more.
  private mutating func startName(_ endpoint: Endpoint, index: Int) -> Bool {
    guard sink.admitOne() else { return false }
    let (gate, options, sink) = (gate, options, sink)
    named[index] = Task {
      let end: CheckEnd
      do throws(CheckError) {
        end = .success(try await gate.check(endpoint, options: options))
      } catch {
        end = .failure(error)
      }
      sink.deliver(end, index: index)
      sink.flush()
    }
    return true
  }

  private mutating func submit() {
    sink.admit(&requests, now: .now)
    while !requests.isEmpty, !gate.post(requests) {
      for request in requests { sink.deliver(.failure(.shutDown), index: request.index) }
      sink.flush()
      requests.removeAll(keepingCapacity: true)
      sink.start(into: &requests, now: .now)
    }
  }

  mutating func cancel() {
    isExhausted = true
    wasCancelled = true
    source.cancel()
    sink.markCancelled()
    if free.count < pending.count { gate.cancel(sink) }
    for task in named.values { task.cancel() }
    // What was read ahead and never started has no outcome, like what was never read.
    for index in sink.dropReserve() + (held.take().map { [$0.index] } ?? []) {
      pending[index] = nil
      free.append(index)
    }
  }
}

/// Endpoints from a sequence.
package final class SequenceSource<Endpoints: Sequence & Sendable>: EndpointSource, Sendable
where Endpoints.Element == Endpoint {
  /// An array is read by its places: its iterator, not specialised here, would allocate for each element.
  private let list: [Endpoint]?
  private let place = Atomic(0)
  private let iterator: Mutex<Endpoints.Iterator?>

  package init(_ endpoints: Endpoints) {
    list = endpoints as? [Endpoint]
    iterator = Mutex(list == nil ? endpoints.makeIterator() : nil)
  }

  package func next(wake sink: StreamSink) -> SourceStep {
    guard let list else { return iterator.withLock { $0?.next().map { .endpoint($0) } ?? .end } }
    let place = place.wrappingAdd(1, ordering: .relaxed).oldValue
    return place < list.count ? .endpoint(list[place]) : .end
  }

  package func cancel() {}
}

/// Endpoints from an async sequence, read by a task of its own, a bounded number ahead.
package final class AsyncSource<Endpoints: AsyncSequence & Sendable>: EndpointSource
where Endpoints.Element == Endpoint, Endpoints.Failure == Never {
  private struct State {
    var queue: [Endpoint] = []
    var head = 0
    var hasEnded = false
    var task: Task<Void, Never>?
    var feeder: CheckedContinuation<Void, Never>?
  }

  private static var readAhead: Int { 1024 }
  private let endpoints: Endpoints
  private let state = Mutex(State())

  package init(_ endpoints: Endpoints) { self.endpoints = endpoints }

  package func next(wake sink: StreamSink) -> SourceStep {
    let (step, feeder): (SourceStep, CheckedContinuation<Void, Never>?) = state.withLock { state in
      if state.task == nil, !state.hasEnded { state.task = Task { await self.read(waking: sink) } }
      if state.head < state.queue.count {
        let endpoint = state.queue[state.head]
        state.head += 1
        return (.endpoint(endpoint), nil)
      }
      state.queue.removeAll(keepingCapacity: true)
      state.head = 0
      return (state.hasEnded ? .end : .later, state.feeder.take())
    }
    feeder?.resume()
    return step
  }

  package func cancel() {
    let (task, feeder) = state.withLock { state in
      state.hasEnded = true
      return (state.task.take(), state.feeder.take())
    }
    task?.cancel()
    feeder?.resume()
  }

  private func read(waking sink: StreamSink) async {
    for await endpoint in endpoints {
      let isFull = state.withLock { state in
        state.queue.append(endpoint)
        return state.queue.count >= AsyncSource.readAhead
      }
      sink.flush()
      if isFull { await waitForRoom() }
      if Task.isCancelled { break }
    }
    state.withLock { $0.hasEnded = true }
    sink.flush()
  }

  private func waitForRoom() async {
    await withCheckedContinuation { continuation in
      let hasRoom = state.withLock { state in
        if state.hasEnded || state.queue.count < AsyncSource.readAhead { return true }
        state.feeder = continuation
        return false
      }
      if hasRoom { continuation.resume() }
    }
  }
}
