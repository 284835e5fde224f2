// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenWire
  import SystemPackage

  /// The sweep's first sending thread: takes positions from the passes at the pace of the rate, and sends their probes; asks
  /// for next hops, waits for links and names the silent.
  final class SweepSender {
    /// A link that is down for longer ends the sweep.
    private static let longestOutage: Int64 = 30_000_000_000
    /// Of those that waited for their next hop, how many are dealt with before the lock is given back.
    private static let positionsPerTurn = 1024
    private static let bell: UInt64 = 1

    private let job: SweepJob
    private let shared: SweepShared
    private let tap: PacketTap
    private let prober: ProbeSender
    private let namer: SilenceNamer
    private let hops: SharedNextHops
    private let epoll: Epoll
    private var positions: [UInt64] = []
    private var ready: [UInt64] = []
    private var unreachable: [UInt64] = []
    private var outages = Outages(longest: SweepSender.longestOutage)
    private var linksOut: [(interface: UInt32, isOut: Bool)] = []
    private var hopsDeadline = Instant.never
    private var isOut = false

    init(_ job: SweepJob, shared: SweepShared, hops: SharedNextHops, tap: PacketTap) throws(CheckError) {
      self.job = job
      self.tap = tap
      self.shared = shared
      self.hops = hops
      namer = SilenceNamer(job: job, shared: shared)
      prober = try ProbeSender(job, shared: shared, hops: hops)
      prober.tellFallbacks()
      positions.reserveCapacity(SweepTransmitter.batchSize)
      do throws(SystemCallError) {
        epoll = try Epoll(capacity: 16)
        try epoll.add(shared.senderDescriptor, events: .input, tag: SweepSender.bell)
        for descriptor in hops.withLock({ $0.descriptors }) { try epoll.add(descriptor, events: .input, tag: 0) }
      } catch {
        throw CheckError(error, subject: "starting the sweep")
      }
    }

    /// Until nothing is left but to name the silent of the last window.
    func run() {
      prober.record(to: tap.current)
      while true {
        let now = Instant.now
        attendNextHops(now: now)
        noteOutages()
        positions.removeAll(keepingCapacity: true)
        let turn = shared.withLock {
          $0.nextTurn(upTo: SweepTransmitter.batchSize, now: now, into: &positions)
        }
        switch turn {
        case .probe(let ticket): probe(ticket, now: now)
        case .wait(let until): sleep(until: until)
        case .listen:
          shared.wakeReceiver()
          sleep(until: now.advanced(byNanoseconds: 10_000_000))
        case .report:
          // The rest needs no socket.
          if shared.withLock({ $0.isInLastWindow }) { return }
          if !namer.name() { sleep(until: now.advanced(byNanoseconds: 100_000_000)) }
        case .ended: return
        }
      }
    }

    private func probe(_ ticket: SweepPasses.Ticket, now: Instant) {
      let batch = prober.send(positions, ticket, now: now)
      shared.withLock { $0.noteSent(batch) }
      for path in prober.lostPaths { begin(.path(path), path: path, now: now) }
      if outages.isAny { endOutages(of: batch) }
      if batch.isOutage { pause(batch) }
      if !batch.held.isEmpty { sleep(until: batch.end.advanced(byNanoseconds: 10_000_000)) }
    }

    // MARK: Next hops

    private func attendNextHops(now: Instant) {
      hops.withLock { hops in
        hops.attend(now: now)
        hops.takeReady(upTo: SweepSender.positionsPerTurn, into: &ready)
        hops.takeUnreachable(upTo: SweepSender.positionsPerTurn, into: &unreachable)
        linksOut = hops.linksOut
        hopsDeadline = hops.deadline
        // A gateway that has answered before is missed, not dead: what waited for it is given again, and waits on.
        unreachable.removeAll { position in
          let isLost = path(at: position).map { hops.isLost($0) } ?? false
          if isLost { ready.append(position) }
          return isLost
        }
      }
      noteLinks(now: now)
      prober.name(ready: ready, unreachable: unreachable)
      ready.removeAll(keepingCapacity: true)
      unreachable.removeAll(keepingCapacity: true)
    }

    /// Who waits for a next hop that can't even be asked for waits for its link.
    private func noteLinks(now: Instant) {
      for (interface, isOut) in linksOut {
        if !isOut {
          if outages.isAny { outages.end(.questions(interface)) }
        } else if let path = job.paths.all.firstIndex(where: { $0.interface == interface }) {
          begin(.questions(interface), path: path, now: now)
        }
      }
      if outages.isAny { endOutage(now: now) }
    }

    private func path(at position: UInt64) -> Int? {
      job.paths.path(to: job.targets[job.order.target(at: position)])
    }

    // MARK: Faults

    /// Further senders rest meanwhile, so that it is this one that finds the way free again.
    private func noteOutages() {
      guard outages.isAny != isOut else { return }
      isOut = outages.isAny
      shared.withLock { [isOut] in $0.isOut = isOut }
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
    private func pause(_ batch: SweepState.SentBatch) {
      for position in batch.returned {
        if let path = path(at: position) { begin(.interface(job.paths[path].interface), path: path, now: batch.end) }
      }
      hops.withLock { $0.doubt(now: batch.end) }
      endOutage(now: batch.end)
      sleep(until: batch.end.advanced(byNanoseconds: 200_000_000))
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

    /// Waits, unless the bell or a link says something.
    private func sleep(until: Instant) {
      let timeout = min(until, hopsDeadline).nanoseconds(since: .now)
      guard timeout > 0, let count = try? epoll.wait(timeout: min(timeout, 100_000_000)) else { return }
      for index in 0..<count {
        if epoll.event(index).tag == SweepSender.bell { shared.clearSenderBell() } else { hops.withLock { $0.wake() } }
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

#endif
