// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
package import HalfOpenWire
import SystemPackage

/// The connect engine's port to the kernel of the calling thread's network namespace.
package struct KernelConnectPort: ConnectPort, ~Copyable {
  private var sockets: StreamSockets
  private let epoll: Epoll
  private var hops: NextHopWatch
  private let setup: StreamSetup
  private var ports: PortPicker?
  private let room: Int
  private let ephemeral = ephemeralPorts()
  private var luck = LookLuck()

  /// - Throws: `CheckError` for a configuration that can't be used here.
  package init(_ configuration: CheckerConfiguration, mailbox: Mailbox) throws(CheckError) {
    var setup = StreamSetup(interface: configuration.interface, mark: configuration.mark)
    var index: UInt32 = 0
    if let name = configuration.interface {
      guard let found = interfaceIndex(name) else { throw .noInterface(name) }
      index = found
    }
    if let source = configuration.source {
      setup.source = SocketAddress(source, port: 0, scope: source.isLinkLocal && source.family == .v6 ? index : 0)
    }
    try Self.tryOut(setup)
    if let range = configuration.sourcePorts, PortPicker.kernelObeys(range, interface: setup.interface) {
      setup.portRange = range
    }
    let epoll = try Self.starting { () throws(SystemCallError) in
      let epoll = try Epoll(capacity: 512)
      try epoll.add(mailbox.descriptor, events: .input, tag: .max)
      return epoll
    }
    let hops = try Self.starting { () throws(SystemCallError) in
      try NextHopWatch(mark: configuration.mark, source: configuration.source, interface: index)
    }
    self.setup = setup
    self.epoll = epoll
    self.hops = hops
    sockets = StreamSockets()
    ports = setup.portRange == nil ? configuration.sourcePorts.map(PortPicker.init) : nil
    room = max(1, freeDescriptors())
  }

  package var openSockets: Int { sockets.count }
  package var hasRoom: Bool { sockets.count < room }

  package mutating func open(_ slot: Int, _ request: CheckRequest) throws(SystemCallError) -> Instant {
    var target = request.target
    if let zone = request.zone {
      guard let index = interfaceIndex(zone) else {
        throw SystemCallError(call: "if_nametoindex", errno: .operationNotSupportedByDevice)
      }
      target.scope = index
    }
    let now = Instant.now
    try sockets.open(
      slot, target.address.family, setup, withholdingACK: request.mode == .halfOpen,
      retransmissions: request.retransmissionLimit(now: now))
    do throws(SystemCallError) {
      if ports != nil { try bindInRange(slot, target.address.family) }
      try sockets.connect(slot, to: target)
    } catch {
      sockets.close(slot)
      throw error
    }
    return now
  }

  package mutating func firstLook(_ slot: Int) -> ConnectEvidence? {
    guard luck.isWorthALook else { return nil }
    let taken = Instant.now
    let info = information(slot)
    luck.note(hit: info.state != .synSent)
    return info.state == .synSent ? nil : complete(slot, info, taken)
  }

  package mutating func watch(_ slot: Int, tag: UInt64) throws(SystemCallError) {
    try sockets.register(slot, with: epoll, tag: tag)
  }

  package mutating func evidence(_ slot: Int, isError: Bool) -> ConnectEvidence {
    let taken = Instant.now
    if isError {
      let (queued, pending) = failure(slot)
      return ConnectEvidence(queued: queued, pending: pending, info: information(slot), taken: taken)
    }
    return complete(slot, information(slot), taken)
  }

  package mutating func close(_ slot: Int) -> Instant {
    sockets.close(slot)
    return .now
  }

  package func ownAddress(_ slot: Int) -> IPAddress? { sockets.localAddress(slot)?.address }

  package func isOwnPeer(_ slot: Int, _ target: SocketAddress) -> Bool {
    // Only a port that the kernel hands out can be ours, so most checks are spared the call.
    guard (setup.portRange ?? ephemeral).contains(target.port) || ports != nil else { return false }
    guard let own = sockets.localAddress(slot) else { return false }
    return own.port == target.port && own.address == target.address
  }

  package mutating func isNextHopSilent(_ request: CheckRequest, now: Instant) -> Bool {
    var target = request.target
    // The same link-local address may be on every link.
    if let zone = request.zone { target.scope = interfaceIndex(zone) ?? target.scope }
    return hops.isNextHopSilent(target, now: now)
  }

  /// Waits for events: for `event(_:)`.
  package func wait(timeout: Int64?) throws(SystemCallError) -> Int { try epoll.wait(timeout: timeout) }

  /// One event of the last `wait`; the tag `.max` is the mailbox.
  package func event(_ index: Int) -> (tag: UInt64, events: EpollEvents) { epoll.event(index) }

  /// It fails on no socket of ours; if it did, the check would wait for its deadline.
  private func information(_ slot: Int) -> TCPInfo { (try? sockets.information(slot)) ?? TCPInfo(state: .other) }

  /// Without a connection: why?
  private func complete(_ slot: Int, _ info: TCPInfo, _ taken: Instant) -> ConnectEvidence {
    if info.state == .established || info.state == .closeWait { return ConnectEvidence(info: info, taken: taken) }
    let (queued, pending) = failure(slot)
    return ConnectEvidence(queued: queued, pending: pending, info: info, taken: taken)
  }

  /// An ICMP error is on the queue before SO_ERROR has it. One that comes between the two looks would be taken for a RST or
  /// a fault of ours: so SO_ERROR without an entry is worth a second look.
  private func failure(_ slot: Int) -> (queued: QueuedError?, pending: Errno?) {
    let queued = sockets.drainErrorQueue(slot)
    guard let pending = sockets.takeError(slot) else { return (queued, nil) }
    return (queued ?? sockets.drainErrorQueue(slot), pending)
  }

  private mutating func bindInRange(_ slot: Int, _ family: IPFamily) throws(SystemCallError) {
    let any: IPAddress = family == .v4 ? .v4(.unspecified) : .v6(.unspecified)
    var source = setup.source ?? SocketAddress(any, port: 0)
    var failure = SystemCallError(call: "bind", errno: .addressInUse)
    for _ in 0..<(ports?.tries ?? 0) {
      guard let port = ports?.next() else { return }
      source.port = port
      do throws(SystemCallError) {
        return try sockets.bind(slot, to: source)
      } catch {
        failure = error
        if error.errno != .addressInUse { break }
      }
    }
    throw failure
  }

  private static func starting<Value: ~Copyable>(
    _ body: () throws(SystemCallError) -> Value
  ) throws(CheckError) -> Value {
    do throws(SystemCallError) { return try body() } catch {
      throw CheckError(error, subject: "starting the connect engine")
    }
  }

  /// Sets up a socket and lets it go: what can't be used shows now and not in every check.
  private static func tryOut(_ setup: StreamSetup) throws(CheckError) {
    var sockets = StreamSockets()
    let families: [IPFamily] = setup.source.map { [$0.address.family] } ?? [.v4, .v6]
    var failure: SystemCallError?
    for family in families {
      do throws(SystemCallError) {
        return try sockets.open(0, family, setup, withholdingACK: true, retransmissions: nil)
      } catch {
        failure = failure ?? error
        if error.errno != .addressFamilyNotSupported { break }
      }
    }
    if let failure { throw CheckError(failure, subject: "starting the connect engine") }
  }
}
