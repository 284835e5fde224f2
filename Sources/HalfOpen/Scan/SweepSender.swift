// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenWire
  import SystemPackage

  /// The sweep's sending thread: takes positions from the passes at the pace of the rate, and sends their probes.
  final class SweepSender {
    /// A link that is down for longer ends the sweep.
    private static let longestOutage: Int64 = 30_000_000_000
    /// Silent targets named before the lock is given back.
    private static let silentPerTurn = 1024

    private let job: SweepJob
    private let shared: SweepShared
    private let transmitter: SweepTransmitter
    private let epoll: Epoll
    private var pace: PaceSchedule
    private var positions: [UInt64] = []
    private var probed: [UInt64] = []
    private var unroutable: [UInt64] = []
    private var outageSince: Instant?
    private var toldErrors: Set<Errno> = []
    private let deadline: Instant
    private var sendingSince: Instant?

    init(_ job: SweepJob, shared: SweepShared, now: Instant) throws(CheckError) {
      self.job = job
      self.shared = shared
      transmitter = try SweepTransmitter(paths: job.paths.all, configuration: job.configuration)
      pace = PaceSchedule(rate: job.configuration.rate, now: now.nanoseconds)
      deadline = job.configuration.maximumTime.map { now.advanced(by: $0) } ?? .never
      positions.reserveCapacity(SweepTransmitter.batchSize)
      probed.reserveCapacity(SweepTransmitter.batchSize)
      do throws(SystemCallError) {
        epoll = try Epoll(capacity: 1)
        try epoll.add(shared.senderDescriptor, events: .input, tag: 0)
      } catch {
        throw CheckError(error, subject: "starting the sweep")
      }
    }

    private enum Turn {
      case probe(pass: Int)
      case wait(until: Instant)
      case report
      case ended
    }

    func run() {
      let start = Instant.now
      pace = PaceSchedule(rate: job.configuration.rate, now: start.nanoseconds)
      var last = start
      while true {
        let now = Instant.now
        let turn = nextTurn(now: now, since: last)
        last = now
        switch turn {
        case .probe(let pass): probe(pass: pass)
        case .wait(let until): sleep(until: until)
        case .report: reportSilent(now: now)
        case .ended: return
        }
      }
    }

    private func nextTurn(now: Instant, since last: Instant) -> Turn {
      positions.removeAll(keepingCapacity: true)
      return shared.withLock { state in
        state.progress.elapsed += .nanoseconds(now.nanoseconds(since: last))
        state.trail.note(.init(pass: state.passes.pass, cursor: state.passes.cursor), now: now)
        guard !state.isStopped else { return .ended }
        if now >= deadline { state.passes.endSending() }
        state.progress.rateAsked = state.rate.asked
        state.progress.rateLimit = state.rate.limit
        if state.rate.rate != pace.rate { pace.change(rate: state.rate.rate, now: now.nanoseconds) }
        state.progress.phase = state.passes.phase
        guard state.results.count < SweepShared.resultLimit else {
          return .wait(until: now.advanced(byNanoseconds: 100_000_000))
        }
        var due = SweepTransmitter.batchSize
        if case .sending = state.passes.phase {
          state.progress.sendingTime += .nanoseconds(now.nanoseconds(since: last))
          due = pace.take(upTo: SweepTransmitter.batchSize, now: now.nanoseconds)
          guard due > 0 else {
            return .wait(until: Instant(nanoseconds: pace.wake(upTo: SweepTransmitter.batchSize)))
          }
        }
        let step = state.passes.next(
          upTo: due, answered: state.answered, log: state.log, cooldown: state.cooldown, now: now, into: &positions)
        state.progress.phase = state.passes.phase
        switch step {
        case .probe: return .probe(pass: state.passes.pass)
        case .wait(let until): return .wait(until: until)
        case .report: return .report
        case .ended:
          state.progress.isComplete = state.passes.hasFinished
          return .ended
        }
      }
    }

    private func probe(pass: Int) {
      probed.removeAll(keepingCapacity: true)
      unroutable.removeAll(keepingCapacity: true)
      let port = job.port(of: pass)
      for position in positions {
        let element = job.targets[job.order.target(at: position)]
        guard let path = job.paths.path(to: element) else {
          unroutable.append(position)
          continue
        }
        let flow = Flow(address: element.address, port: element.port, localPort: port)
        transmitter.appendProbe(
          flow, path: path, scope: job.paths.scope(of: element),
          sequence: job.cookie.sequence(source: job.paths[path].source, flow: flow), tag: position)
        probed.append(position)
      }
      let start = Instant.now
      transmitter.flush()
      let end = Instant.now
      let failures = transmitter.takeFailures()
      note(pass: pass, start: start, end: end, failed: failures.count)
      if failures.isEmpty { outageSince = nil } else { failed(failures, pass: pass, now: end) }
    }

    private func note(pass: Int, start: Instant, end: Instant, failed: Int) {
      shared.withLock { state in
        for position in unroutable where state.answered.note(position) == .first { state.progress.errors += 1 }
        guard let first = probed.first, let last = probed.last else { return }
        state.log.append(pass: pass, first: first, last: last, start: start, end: end)
        state.passes.sent(at: end)
        state.progress.sent += UInt64(max(0, probed.count - failed))
        if pass == 0 { state.progress.probed += UInt64(max(0, probed.count - failed)) }
      }
    }

    /// What did not leave for want of room or link is sent again; what the kernel refuses otherwise it refuses for good.
    private func failed(_ failures: [SweepTransmitter.Failure], pass: Int, now: Instant) {
      var again: UInt64?
      var isOutage = false
      var refused = 0
      for failure in failures {
        switch failure.errno {
        case .noBufferSpace, .resourceTemporarilyUnavailable: again = min(again ?? .max, failure.tag)
        case .networkDown, .networkUnreachable, .noSuchAddressOrDevice, .operationNotSupportedByDevice:
          again = min(again ?? .max, failure.tag)
          isOutage = true
        default:
          refused += 1
          if toldErrors.insert(failure.errno).inserted {
            shared.notice("the kernel refuses to send: \(failure.errno); see `halfopen doctor`")
          }
        }
      }
      shared.withLock { state in
        state.progress.sendFailures += UInt64(refused)
        if let again {
          state.passes.rewind(to: again)
          state.trail.rewind(to: .init(pass: pass, cursor: again))
        }
        if again != nil, !isOutage { _ = state.rate.lost(reached: state.progress.rate, now: now) }
      }
      guard isOutage else { outageSince = nil; return }
      if let since = outageSince {
        if now.nanoseconds(since: since) > SweepSender.longestOutage {
          shared.fail(
            CheckError(
              .linkDown, subject: "the link has been down for \(SweepSender.longestOutage / 1_000_000_000) s",
              advice: "bring it up and resume the sweep"))
        }
      } else {
        outageSince = now
        shared.notice("nothing can be sent: the link is down or its route is gone; waiting for it")
      }
      sleep(until: now.advanced(byNanoseconds: 200_000_000))
    }

    /// Names some of the silent, or only counts them where nobody wants their names.
    private func reportSilent(now: Instant) {
      let time = realtimeNanoseconds()
      let isRoom = shared.withLock { state -> Bool in
        guard state.results.count < SweepShared.resultLimit else { return false }
        guard job.configuration.allStates else {
          state.progress.noAnswer +=
            state.answered.window.upperBound - state.answered.window.lowerBound - state.answered.answered
          finishWindow(&state)
          return true
        }
        var cursor = max(state.reportCursor, state.answered.window.lowerBound)
        for _ in 0..<SweepSender.silentPerTurn {
          guard let position = state.answered.nextSilent(from: cursor) else {
            state.reportCursor = state.answered.window.upperBound
            finishWindow(&state)
            return true
          }
          state.results.append(silence(at: position, time: time, dropped: state.progress.captureDropped > 0))
          state.progress.noAnswer += 1
          cursor = position + 1
          state.reportCursor = cursor
        }
        return true
      }
      shared.wakeReader()
      if !isRoom { sleep(until: now.advanced(byNanoseconds: 100_000_000)) }
    }

    private func finishWindow(_ state: inout SweepShared.State) {
      state.answered.advance()
      state.passes.advance(to: state.answered.window)
    }

    private func silence(at position: UInt64, time: Int64, dropped: Bool) -> SweepResult {
      let element = job.targets[job.order.target(at: position)]
      return SweepResult(
        time: time, port: element.port, zone: element.zone > 0 ? job.targets.zones[element.zone - 1] : nil,
        verdict: CheckResult(
          address: element.address, state: .noAnswer, reason: .noResponse, transmissions: job.configuration.retries + 1,
          handshake: .none, backend: .packet, flags: dropped ? .captureDropped : []))
    }

    private func sleep(until: Instant) {
      let timeout = until.nanoseconds(since: .now)
      guard timeout > 0 else { return }
      if let count = try? epoll.wait(timeout: min(timeout, 100_000_000)), count > 0 { shared.clearSenderBell() }
    }
  }

#endif
