// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// The packet engine without its I/O: checks in, packets out through the port, replies in, verdicts out.
///
/// It reads no clock: every call brings `now`. A round of the loop is: `start` and `receive` as often as there is
/// something, `expire`, the port's flush with `sendFailed` for what did not leave, `finishRound`.
struct PacketChecks<Port: PacketPort> {
  let port: Port
  private let policy: CheckerConfiguration.ResetPolicy
  private let cookie: Cookie
  private var nonce: UInt64
  private(set) var table: CheckTable<PacketCheck>
  private var book = PortBook()
  private let maximumPorts: Int
  private var watches: [UInt32: ResetWatch] = [:]
  /// Checks that wait for `ResetWatch`, by tag; dead tags are passed over.
  private var awaitingReset: [UInt64] = []
  private var ripe: [UInt64] = []
  private var recent = RecentFlows()
  /// Slots whose SYN goes out with the next flush.
  private var launched: [Int32] = []
  /// Replies that matched no check: spoofed, late, or another program's.
  private(set) var unmatched: UInt64 = 0

  init(
    port: Port, policy: CheckerConfiguration.ResetPolicy, maximumPorts: Int, now: Instant, cookie: Cookie = Cookie(),
    firstNonce: UInt64 = .random(in: .min ... .max)
  ) {
    self.port = port
    self.policy = policy
    self.maximumPorts = maximumPorts
    self.cookie = cookie
    nonce = firstNonce
    table = CheckTable(now: now)
  }

  var nextLook: Instant? { table.timers.nextLook }
  /// Flows and targets that are remembered: none of either when nothing is in flight.
  var flowCounts: (flows: Int, targets: Int) { book.counts }

  // MARK: Starting and ending

  /// Takes a check on and sends its first SYN, or lines it up for a source port.
  mutating func start(_ request: consuming CheckRequest, now: Instant) {
    if request.sink.isCancelled { return refuse(request, .cancelled, now: now) }
    let path: Path
    do throws(CheckError) {
      path = try port.path(to: request.target, zone: request.zone)
    } catch {
      return refuse(request, error, now: now)
    }
    let (target, zone) = (request.target, request.zone)
    let scope = zone == nil ? target.scope : path.interface
    let check = PacketCheck(request: request, path: path, scope: scope, now: now)
    let index = table.add(request, detail: check)
    table[index].flow = Flow(address: target.address, port: target.port, localPort: 0)
    launch(index, now: now)
  }

  private mutating func refuse(_ request: CheckRequest, _ error: CheckError, now: Instant) {
    let path = Path(source: request.target.address, interface: 0, nextHop: nil, sourceIsLocal: true)
    let index = table.add(request, detail: PacketCheck(request: request, path: path, scope: 0, now: now))
    table.end(index, .failure(error))
  }

  private mutating func launch(_ index: Int, now: Instant) {
    let target = Target(address: table[index].flow.address, port: table[index].flow.port)
    guard let flow = takeFlow(for: target, slot: index) else {
      // With none of the target's checks on the wire nobody would ever hand a port on.
      guard book.isBusy(target) else {
        return end(index, .failure(.noPort(table[index].flow, ports: book.ports.count)), now: now)
      }
      book.wait(for: target, tag: table.tag(of: index))
      setTimer(index, table[index].deadline)
      return
    }
    nonce &+= 1
    table[index].flow = flow
    table[index].phase = .sent
    table[index].sequence = cookie.sequence(source: table[index].path.source, flow: flow, nonce: nonce)
    table[index].dropsAtStart = port.captureDrops()
    recent.forget(flow)
    transmit(index, now: now)
  }

  private mutating func takeFlow(for target: Target, slot: Int) -> Flow? {
    if let flow = book.take(for: target, slot: slot) { return flow }
    let room = maximumPorts - book.ports.count
    guard room > 0 else { return nil }
    book.add(port.reservePorts(min(room, max(16, book.ports.count))))
    return book.take(for: target, slot: slot)
  }

  private mutating func transmit(_ index: Int, now: Instant) {
    let tag = table.tag(of: index)
    table[index].transmissions += 1
    table[index].lastSent = now
    launched.append(Int32(truncatingIfNeeded: index))
    port.sendSYN(
      table[index].flow, path: table[index].path, sequence: table[index].sequence, scope: table[index].scope, tag: tag)
    table[index].next = table[index].deadline
    if table[index].transmissions < table[index].attempts {
      table[index].next = min(table[index].deadline, now.advanced(byNanoseconds: table[index].backOff))
      table[index].backOff &*= 2
    }
    let isFirst = table[index].transmissions == 1
    wait(index, onNextHop: isFirst || port.neighbour(of: table[index].path) == .incomplete, now: now)
  }

  /// For the next SYN or the end, with looks at a next hop in doubt: the kernel forgets its failure in time.
  private mutating func wait(_ index: Int, onNextHop: Bool, now: Instant) {
    let looks = onNextHop && table[index].path.nextHop != nil
    setTimer(index, looks ? min(table[index].next, now.advanced(byNanoseconds: 500_000_000)) : table[index].next)
  }

  private mutating func setTimer(_ index: Int, _ due: Instant) {
    table[index].due = due
    table.timers.set(index, at: due)
  }

  /// Ends a check, gives its source port to the next in line.
  private mutating func end(_ index: Int, _ end: CheckEnd, now: Instant) {
    let flow = table[index].flow
    let wasOnWire = table[index].phase != .queued
    if wasOnWire, table[index].state == .noAnswer, engineResets(table[index].path) {
      remember(index, wasOpen: false, now: now)
    }
    table.end(index, end)
    guard wasOnWire else { return }
    book.release(flow)
    let target = Target(address: flow.address, port: flow.port)
    while let tag = book.nextWaiting(for: target) {
      guard let waiting = table.index(of: tag), table[waiting].phase == .queued else { continue }
      // Too late for an answer: its timer says that it never had a port.
      guard table[waiting].deadline > now else { continue }
      return launch(waiting, now: now)
    }
  }

  /// Ends all checks of a sink that was cancelled.
  mutating func cancel(_ sink: any CheckSink, now: Instant) {
    end(table.indices(of: sink), .cancelled, now: now)
  }

  /// Ends everything.
  mutating func endAll(_ error: CheckError) {
    for index in table.liveIndices { table.end(index, .failure(error)) }
    table.wakeAll()
  }

  /// Replies on an interface can't be seen any more; 0 means any interface.
  mutating func interfaceLost(_ interface: UInt32, _ error: CheckError, now: Instant) {
    let lost = table.liveIndices.filter { interface == 0 || table[$0].path.interface == interface }
    end(lost, error, now: now)
  }

  /// Those in line first: a port that comes free must not let one of them send a SYN.
  private mutating func end(_ indices: [Int], _ error: CheckError, now: Instant) {
    for index in indices where table[index].phase == .queued { end(index, .failure(error), now: now) }
    for index in indices where table.isLive(index) { end(index, .failure(error), now: now) }
  }

  /// A packet did not leave. `tag` is the check's, `wasReset` tells which of its packets.
  mutating func sendFailed(tag: UInt64, wasReset: Bool, errno: Errno, now: Instant) {
    guard let index = table.index(of: tag) else { return }
    if wasReset {
      table[index].flags.insert(.resetNotSent)
      return
    }
    // ENOBUFS and EAGAIN pass by; what else the kernel says will be said of the next SYN too.
    let passing = errno == .noBufferSpace || errno == .resourceTemporarilyUnavailable
    table[index].transmissions -= 1
    table[index].flags.insert(.sendFailed)
    guard !passing || table[index].attempts <= 1 else { return }
    if passing {
      table[index].attempts -= 1
      return
    }
    end(index, .failure(.unsent(table[index].flow, errno)), now: now)
  }

  /// The SYNs since the last call are handed to the kernel at `now`: round trips count from here, not from before a
  /// capture had to be opened for them.
  mutating func willFlush(now: Instant) {
    for index in launched { table[Int(index)].lastSent = now }
    launched.removeAll(keepingCapacity: true)
  }

  /// Gives the verdicts that ripened in this round. After the flush, since a RST that could not be sent is part of them.
  mutating func finishRound(now: Instant) {
    for tag in ripe {
      guard let index = table.index(of: tag), table[index].phase == .ripe else { continue }
      end(index, .success(table[index].result), now: now)
    }
    ripe.removeAll(keepingCapacity: true)
    table.flush(now: now, isResting: false)
  }

  /// Before the loop sleeps: wakes every reader that has something to read.
  mutating func rest(now: Instant) { table.flush(now: now, isResting: true) }

  /// Appends the checks to be started next, in the place of those that ended.
  mutating func takeSuccessors(into requests: inout Queue<CheckRequest>) { table.takeSuccessors(into: &requests) }

  // MARK: Time

  /// Acts on every timer that is due: repeats SYNs, ends waits and checks.
  ///
  /// - Parameter heard: every reply captured before it has been received; `now` if nil. No check ends in silence while
  ///   its answer may lie unread.
  mutating func expire(now: Instant, heard: Instant? = nil) {
    let heard = heard ?? now
    table.timers.advance(to: heard)
    while let index = table.timers.popExpired() {
      guard table.isLive(index) else { continue }
      guard table[index].due <= heard else {
        table.timers.set(index, at: table[index].due)
        continue
      }
      timerFired(index, now: now, heard: heard)
    }
  }

  private mutating func timerFired(_ index: Int, now: Instant, heard: Instant) {
    switch table[index].phase {
    case .queued:
      end(index, .failure(.noPort(table[index].flow, ports: book.ports.count)), now: now)
    case .sent:
      let neighbour = port.neighbour(of: table[index].path)
      let isLast = heard >= table[index].deadline
      if neighbour == .failed || (isLast && neighbour == .incomplete) {
        unreachableNextHop(index)
      } else if isLast {
        silent(index, now: now)
      } else if heard >= table[index].next {
        transmit(index, now: now)
      } else {
        wait(index, onNextHop: neighbour == .incomplete, now: now)
      }
    case .awaitingReset:
      noResetSeen(on: table[index].path.interface, now: now)
    case .settling, .ripe:
      ripen(index)
    }
  }

  private mutating func silent(_ index: Int, now: Instant) {
    if table[index].transmissions <= 0 {
      return end(index, .failure(.unsent(table[index].flow, .noBufferSpace)), now: now)
    }
    if port.captureDrops() > table[index].dropsAtStart { table[index].flags.insert(.captureDropped) }
    ripen(index)
  }

  /// The kernel would say the same to a socket: host unreachable, from our own address.
  private mutating func unreachableNextHop(_ index: Int) {
    let source = table[index].path.source
    table[index].state = .unreachable
    table[index].reason = .hostUnreach
    table[index].icmp =
      source.family == .v4 ? .init(type: 3, code: 1, sender: source) : .init(type: 1, code: 3, sender: source)
    ripen(index)
  }

  private mutating func ripen(_ index: Int) {
    table[index].phase = .ripe
    table[index].due = .never
    table.timers.cancel(index)
    ripe.append(table.tag(of: index))
  }

  // MARK: Replies

  /// Looks at one captured packet.
  /// - Parameter stamp: when the capture saw it, on the clock of `now`.
  mutating func receive(_ frame: borrowing Frame, stamp: Instant, now: Instant) {
    guard let network = frame.network else { return }
    switch frame.transport {
    case .tcp(let segment):
      receive(segment, from: network.source, to: network.destination, ttl: network.ttl, stamp: stamp, now: now)
    case .icmpError(let error):
      receive(error, now: now)
    default: break
    }
  }

  private mutating func receive(
    _ segment: TCPHeader, from sender: IPAddress, to receiver: IPAddress, ttl: UInt8, stamp: Instant, now: Instant
  ) {
    let flow = Flow(address: sender, port: segment.sourcePort, localPort: segment.destinationPort)
    if let index = book.slot(of: flow), table[index].path.source == receiver {
      // RST comes first: with it, a SYN beside it means nothing (RFC 9293 §3.10.7.3).
      if segment.flags.contains(.rst) { return reset(segment, index: index, ttl: ttl, stamp: stamp) }
      if segment.flags.contains([.syn, .ack]) { synAck(segment, index: index, ttl: ttl, stamp: stamp, now: now) }
      return
    }
    if segment.flags.contains(.rst) {
      let ours = Flow(address: receiver, port: segment.destinationPort, localPort: segment.sourcePort)
      return resetLeft(ours, source: sender, sequence: segment.sequence, now: now)
    }
    if segment.flags.contains([.syn, .ack]), repeated(segment, flow: flow, receiver: receiver, now: now) { return }
    unmatched &+= 1
  }

  private mutating func synAck(_ segment: TCPHeader, index: Int, ttl: UInt8, stamp: Instant, now: Instant) {
    guard segment.acknowledgment == table[index].sequence + 1 else { return unmatched &+= 1 }
    switch table[index].phase {
    case .queued: return
    case .awaitingReset, .settling, .ripe:
      let (flow, receiver) = (table[index].flow, table[index].path.source)
      _ = repeated(segment, flow: flow, receiver: receiver, now: now)
      return noteTTL(index, ttl)
    case .sent: break
    }
    table[index].state = .open
    table[index].reason = .synAck
    table[index].theirs = segment.sequence
    remember(index, wasOpen: true, now: now)
    take(segment, index: index, ttl: ttl, stamp: stamp)
    if segment.window == 0, segment.options.isEmpty { table[index].flags.insert(.suspectedSynProxy) }
    let path = table[index].path
    switch watches[path.interface, default: ResetWatch(policy: policy)].answer(
      sourceIsLocal: path.sourceIsLocal, now: now)
    {
    case .leave: settle(index, now: now)
    case .reset:
      sendReset(index)
      settle(index, now: now)
    case .wait(let until):
      table[index].phase = .awaitingReset
      awaitingReset.append(table.tag(of: index))
      setTimer(index, until)
    }
  }

  private mutating func settle(_ index: Int, now: Instant) {
    guard table[index].settle > 0 else { return ripen(index) }
    table[index].phase = .settling
    setTimer(index, min(now.advanced(byNanoseconds: table[index].settle), max(now, table[index].deadline)))
  }

  private mutating func reset(_ segment: TCPHeader, index: Int, ttl: UInt8, stamp: Instant) {
    let acknowledges = segment.flags.contains(.ack)
    switch table[index].phase {
    case .queued: return
    case .sent:
      guard acknowledges else {
        table[index].flags.insert(.resetWithoutAck)
        return
      }
      // Some stacks acknowledge the SYN's own number.
      let sequence = table[index].sequence
      guard segment.acknowledgment == sequence + 1 || segment.acknowledgment == sequence else {
        return unmatched &+= 1
      }
      table[index].state = .closed
      table[index].reason = .reset
      take(segment, index: index, ttl: ttl, stamp: stamp)
      ripen(index)
    case .awaitingReset, .settling, .ripe:
      guard table[index].state == .open else { return noteTTL(index, ttl) }
      let theirs = table[index].theirs
      guard segment.sequence == theirs || segment.sequence == theirs + 1 else { return unmatched &+= 1 }
      noteTTL(index, ttl)
      table[index].flags.insert(.resetAfterSynAck)
    }
  }

  private mutating func take(_ segment: TCPHeader, index: Int, ttl: UInt8, stamp: Instant) {
    table[index].rtt = max(0, stamp.nanoseconds(since: table[index].lastSent))
    table[index].answer = .init(ttl: ttl, window: segment.window, options: segment.options)
  }

  private mutating func noteTTL(_ index: Int, _ ttl: UInt8) {
    if let first = table[index].answer?.ttl, first != ttl { table[index].flags.insert(.ttlVaries) }
  }

  private mutating func receive(_ error: ICMPError, now: Instant) {
    let quoted = error.quoted
    guard quoted.depth == .sequence, quoted.protocol == .tcp else { return unmatched &+= 1 }
    let flow = Flow(address: quoted.destination, port: quoted.destinationPort, localPort: quoted.sourcePort)
    guard let index = book.slot(of: flow), table[index].path.source == quoted.source,
      quoted.sequence == table[index].sequence
    else { return unmatched &+= 1 }
    guard table[index].phase == .sent, let reason = error.reason else { return }
    table[index].state = .unreachable
    table[index].reason = reason
    table[index].icmp = .init(type: error.type, code: error.code, sender: error.sender)
    ripen(index)
  }

  // MARK: Who resets

  private mutating func sendReset(_ index: Int) {
    port.sendReset(
      table[index].flow, path: table[index].path, sequence: table[index].sequence + 1, scope: table[index].scope,
      tag: table.tag(of: index))
  }

  /// A RST from a port of ours was captured: the kernel's, where a check waits for one. Its number is the one that the
  /// SYN-ACK acknowledged (RFC 9293 §3.10.7.1): nobody else's, who pretends to be us.
  private mutating func resetLeft(_ flow: Flow, source: IPAddress, sequence: SequenceNumber, now: Instant) {
    guard let index = book.slot(of: flow), table[index].path.source == source, table[index].state == .open,
      table[index].sequence + 1 == sequence
    else { return unmatched &+= 1 }
    let interface = table[index].path.interface
    guard watches[interface, default: ResetWatch(policy: policy)].sawReset() else { return }
    port.watchResets(on: interface, false)
    releaseWaiting(on: interface, now: now, resetting: false)
  }

  private mutating func noResetSeen(on interface: UInt32, now: Instant) {
    let takesOver = watches[interface, default: ResetWatch(policy: policy)].sawNoReset()
    port.watchResets(on: interface, false)
    releaseWaiting(on: interface, now: now, resetting: takesOver)
  }

  private mutating func releaseWaiting(on interface: UInt32, now: Instant, resetting: Bool) {
    let waiting = awaitingReset
    awaitingReset.removeAll(keepingCapacity: true)
    for tag in waiting {
      guard let index = table.index(of: tag), table[index].phase == .awaitingReset else { continue }
      guard table[index].path.interface == interface else {
        awaitingReset.append(tag)
        continue
      }
      if resetting { sendReset(index) }
      settle(index, now: now)
    }
  }

  private func engineResets(_ path: Path) -> Bool {
    (watches[path.interface] ?? ResetWatch(policy: policy)).engineResets(sourceIsLocal: path.sourceIsLocal)
  }

  private mutating func remember(_ index: Int, wasOpen: Bool, now: Instant) {
    recent.note(
      RecentFlows.Entry(
        flow: table[index].flow, path: table[index].path, expected: table[index].sequence + 1,
        scope: table[index].scope, wasOpen: wasOpen,
        at: now))
  }

  /// A SYN-ACK after the first, or for a check that ended without: the target has not had its RST.
  private mutating func repeated(_ segment: TCPHeader, flow: Flow, receiver: IPAddress, now: Instant) -> Bool {
    guard let old = recent.find(flow), old.path.source == receiver, old.expected == segment.acknowledgment else {
      return false
    }
    // The first one, after the deadline: nobody else resets it.
    guard old.wasOpen else {
      port.sendReset(flow, path: old.path, sequence: old.expected, scope: old.scope, tag: .max)
      return true
    }
    // A duplicate on the way is no sign: a SYN-ACK is repeated after a second at the earliest (RFC 6298 §2.1).
    guard now.nanoseconds(since: old.at) > 500_000_000 else { return true }
    if watches[old.path.interface, default: ResetWatch(policy: policy)].sawNoReset() {
      port.sendReset(flow, path: old.path, sequence: old.expected, scope: old.scope, tag: .max)
    }
    return true
  }
}

extension ICMPError {
  /// Why the SYN did not arrive; nil for "too big", which a SYN of sixty bytes should not be, and for source quench, which
  /// nobody should send (RFC 6633).
  fileprivate var reason: Reason? {
    switch sender.family {
    case .v4: type == 4 || (type == 3 && code == 4) ? nil : Reason(icmpv4Type: type, code: code)
    case .v6: type == 2 ? nil : Reason(icmpv6Type: type, code: code)
    }
  }
}
