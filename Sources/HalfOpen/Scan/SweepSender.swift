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
    private static let bell: UInt64 = 1

    private let job: SweepJob
    private let shared: SweepShared
    private let tap: PacketTap
    private let transmitter: SweepTransmitter
    private let nextHops: NextHops
    private let epoll: Epoll
    private var positions: [UInt64] = []
    private var ready: [UInt64] = []
    private var unreachable: [UInt64] = []
    private var outages = Outages(longest: SweepSender.longestOutage)
    private var answers = AnswerWatch()
    private var toldErrors: Set<Errno> = []

    init(_ job: SweepJob, shared: SweepShared, tap: PacketTap) throws(CheckError) {
      self.job = job
      self.tap = tap
      self.shared = shared
      transmitter = try SweepTransmitter(
        paths: job.paths.all, choice: job.transmit, configuration: job.configuration)
      nextHops = try NextHops(job, now: .now)
      positions.reserveCapacity(SweepTransmitter.batchSize)
      do throws(SystemCallError) {
        epoll = try Epoll(capacity: 16)
        try epoll.add(shared.senderDescriptor, events: .input, tag: SweepSender.bell)
        for descriptor in nextHops.descriptors { try epoll.add(descriptor, events: .input, tag: 0) }
      } catch {
        throw CheckError(error, subject: "starting the sweep")
      }
    }

    func run() {
      transmitter.recorder = tap.current
      shared.withLock { $0.begin(now: .now) }
      while true {
        let now = Instant.now
        attendNextHops(now: now)
        positions.removeAll(keepingCapacity: true)
        let turn = shared.withLock {
          $0.nextTurn(upTo: SweepTransmitter.batchSize, now: now, into: &positions)
        }
        switch turn {
        case .probe(let pass): probe(pass: pass, now: now)
        case .wait(let until): sleep(until: until)
        case .report: reportSilent(now: now)
        case .ended: return
        }
      }
    }

    private func probe(pass: Int, now: Instant) {
      var batch = SweepState.SentBatch(pass: pass)
      batch.positions.reserveCapacity(positions.count)
      let port = job.port(of: pass)
      let timestamp = job.configuration.tcpOptions.hasTimestamps ? job.timestamp(at: now) : nil
      for position in positions { append(position, port: port, timestamp: timestamp, to: &batch, now: now) }
      transmitter.flush()
      batch.end = .now
      sort(transmitter.takeFailures(), into: &batch)
      batch.unreachable = unreachable.count
      nameUnreachable()
      let received = shared.withLock { [batch] state in
        state.noteSent(batch)
        return state.progress.received
      }
      if answers.stayAway(received: received, sent: batch.positions.count, now: batch.end) {
        nextHops.doubt(now: batch.end)
      }
      if outages.isAny { endOutages(of: batch) }
      if batch.isOutage { pause(now: batch.end) }
      if !batch.held.isEmpty { sleep(until: batch.end.advanced(byNanoseconds: 10_000_000)) }
    }

    private func append(
      _ position: UInt64, port: UInt16, timestamp: UInt32?, to batch: inout SweepState.SentBatch, now: Instant
    ) {
      let element = job.targets[job.order.target(at: position)]
      guard let path = job.paths.path(to: element) else { return batch.unroutable.append(position) }
      let flow = Flow(address: element.address, port: element.port, localPort: port)
      var destination = Lane.Destination(flow: flow, scope: job.paths.scope(of: element), timestamp: timestamp)
      if job.transmit.ways[path] == .link {
        switch nextHops.lookup(element.address, path: path, position: position, now: now) {
        case .mac(let mac): destination.hardware = mac
        case .parked: return batch.parked.append(position)
        case .full: return batch.held.append(position)
        case .unreachable: return unreachable.append(position)
        case .lost:
          begin(.path(path), path: path, now: now)
          batch.isOutage = true
          return batch.held.append(position)
        }
      }
      transmitter.appendProbe(
        destination, path: path, sequence: job.cookie.sequence(source: job.paths[path].source, flow: flow),
        tag: position)
      batch.positions.append(position)
    }

    // MARK: Next hops

    private func attendNextHops(now: Instant) {
      nextHops.attend(now: now)
      noteLinks(now: now)
      ready.removeAll(keepingCapacity: true)
      nextHops.takeReady(upTo: SweepSender.silentPerTurn, into: &ready)
      nextHops.takeUnreachable(upTo: SweepSender.silentPerTurn, into: &unreachable)
      guard !ready.isEmpty || !unreachable.isEmpty else { return }
      // A gateway that has answered before is missed, not dead: what waited for it is given again, and waits on.
      unreachable.removeAll { position in
        let isLost = path(at: position).map { nextHops.isLost($0) } ?? false
        if isLost { ready.append(position) }
        return isLost
      }
      nameUnreachable()
    }

    /// Who waits for a next hop that can't even be asked for waits for its link.
    private func noteLinks(now: Instant) {
      for (interface, isOut) in nextHops.linksOut {
        if !isOut {
          if outages.isAny { outages.end(.questions(interface)) }
        } else if let path = job.paths.all.firstIndex(where: { $0.interface == interface }) {
          begin(.questions(interface), path: path, now: now)
        }
      }
      if outages.isAny { endOutage(now: now) }
    }

    private func nameUnreachable() {
      guard !ready.isEmpty || !unreachable.isEmpty else { return }
      let time = realtimeNanoseconds()
      shared.withLock { [ready, unreachable] state in
        state.noteNextHops(ready: ready, unreachable: unreachable) {
          SweepResult(
            unanswered: job.targets[job.order.target(at: $0)], in: job.targets, state: .unreachable,
            reason: .hostUnreach,
            transmissions: 0, backend: .packet, time: time)
        }
      }
      ready.removeAll(keepingCapacity: true)
      unreachable.removeAll(keepingCapacity: true)
      shared.wakeReader()
    }

    private func path(at position: UInt64) -> Int? {
      job.paths.path(to: job.targets[job.order.target(at: position)])
    }

    // MARK: Faults

    /// What did not leave for want of room or link is sent again; what the kernel refuses otherwise it refuses for good.
    ///
    /// Without a carrier a link answers ENOBUFS as if it were full. So where nothing at all leaves, that is an outage.
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
      if !failures.isEmpty, failures.count == batch.positions.count, batch.refused == 0 { batch.isOutage = true }
      guard batch.isOutage else { return }
      for position in batch.returned {
        if let path = path(at: position) { begin(.interface(job.paths[path].interface), path: path, now: batch.end) }
      }
    }

    private func begin(_ place: Outages.Place, path: Int, now: Instant) {
      guard outages.begin(place, now: now) else { return }
      let name = job.paths[path].interfaceName
      switch place {
      case .interface, .questions:
        shared.notice("nothing can be sent by \(name): it is down or its route is gone; waiting for it")
      case .path: shared.notice("the gateway on \(name) does not answer any more; waiting for it")
      }
    }

    /// What something left by is not out any more.
    private func endOutages(of batch: SweepState.SentBatch) {
      let returned = Set(batch.returned)
      for position in batch.positions where !returned.contains(position) {
        guard let path = path(at: position) else { continue }
        outages.end(.path(path), .interface(job.paths[path].interface))
      }
    }

    /// Lets time pass, unless it has been too long.
    private func pause(now: Instant) {
      nextHops.doubt(now: now)
      endOutage(now: now)
      sleep(until: now.advanced(byNanoseconds: 200_000_000))
    }

    private func endOutage(now: Instant) {
      guard let place = outages.tooLong(now: now) else { return }
      let interface =
        switch place {
        case .interface(let interface), .questions(let interface): interface
        case .path(let path): job.paths[path].interface
        }
      let name = job.paths.name(of: interface)
      shared.fail(
        CheckError(
          .linkDown,
          subject:
            "nothing could be sent by \(name) for \(SweepSender.longestOutage / 1_000_000_000) s: it is down, or "
            + "its route or gateway is gone",
          advice: "bring it up and resume the sweep"))
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
      SweepResult(
        unanswered: job.targets[job.order.target(at: position)], in: job.targets, state: .noAnswer, reason: .noResponse,
        transmissions: job.configuration.retries + 1, backend: .packet, flags: dropped ? .captureDropped : [],
        time: time)
    }

    /// Waits, unless the bell or a link says something.
    private func sleep(until: Instant) {
      let timeout = min(until, nextHops.deadline).nanoseconds(since: .now)
      guard timeout > 0, let count = try? epoll.wait(timeout: min(timeout, 100_000_000)) else { return }
      for index in 0..<count {
        if epoll.event(index).tag == SweepSender.bell { shared.clearSenderBell() } else { nextHops.wake() }
      }
    }
  }

  /// What can't be sent to or through at present, and since when.
  private struct Outages {
    enum Place: Hashable {
      case interface(UInt32)
      /// An interface that not even questions for next hops leave by.
      case questions(UInt32)
      /// A path whose gateway has gone.
      case path(Int)
    }

    let longest: Int64
    private var since: [Place: Instant] = [:]

    init(longest: Int64) { self.longest = longest }

    var isAny: Bool { !since.isEmpty }

    /// True where that is news.
    mutating func begin(_ place: Place, now: Instant) -> Bool {
      guard since[place] == nil else { return false }
      since[place] = now
      return true
    }

    mutating func end(_ places: Place...) { for place in places { since[place] = nil } }

    func tooLong(now: Instant) -> Place? { since.first { now.nanoseconds(since: $0.value) > longest }?.key }
  }

  /// Sees that answers came and come no more, which the other end of a link may be the reason for.
  private struct AnswerWatch {
    private static let interval: Int64 = 1_000_000_000
    private var last = (received: UInt64(0), at: Instant(nanoseconds: 0))
    private var sent = 0

    /// Once a second at most.
    mutating func stayAway(received: UInt64, sent: Int, now: Instant) -> Bool {
      self.sent += sent
      guard now.nanoseconds(since: last.at) >= AnswerWatch.interval else { return false }
      defer {
        last = (received, now)
        self.sent = 0
      }
      return self.sent > 0 && received == last.received && received > 0
    }
  }

#endif
