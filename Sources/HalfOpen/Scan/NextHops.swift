// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenWire
  import SystemPackage

  /// Whom the frames of a sweep go to: asks the links for next hops, hears what they say, and answers for a source address
  /// that is not the host's. For the sender's thread.
  final class NextHops {
    enum Answer: Equatable {
      case mac(MACAddress)
      /// It is asked for; the position comes back by `takeReady` or `takeUnreachable`.
      case parked
      /// No room to wait in: try again soon.
      case full
      /// It does not answer.
      case unreachable
      /// A gateway that did answer does so no more.
      case lost
    }

    /// How the frames of a path find their way.
    private enum Way {
      /// The kernel makes the frames.
      case none
      /// Told by the user.
      case fixed(MACAddress)
      /// The place of its link.
      case asked(Int)
    }

    /// One interface.
    private final class Link {
      let path: RouteMap.Path
      let mac: MACAddress
      let socket: NeighborSocket
      let defender: AddressDefender?
      var sources: [IPFamily: IPAddress] = [:]
      /// Gateways of paths by this interface.
      let gateways: Set<IPAddress>
      /// The last question did not leave.
      var isOut = false
      var book = NeighbourBook()
      var incoming = PacketBatch(capacity: 64, packetCapacity: 256)

      init(
        _ path: RouteMap.Path, mac: MACAddress, others: [RouteMap.Path]
      ) throws(SystemCallError) {
        (self.path, self.mac) = (path, mac)
        gateways = Set(others.compactMap { if case .gateway(let gateway) = $0.reach.nextHop { gateway } else { nil } })
        let defended = Set(others.filter { !$0.sourceIsLocal }.map(\.source))
        let families = Set(others.map(\.source.family)).union(gateways.map(\.family))
        socket = try NeighborSocket(interfaceIndex: path.interface, families: families)
        defender = defended.isEmpty ? nil : AddressDefender(addresses: defended, mac: mac)
        for group in defender?.groups ?? [] { try socket.join(group) }
      }
    }

    /// Between two looks at what the links say, while nothing is waited for.
    private static let interval: Int64 = 10_000_000
    /// The most questions a second, whatever the rate.
    private static let mostQuestions = 20_000.0

    private let paths: RouteMap
    private var ways: [Way]
    private var links: [Link] = []
    private var pace: PaceSchedule
    private var nextLook = Instant(nanoseconds: 0)
    /// Gateways that have answered.
    private var alive: Set<IPAddress> = []
    private var frame = [UInt8](repeating: 0, count: NeighborFrame.capacity)

    init(_ job: SweepJob, now: Instant) throws(CheckError) {
      paths = job.paths
      pace = PaceSchedule(rate: min(job.configuration.rate, NextHops.mostQuestions), now: now.nanoseconds)
      ways = []
      var places: [UInt32: Int] = [:]
      for (path, way) in zip(job.paths.all, job.transmit.ways) {
        ways.append(try NextHops.way(of: path, way, job, places: &places, links: &links))
      }
      try seed(now: now)
    }

    private static func way(
      of path: RouteMap.Path, _ way: TransmitChoice.Way, _ job: SweepJob, places: inout [UInt32: Int],
      links: inout [Link]
    ) throws(CheckError) -> Way {
      let isForeign = !path.sourceIsLocal && !path.isLoopback
      guard way.isFramed || isForeign, let mac = path.hardwareAddress else { return .none }
      let place = places[path.interface] ?? links.count
      if place == links.count {
        let others = job.paths.all.filter { $0.interface == path.interface }
        do throws(SystemCallError) { links.append(try Link(path, mac: mac, others: others)) } catch {
          throw CheckError(error, subject: "listening for neighbours on \(path.interfaceName)")
        }
        places[path.interface] = place
      }
      if links[place].sources[path.source.family] == nil { links[place].sources[path.source.family] = path.source }
      guard way.isFramed else { return .none }
      if case .gateway = path.reach.nextHop, let mac = job.configuration.gatewayMAC { return .fixed(mac) }
      return .asked(place)
    }

    /// What the kernel knows already need not be asked for first.
    private func seed(now: Instant) throws(CheckError) {
      guard !links.isEmpty else { return }
      do throws(SystemCallError) {
        var netlink = try Netlink()
        for family in Set(links.flatMap(\.sources.keys)) {
          let known = try netlink.neighbours(family)
          for link in links { link.book.seed(known, on: link.path.interface, now: now) }
        }
      } catch {
        throw CheckError(error, subject: "asking the kernel for its neighbours")
      }
    }

    /// What is ready to be read when a link says something.
    var descriptors: [CInt] { links.map { $0.socket.rawValue } }

    /// When `attend` has something to do at the latest.
    var deadline: Instant {
      var deadline = Instant.never
      for link in links {
        deadline = min(deadline, link.book.hasRequests ? Instant(nanoseconds: pace.wake(upTo: 1)) : link.book.deadline)
      }
      return deadline
    }

    /// Whom a frame to `target` goes to. For a path by frames.
    @inline(__always)
    func lookup(_ target: IPAddress, path: Int, position: UInt64, now: Instant) -> Answer {
      switch ways[path] {
      case .fixed(let mac): return .mac(mac)
      case .none: return .unreachable
      case .asked(let place):
        guard let hop = paths[path].nextHop(of: target) else { return .unreachable }
        // One probe asks for a gateway, and all others for it leave in their turn: parked they would leave out of it.
        if hop != target, links[place].book.isWaitedFor(hop) { return .full }
        switch links[place].book.lookup(hop, for: position, now: now) {
        case .mac(let mac): return .mac(mac)
        case .parked: return .parked
        case .full: return .full
        case .failed: return isLost(path) ? .lost : .unreachable
        }
      }
    }

    /// The path's gateway has answered once, and does not now.
    func isLost(_ path: Int) -> Bool {
      guard case .gateway(let gateway) = paths[path].reach.nextHop else { return false }
      return alive.contains(gateway)
    }

    /// Interfaces that are asked on, and whether questions can't leave by them at present.
    var linksOut: [(interface: UInt32, isOut: Bool)] { links.map { ($0.path.interface, $0.isOut) } }

    /// Everything known is asked for anew before it is used next: the link was down, or answers stay away.
    func doubt(now: Instant) { for link in links { link.book.doubt(now: now) } }

    /// Reads what the links say, answers and asks. Cheap where nothing is to be done.
    func attend(now: Instant) {
      guard !links.isEmpty, now >= min(nextLook, deadline) else { return }
      nextLook = now.advanced(byNanoseconds: NextHops.interval)
      for link in links {
        listen(link, now: now)
        link.book.advance(now: now)
        ask(link, now: now)
      }
    }

    /// The links have something to say: `attend` is not to wait.
    func wake() { nextLook = Instant(nanoseconds: 0) }

    /// Closes its sockets. Nothing is looked up after it.
    func close() { links = [] }

    /// Positions whose next hop is known now, at most `limit`: look them up again.
    func takeReady(upTo limit: Int, into positions: inout [UInt64]) { take(limit, &positions) { $0.takeReady() } }

    /// Positions whose next hop does not answer, at most `limit`.
    func takeUnreachable(upTo limit: Int, into positions: inout [UInt64]) {
      take(limit, &positions) { $0.takeUnreachable() }
    }

    private func take(
      _ limit: Int, _ positions: inout [UInt64], _ next: (inout NeighbourBook) -> UInt64?
    ) {
      for link in links {
        while positions.count < limit, let position = next(&link.book) { positions.append(position) }
      }
    }

    private func listen(_ link: Link, now: Instant) {
      repeat {
        do throws(SystemCallError) { try link.socket.receive(into: &link.incoming) } catch { return }
        for index in 0..<link.incoming.count {
          guard let heard = try? Frame(link.incoming.packet(index), linkType: .ethernet) else { continue }
          link.book.hear(heard, now: now)
          answer(heard, on: link)
          noteGateways(heard, on: link)
        }
      } while link.incoming.isFull
    }

    private func answer(_ heard: borrowing Frame, on link: Link) {
      guard let defender = link.defender else { return }
      var out = frame.mutableSpan
      let length = defender.answer(heard, into: &out)
      _ = send(length, on: link)
    }

    private func noteGateways(_ heard: borrowing Frame, on link: Link) {
      let speaker: IPAddress
      switch heard.transport {
      case .arp(let packet) where packet.operation == .reply: speaker = .v4(packet.senderIP)
      case .neighbor(let message) where message.kind == .advertisement: speaker = .v6(message.target)
      default: return
      }
      if link.gateways.contains(speaker) { alive.insert(speaker) }
    }

    private func ask(_ link: Link, now: Instant) {
      while link.book.hasRequests, pace.take(upTo: 1, now: now.nanoseconds) > 0 {
        guard let address = link.book.takeRequest(now: now) else { return }
        guard let source = link.sources[address.family] else { continue }
        var out = frame.mutableSpan
        let length = NeighborFrame.emitQuestion(for: address, from: source, at: link.mac, into: &out)
        link.isOut = !send(length, on: link)
        // Silence proves nothing where nothing was asked.
        if link.isOut { link.book.requestFailed(address) }
      }
    }

    private func send(_ length: Int, on link: Link) -> Bool {
      guard length > 0 else { return true }
      do throws(SystemCallError) {
        try link.socket.send(frame, length: length)
        return true
      } catch {
        return false
      }
    }
  }

#endif
