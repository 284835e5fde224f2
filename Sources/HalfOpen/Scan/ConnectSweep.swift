// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import Synchronization

/// A sweep by checks of the connect engine: needs no privilege, and holds a descriptor for each target under way.
///
/// The kernel repeats SYNs, so there is one pass: a check of `retries + 1` attempts for each target, started at the pace
/// of the rate, as far as the checks under way let it.
final class ConnectSweep: SweepRun {
  /// Checks under way at a time, at most.
  private static let mostChecks = 8192.0
  /// Left to the rest of the program.
  private static let spareDescriptors = 16

  private let outline: SweepOutline
  private let fingerprint: UInt64
  private let shared: SweepShared
  private let engine: ConnectEngine
  private let options: CheckOptions
  private let task = Mutex<Task<Void, Never>?>(nil)

  init(_ outline: SweepOutline, resume: SweepCheckpoint?) throws(CheckError) {
    var configuration = outline.configuration
    let patience = max(configuration.cooldown ?? .seconds(1), .milliseconds(1))
    options = CheckOptions(
      timeout: .seconds(configuration.retries) + patience, attempts: configuration.retries + 1)
    // An answer ends a check and silence does at its deadline: one pass, and nothing is left to wait for.
    (configuration.retries, configuration.cooldown) = (0, .zero)
    engine = try ConnectEngine(
      CheckerConfiguration(
        interface: configuration.interface, source: configuration.source, sourcePorts: configuration.sourcePorts,
        mark: configuration.mark))
    self.outline = outline
    fingerprint = outline.fingerprint
    // All that have no verdict are checked, whatever an engine of packets had probed of them.
    var resume = resume
    if let window = resume?.window {
      resume?.pass = 0
      resume?.cursor = window.lowerBound
    }
    let state = try SweepState(
      positions: outline.positions, fingerprint: fingerprint, configuration: configuration, resume: resume, now: .now)
    do throws(SystemCallError) { shared = try SweepShared(state) } catch {
      throw CheckError(error, subject: "starting the sweep")
    }
  }

  deinit { stop() }

  let faults: [SweepFault] = []
  var progress: SweepProgress { shared.withLock { $0.progress } }

  func nextBatch() async throws(CheckError) -> [SweepResult]? {
    start()
    let batch = await withTaskCancellationHandler {
      await shared.nextBatch()
    } onCancel: {
      stop()
    }
    return try batch.get()
  }

  func changeRate(_ change: @Sendable (Double) -> Double) { shared.changeRate(change) }

  func stop() {
    shared.stop()
    task.withLock { $0 }?.cancel()
  }

  func takeNotices() -> [String] { shared.takeNotices() }

  /// Checks under way are nowhere but in the engine: whoever resumes does all anew that have no verdict.
  func checkpoint() -> SweepCheckpoint {
    var checkpoint = shared.checkpoint(job: fingerprint, seed: outline.seed)
    (checkpoint.pass, checkpoint.cursor) = (0, checkpoint.window.lowerBound)
    return checkpoint
  }

  private func start() {
    task.withLock { task in
      guard task == nil else { return }
      task = Task { [outline, shared, engine, options] in
        await ConnectSweep.run(outline, shared, engine, options)
      }
    }
  }

  /// Window by window: every target's check, then whoever was not checked.
  private static func run(
    _ outline: SweepOutline, _ shared: SweepShared, _ engine: ConnectEngine, _ options: CheckOptions
  ) async {
    shared.withLock { $0.begin(now: .now) }
    let time = Double(options.timeout.saturatedNanoseconds) / 1e9
    let room = Double(max(1, freeDescriptors() - spareDescriptors))
    let concurrency = Int(min(max(outline.configuration.rate * time, 64), mostChecks, room))
    var checks = PacedChecks(outline: outline, shared: shared)
    repeat {
      for await outcome in engine.outcomes(of: checks, options: options, concurrency: concurrency) {
        note(outcome, outline, shared)
      }
    } while await checks.settle()
    await engine.shutdown()
    shared.end()
  }

  private static func note(_ outcome: CheckOutcome, _ outline: SweepOutline, _ shared: SweepShared) {
    guard let place = place(of: outcome.endpoint, outline) else { return }
    let result: Result<SweepResult, CheckError>
    switch outcome.result {
    case .success(let verdict):
      result = .success(
        SweepResult(
          time: realtimeNanoseconds(), port: outcome.endpoint.port, zone: outline.targets.zoneName(place.element.zone),
          verdict: verdict))
    case .failure(let error):
      // What was not checked to its end is left for who resumes.
      if error.code == .cancelled || error.code == .shutDown { return }
      guard error.code != .noLocalPorts, error.code != .tooManyFiles else {
        return shared.withLock { $0.postpone(place.position, error, now: .now) }
      }
      result = .failure(error)
    }
    shared.withLock { $0.noteCheck(of: place.position, result) }
    shared.wakeReader()
  }

  private static func place(
    of endpoint: Endpoint, _ outline: SweepOutline
  ) -> (position: UInt64, element: TargetSet.Element)? {
    guard case .address(let address, let name) = endpoint.host else { return nil }
    let zone = name.flatMap { outline.targets.zones.firstIndex(of: $0) }.map { $0 + 1 } ?? 0
    let element = TargetSet.Element(address: address, port: endpoint.port, zone: zone)
    return outline.targets.index(of: element).map { (outline.order.position(of: $0), element) }
  }
}

/// The targets of a window as they are due.
private struct PacedChecks: AsyncSequence, AsyncIteratorProtocol, Sendable {
  typealias Failure = Never
  private static let batch = 64

  let outline: SweepOutline
  let shared: SweepShared
  private var positions: [UInt64] = []
  private var next = 0

  init(outline: SweepOutline, shared: SweepShared) { (self.outline, self.shared) = (outline, shared) }

  func makeAsyncIterator() -> PacedChecks { self }

  mutating func next() async -> Endpoint? {
    while next == positions.count {
      guard await fill() else { return nil }
    }
    next += 1
    let element = outline.targets[outline.order.target(at: positions[next - 1])]
    return Endpoint(element.address, zone: outline.targets.zoneName(element.zone), port: element.port)
  }

  mutating func next(isolation actor: isolated (any Actor)?) async -> Endpoint? { await next() }

  /// Waits for the next targets; false where the window has no more.
  private mutating func fill() async -> Bool {
    while !Task.isCancelled {
      positions.removeAll(keepingCapacity: true)
      next = 0
      let now = Instant.now
      let (turn, isSending, found) = shared.withLock { state in
        var found: [UInt64] = []
        let turn = state.nextTurn(upTo: PacedChecks.batch, now: now, into: &found)
        if case .probe(let ticket) = turn {
          state.noteSent(SweepState.SentBatch(ticket: ticket, positions: found, end: now))
        }
        return (turn, state.isSendingPass, found)
      }
      switch turn {
      case .probe:
        positions = found
        return true
      case .wait(let until):
        guard isSending else { return false }
        let time = Swift.min(Swift.max(until.nanoseconds(since: now), 1_000_000), 100_000_000)
        try? await Task.sleep(for: .nanoseconds(time))
      case .listen, .report, .ended: return false
      }
    }
    return false
  }

  /// Every check of the window has ended: closes it. False at the end of the sweep.
  mutating func settle() async -> Bool {
    while !Task.isCancelled {
      let outline = outline
      let (hasEnded, isNext) = shared.withLock { state in
        var none: [UInt64] = []
        if state.isSendingPass, !state.isStopped { return (false, true) }
        switch state.nextTurn(upTo: 1, now: .now, into: &none) {
        case .ended: return (true, false)
        case .report:
          // None where all went well: every check has ended.
          _ = state.nameSilent(upTo: 1024) { position in
            SweepResult(
              unanswered: outline.targets[outline.order.target(at: position)], in: outline.targets, state: .noAnswer,
              reason: .noResponse, transmissions: 0, backend: .connect, time: realtimeNanoseconds())
          }
          return (false, state.isSendingPass)
        case .probe, .wait, .listen: return (false, false)
        }
      }
      if hasEnded { return false }
      if isNext { return true }
      shared.wakeReader()
      try? await Task.sleep(for: .milliseconds(1))
    }
    return false
  }
}
