// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire
  import SystemPackage

  /// Makes probes and sends them, for one of a sweep's sending threads: sockets and batches are its own.
  final class ProbeSender {
    private let job: SweepJob
    private let shared: SweepShared
    private let hops: SharedNextHops
    private let transmitter: SweepTransmitter
    /// By path: our address, and whether a gateway has its packets, whoever they are for.
    private let sources: [IPAddress]
    private let hasGateway: [Bool]
    /// Their tags are positions.
    private var probes: [Lane.Packet] = []
    private var targets: [UInt64] = []
    /// By path: what the sequence numbers of probes from this port begin with.
    private var cookies: (port: UInt16, starts: [SweepCookie.Start])
    private var unreachable: [UInt64] = []
    /// Paths of the last batch whose gateway has gone.
    private(set) var lostPaths: Set<Int> = []

    /// - Parameter isPatient: waits for a device's queue that may become free.
    init(
      _ job: SweepJob, shared: SweepShared, hops: SharedNextHops, isPatient: Bool = true
    ) throws(CheckError) {
      (self.job, self.shared, self.hops) = (job, shared, hops)
      sources = job.paths.all.map(\.source)
      cookies = (job.port(of: 0), [])
      hasGateway = job.paths.all.map { if case .gateway = $0.reach.nextHop { true } else { false } }
      transmitter = try SweepTransmitter(
        paths: job.paths.all, choice: job.transmit, configuration: job.configuration, isPatient: isPatient)
      probes.reserveCapacity(SweepTransmitter.batchSize)
      targets.reserveCapacity(SweepTransmitter.batchSize)
    }

    /// All leave the way that was chosen for them.
    var isAsChosen: Bool { transmitter.notices.isEmpty }

    /// Lets the sweep's user know which do not, and why.
    func tellFallbacks() {
      for notice in transmitter.notices { shared.notice(notice) }
    }

    /// Gets a copy of each packet that leaves.
    func record(to recorder: PacketRecorder?) { transmitter.recorder = recorder }

    /// Sends what can be sent now. What came of it is for `SweepState.noteSent`.
    func send(_ positions: [UInt64], _ ticket: SweepPasses.Ticket, now: Instant) -> SweepState.SentBatch {
      var batch = SweepState.SentBatch(ticket: ticket)
      lostPaths.removeAll(keepingCapacity: true)
      let port = job.port(of: ticket.pass)
      if cookies.port != port || cookies.starts.isEmpty {
        cookies = (port, sources.map { job.cookie.start(source: $0, localPort: port) })
      }
      let timestamp = job.configuration.tcpOptions.hasTimestamps ? job.timestamp(at: now) : nil
      // Taken out and put back: what a class has is reached for once, not with each probe.
      var probes: [Lane.Packet] = []
      swap(&probes, &self.probes)
      route(positions, to: &probes, into: &batch)
      if job.transmit.hasFrames {
        hops.withLock { hops in
          if ticket.isDoubtful { hops.doubt(now: now) }
          address(&probes, by: hops, into: &batch, now: now)
        }
      }
      transmitter.append(probes, from: port, cookies: cookies.starts, timestamp: timestamp)
      batch.positions = probes.count == positions.count ? positions : probes.map(\.tag)
      swap(&probes, &self.probes)
      transmitter.flush()
      batch.end = .now
      sort(transmitter.takeFailures(), into: &batch)
      batch.unreachable = unreachable.count
      name(unreachable: unreachable)
      unreachable.removeAll(keepingCapacity: true)
      return batch
    }

    /// Tells the sweep what became of positions that waited for their next hop, or need not wait.
    func name(ready: [UInt64] = [], unreachable: [UInt64]) {
      guard !ready.isEmpty || !unreachable.isEmpty else { return }
      let time = realtimeNanoseconds()
      shared.withLock { state in
        state.noteNextHops(ready: ready, unreachable: unreachable) {
          SweepResult(
            unanswered: job.targets[job.order.target(at: $0)], in: job.targets, state: .unreachable,
            reason: .hostUnreach, transmissions: 0, backend: .packet, time: time)
        }
      }
      shared.wakeReader()
    }

    private func route(
      _ positions: [UInt64], to probes: inout [Lane.Packet], into batch: inout SweepState.SentBatch
    ) {
      // One step for all positions before the next step: so the processor has several of them under way at a time, and the
      // permutation, which is a long chain, is not waited for.
      let order = job.order
      targets.removeAll(keepingCapacity: true)
      targets.append(addingCapacity: positions.count) { targets in
        for position in positions { targets.append(order.target(at: position)) }
      }
      probes.removeAll(keepingCapacity: true)
      probes.append(addingCapacity: positions.count) { probes in
        for (position, target) in zip(positions, targets) {
          let element = job.targets[target]
          guard let path = job.paths.path(to: element) else {
            batch.unroutable.append(position)
            continue
          }
          let destination = Lane.Destination(
            address: element.address, port: element.port, scope: job.paths.scope(of: element, on: path))
          probes.append(Lane.Packet(tag: position, path: path, destination: destination))
        }
      }
    }

    /// Gives frames their receivers, and takes those out of the batch that have none at present.
    private func address(
      _ probes: inout [Lane.Packet], by hops: NextHops, into batch: inout SweepState.SentBatch, now: Instant
    ) {
      var kept = 0
      var gateway: (path: Int, mac: MACAddress)?
      for index in probes.indices {
        let (position, path) = (probes[index].tag, probes[index].path)
        if let gateway, gateway.path == path {
          probes[index].destination.hardware = gateway.mac
        } else if job.transmit.ways[path].isFramed {
          switch hops.lookup(probes[index].destination.address, path: path, position: position, now: now) {
          case .mac(let mac):
            probes[index].destination.hardware = mac
            if hasGateway[path] { gateway = (path, mac) }
          case .parked:
            batch.parked.append(position)
            continue
          case .full:
            batch.held.append(position)
            continue
          case .unreachable:
            unreachable.append(position)
            continue
          case .lost:
            lostPaths.insert(path)
            batch.isOutage = true
            batch.held.append(position)
            continue
          }
        }
        if kept != index { probes[kept] = probes[index] }
        kept += 1
      }
      probes.removeLast(probes.count - kept)
    }

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
          batch.refusals.insert(failure.errno)
        }
      }
      if !failures.isEmpty, failures.count == batch.positions.count, batch.refused == 0 { batch.isOutage = true }
    }
  }

#endif
