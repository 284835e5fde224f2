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
    private var positions: [UInt64] = []
    private var probed: [UInt64] = []
    private var unroutable: [UInt64] = []
    private var outageSince: Instant?
    private var toldErrors: Set<Errno> = []

    init(_ job: SweepJob, shared: SweepShared) throws(CheckError) {
      self.job = job
      self.shared = shared
      transmitter = try SweepTransmitter(
        paths: job.paths.all, choice: job.transmit, configuration: job.configuration)
      positions.reserveCapacity(SweepTransmitter.batchSize)
      probed.reserveCapacity(SweepTransmitter.batchSize)
      do throws(SystemCallError) {
        epoll = try Epoll(capacity: 1)
        try epoll.add(shared.senderDescriptor, events: .input, tag: 0)
      } catch {
        throw CheckError(error, subject: "starting the sweep")
      }
    }

    func run() {
      shared.withLock { $0.begin(now: .now) }
      while true {
        let now = Instant.now
        positions.removeAll(keepingCapacity: true)
        let turn = shared.withLock {
          $0.nextTurn(upTo: SweepTransmitter.batchSize, now: now, into: &positions)
        }
        switch turn {
        case .probe(let pass): probe(pass: pass)
        case .wait(let until): sleep(until: until)
        case .report: reportSilent(now: now)
        case .ended: return
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
          flow, path: path, hardware: job.configuration.gatewayMAC, scope: job.paths.scope(of: element),
          sequence: job.cookie.sequence(source: job.paths[path].source, flow: flow), tag: position)
        probed.append(position)
      }
      let start = Instant.now
      transmitter.flush()
      var batch = SweepState.SentBatch(pass: pass, positions: probed, unroutable: unroutable, start: start, end: .now)
      sort(transmitter.takeFailures(), into: &batch)
      shared.withLock { $0.noteSent(batch) }
      noteOutage(batch.isOutage, now: batch.end)
    }

    /// What did not leave for want of room or link is sent again; what the kernel refuses otherwise it refuses for good.
    private func sort(_ failures: [SweepTransmitter.Failure], into batch: inout SweepState.SentBatch) {
      for failure in failures {
        switch failure.errno {
        case .noBufferSpace, .resourceTemporarilyUnavailable: batch.returned.append(failure.tag)
        case .networkDown, .networkUnreachable, .noSuchAddressOrDevice, .operationNotSupportedByDevice:
          batch.returned.append(failure.tag)
          batch.isOutage = true
        default:
          batch.refused += 1
          if toldErrors.insert(failure.errno).inserted {
            shared.notice("the kernel refuses to send: \(failure.errno); see `halfopen doctor`")
          }
        }
      }
    }

    private func noteOutage(_ isOutage: Bool, now: Instant) {
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

    private func reportSilent(now: Instant) {
      let time = realtimeNanoseconds()
      let isRoom = shared.withLock { state in
        let dropped = state.progress.captureDropped > 0
        return state.nameSilent(upTo: SweepSender.silentPerTurn) { silence(at: $0, time: time, dropped: dropped) }
      }
      shared.wakeReader()
      if !isRoom { sleep(until: now.advanced(byNanoseconds: 100_000_000)) }
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
