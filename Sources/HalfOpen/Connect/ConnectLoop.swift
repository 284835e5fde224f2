// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// The connect engine without its thread: what to do about requests, events and time. Reads no clock of its own.
package struct ConnectLoop<Port: ConnectPort & ~Copyable>: ~Copyable {
  private enum Phase: UInt8 {
    case connecting
    case lacksDescriptor
    case lacksPort
  }

  private struct Detail {
    var phase = Phase.connecting
    /// When the SYN left.
    var sent = Instant(nanoseconds: 0)
  }

  package var port: Port
  private var table: CheckTable<Detail>
  // By tag. Those that end while they wait stay in line until it is their turn.
  private var forDescriptor = Queue<UInt64>()
  private var forPort = Queue<UInt64>()
  /// The system refused a descriptor though we had room: others use them up.
  private var isStarved = false
  /// Sockets closed since the lines last moved.
  private var closed = 0
  private var nextRetry = Instant.never
  /// Events for checks that had ended: counted, not obeyed.
  package private(set) var lateEvents = 0

  private static var retryInterval: Int64 { 10_000_000 }
  private static var retryBatch: Int { 64 }
  /// Checks without a port in a row after which the others of the line wait for the next time.
  private static var patience: Int { 8 }

  package init(port: consuming Port, now: Instant) {
    self.port = port
    table = CheckTable(now: now)
  }

  /// Checks under way.
  package var count: Int { table.count }

  /// When `advance` wants to be called next; nil for never.
  package var nextLook: Instant? {
    guard nextRetry != .never else { return table.timers.nextLook }
    return min(nextRetry, table.timers.nextLook ?? .never)
  }

  /// Takes a check on.
  package mutating func begin(_ request: CheckRequest) {
    let slot = table.add(request, detail: Detail())
    if request.sink.isCancelled { return table.end(slot, .failure(.cancelled)) }
    // First come, first served: a newcomer does not overtake the line.
    if port.hasRoom, !isStarved, forDescriptor.isEmpty {
      launch(slot, request)
    } else {
      lineUp(slot, .lacksDescriptor)
    }
    if table.isLive(slot) { table.timers.set(slot, at: request.deadline) }
  }

  /// Something happened to the socket of a check.
  package mutating func handle(tag: UInt64, events: EpollEvents) {
    guard let slot = table.index(of: tag), table[slot].phase == .connecting else {
      lateEvents &+= 1
      return
    }
    conclude(slot, port.evidence(slot, isError: !events.isDisjoint(with: [.error, .hangUp])))
  }

  /// Ends what is due, and tries again what had to wait.
  package mutating func advance(to now: Instant) {
    table.timers.advance(to: now)
    while let slot = table.timers.popExpired() { expire(slot, now: now) }
    moveLines(now: now)
  }

  /// Ends all checks of a sink.
  package mutating func cancel(_ sink: any CheckSink) {
    for slot in table.indices(of: sink) { abandon(slot, .cancelled) }
  }

  /// Ends all checks there are.
  package mutating func endAll(_ error: CheckError) {
    for slot in table.liveIndices { abandon(slot, error) }
    table.wakeAll()
  }

  /// Wakes the readers of streams, and appends what is to begin in the place of what ended. At the end of a round.
  package mutating func flush(into requests: inout Queue<CheckRequest>, now: Instant, isResting: Bool) {
    table.flush(now: now, isResting: isResting)
    table.takeSuccessors(into: &requests)
  }

  // MARK: One check

  private mutating func launch(_ slot: Int, _ request: CheckRequest) {
    do throws(SystemCallError) {
      table[slot] = Detail(phase: .connecting, sent: try port.open(slot, request))
      if let evidence = port.firstLook(slot), conclude(slot, evidence) { return }
      try port.watch(slot, tag: table.tag(of: slot))
    } catch {
      _ = port.close(slot)
      switch ConnectShortage(error) {
      case .descriptors:
        isStarved = true
        lineUp(slot, .lacksDescriptor)
      case .ports: lineUp(slot, .lacksPort)
      case nil: table.end(slot, .failure(CheckError(connecting: request, error)))
      }
    }
  }

  /// Ends a check if the evidence suffices. The socket is closed before anything else happens: with a SYN-ACK received,
  /// the kernel waits 200 ms for that and no longer.
  @discardableResult
  private mutating func conclude(_ slot: Int, _ evidence: ConnectEvidence) -> Bool {
    guard let request = table.request(slot) else { return true }
    var verdict = ConnectVerdict(evidence, family: request.target.address.family)
    if verdict == .wait { return false }
    // The kernel may give the SYN up (TCP_SYNCNT) a moment before it gives up asking for the next hop.
    if case .settled(.noAnswer, _, _, _) = verdict {
      verdict = silence(request, now: evidence.taken)
    }
    if case .settled(.open, _, _, _) = verdict, port.isOwnPeer(slot, request.target) {
      // The kernel gave the socket the very port that it checks, and it answered itself (a simultaneous open, RFC 9293
      // §3.5). That proves nothing: once more, from another port.
      _ = close(slot)
      lineUp(slot, .lacksPort)
      return true
    }
    finish(slot, request, verdict, evidence)
    return true
  }

  private mutating func finish(
    _ slot: Int, _ request: CheckRequest, _ verdict: ConnectVerdict, _ evidence: ConnectEvidence
  ) {
    var icmp: CheckResult.ICMP?
    if case .settled(_, _, _, let found?) = verdict, let sender = found.sender ?? port.ownAddress(slot) {
      icmp = CheckResult.ICMP(type: found.type, code: found.code, sender: sender)
    }
    let closing = close(slot).nanoseconds(since: evidence.taken)
    guard case .settled(let state, let reason, let flags, _) = verdict else {
      if case .fault(let errno) = verdict {
        let error = SystemCallError(call: "connect", errno: errno)
        table.end(slot, .failure(CheckError(connecting: request, error)))
      }
      return
    }
    var result = CheckResult(
      address: request.target.address, state: state, reason: reason,
      transmissions: 1 + Int(evidence.info.retransmissions), handshake: .none, backend: .connect, flags: flags,
      icmp: icmp)
    switch state {
    case .open:
      let isGone = flags.contains(.resetAfterSynAck)
      result.handshake = isGone ? .unknown : evidence.info.handshake(mode: request.mode, closing: closing)
      let microseconds = evidence.info.roundTripMicroseconds
      if microseconds > 0 { result.rtt = .microseconds(Int64(microseconds)) }
    case .closed where evidence.info.retransmissions == 0:
      // The kernel takes no sample from a RST.
      result.rtt = .nanoseconds(evidence.taken.nanoseconds(since: table[slot].sent))
    default: break
    }
    table.end(slot, .success(result))
  }

  /// The deadline has come. What has arrived until now still counts.
  private mutating func expire(_ slot: Int, now: Instant) {
    guard let request = table.request(slot), request.deadline <= now else { return }
    switch table[slot].phase {
    case .lacksDescriptor: table.end(slot, .failure(.tooManyFiles(request)))
    case .lacksPort: table.end(slot, .failure(.noLocalPorts(request)))
    case .connecting:
      let evidence = port.evidence(slot, isError: false)
      if conclude(slot, evidence) { return }
      finish(slot, request, silence(request, now: now), evidence)
    }
  }

  private mutating func silence(_ request: CheckRequest, now: Instant) -> ConnectVerdict {
    .silence(
      isNextHopSilent: port.isNextHopSilent(request, now: now), family: request.target.address.family)
  }

  private mutating func abandon(_ slot: Int, _ error: CheckError) {
    if table[slot].phase == .connecting { _ = close(slot) }
    table.end(slot, .failure(error))
  }

  private mutating func close(_ slot: Int) -> Instant {
    closed += 1
    isStarved = false
    return port.close(slot)
  }

  // MARK: What had to wait

  private mutating func lineUp(_ slot: Int, _ phase: Phase) {
    table[slot].phase = phase
    let tag = table.tag(of: slot)
    if phase == .lacksPort { forPort.append(tag) } else { forDescriptor.append(tag) }
    if nextRetry == .never { nextRetry = Instant(nanoseconds: 0) }
  }

  private mutating func moveLines(now: Instant) {
    guard nextRetry != .never else { return }
    // What others freed shows only by trying.
    let isDue = now >= nextRetry
    if isDue {
      isStarved = false
      nextRetry = now.advanced(byNanoseconds: Self.retryInterval)
    }
    let tries = min(closed, Self.retryBatch) + (isDue ? Self.retryBatch : 0)
    closed = 0
    var failures = 0
    for _ in 0..<min(tries, forPort.count) {
      guard port.hasRoom, !isStarved, failures < Self.patience else { break }
      failures = relaunch(forPort.popFirst()) == .lacksPort ? failures + 1 : 0
    }
    while port.hasRoom, !isStarved, !forDescriptor.isEmpty { relaunch(forDescriptor.popFirst()) }
    if forPort.isEmpty, forDescriptor.isEmpty { nextRetry = .never }
  }

  /// - Returns: where the check is now; nil for one that has ended.
  @discardableResult
  private mutating func relaunch(_ tag: UInt64?) -> Phase? {
    guard let tag, let slot = table.index(of: tag), let request = table.request(slot) else { return nil }
    launch(slot, request)
    return table.isLive(slot) ? table[slot].phase : nil
  }
}
