// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// Who has which hardware address on one interface, asked for by ARP and neighbour discovery as Linux does (arp(7)): three
/// questions a second apart. It reads no clock and sends nothing.
///
/// A probe whose next hop is not known yet is parked: its position comes back, once, by `takeReady` or
/// `takeUnreachable`. Who calls takes questions and positions at his own pace.
///
/// Bounds: `capacity` addresses, of which the one that was not used for longest makes room for a new one, and
/// `capacity` parked positions: 8 MB in all with the default. Nobody on the link can add an address: an answer counts
/// only for one that somebody looked up.
struct NeighbourBook: Sendable {
  enum Answer: Hashable, Sendable {
    case mac(MACAddress)
    /// Asked for; the position comes back.
    case parked
    /// There is no room to wait in. Look again when some have come back.
    case full
    /// It did not answer.
    case failed
  }

  /// Questions before a neighbour counts as dead (`ucast_solicit` and `mcast_solicit`).
  static let attempts: UInt8 = 3
  /// From one question to the next, in nanoseconds (`retrans_time_ms`).
  static let interval: Int64 = 1_000_000_000
  /// How long an answer is believed before it is asked for anew (`base_reachable_time_ms`), and a failure too. Meanwhile
  /// the old address is used.
  static let life: Int64 = 30_000_000_000
  /// How long who has answered first is right where several claim an address (`locktime`).
  private static let lockTime: Int64 = 1_000_000_000

  private enum State: Sendable {
    /// Asked for, without an address so far.
    case asking
    /// Asked for anew; the old address counts until then.
    case verifying
    case known
    case failed
    /// Set by the administrator: never asked for, and nobody can change it.
    case permanent
  }

  private struct Entry: Sendable {
    var address: IPAddress
    var mac = MACAddress.zero
    var state = State.asking
    var attempts: UInt8 = 0
    /// When the state began; while a question is under way, when it was asked.
    var since: Instant
    var changed = Instant(nanoseconds: 0)
    var links = Links()
    var parked = ParkedPositions.Line()
  }

  private let capacity: Int
  private var entries: [Entry] = []
  private var places: [IPAddress: Int32] = [:]
  /// Looked up last: with a gateway it is nearly always the one.
  private var latest: Int32 = -1
  /// By `List`.
  private var ends = [4 of Ends](repeating: Ends())
  private var permanents = 0
  private var parked: ParkedPositions
  private var ready = ParkedPositions.Line()
  private var unreachable = ParkedPositions.Line()
  /// What was learned before is to be asked for anew.
  private var doubted = Instant(nanoseconds: .min)

  init(capacity: Int = 65_536) {
    precondition(capacity > 0 && capacity < 1 << 24)
    self.capacity = capacity
    parked = ParkedPositions(capacity: capacity)
  }

  /// The addresses that are in the book.
  var count: Int { places.count }
  /// When `advance` has something to do.
  var deadline: Instant {
    first(of: .asked).map { entries[$0].since.advanced(byNanoseconds: NeighbourBook.interval) } ?? .never
  }
  /// `takeRequest` has something.
  var hasRequests: Bool { first(of: .toAsk) != nil }
  /// Positions that have not come back yet.
  var parkedCount: Int { parked.count }

  /// Takes over what somebody else knows. It is asked for anew when it is first used.
  /// - Parameter isPermanent: set by the administrator, so right by definition.
  mutating func seed(_ address: IPAddress, _ mac: MACAddress, isPermanent: Bool = false, now: Instant) {
    guard !mac.isMulticast, !mac.isZero, places[address] == nil, places.count < capacity else { return }
    // Permanent ones are never given up, so they may not take all the room.
    let isPermanent = isPermanent && permanents < capacity / 2
    let place = add(address, now: now)
    entries[place].mac = mac
    if isPermanent {
      entries[place].state = .permanent
      permanents += 1
    } else {
      rest(place, .known, now: now.advanced(byNanoseconds: -NeighbourBook.life))
    }
  }

  /// Where frames for `address` go.
  /// - Parameter position: what to park as long as that is not known.
  mutating func lookup(_ address: IPAddress, for position: UInt64, now: Instant) -> Answer {
    guard let place = place(of: address, now: now) else { return .full }
    switch entries[place].state {
    case .permanent: return .mac(entries[place].mac)
    case .known where isDoubted(place), .verifying where isDoubted(place): ask(place, .asking)
    case .verifying: return .mac(entries[place].mac)
    case .known:
      if isOld(place, now: now) {
        ask(place, .verifying)
      } else if entries[place].links.next >= 0 {
        unlink(place)
        link(place, to: .idle)
      }
      return .mac(entries[place].mac)
    case .failed:
      guard isOld(place, now: now) else { return .failed }
      ask(place, .asking)
    case .asking: break
    }
    return parked.add(position, to: &entries[place].parked) ? .parked : .full
  }

  /// It is asked for, and something waits for the answer.
  func isWaitedFor(_ address: IPAddress) -> Bool {
    guard let place = places[address].map(Int.init) else { return false }
    return entries[place].state == .asking && !entries[place].parked.isEmpty
  }

  /// Something speaks against all that is known: the link was down, or answers stay away. Everything is asked for anew
  /// before it is next used.
  mutating func doubt(now: Instant) { doubted = max(doubted, now) }

  /// The next address to ask for, of which the answer is due in a second. Nil for none.
  mutating func takeRequest(now: Instant) -> IPAddress? {
    guard let place = first(of: .toAsk) else { return nil }
    unlink(place)
    entries[place].attempts += 1
    entries[place].since = now
    link(place, to: .asked)
    return entries[place].address
  }

  /// The question for an address did not leave: it does not count, and is asked again when its answer would be due.
  mutating func requestFailed(_ address: IPAddress) {
    guard let place = places[address], entries[Int(place)].attempts > 0 else { return }
    entries[Int(place)].attempts -= 1
  }

  /// The next position whose next hop has been found. It is to be looked up again.
  mutating func takeReady() -> UInt64? { parked.take(from: &ready) }

  /// The next position whose next hop does not answer.
  mutating func takeUnreachable() -> UInt64? { parked.take(from: &unreachable) }

  /// Time has passed: repeats questions, or gives up. Call it at `deadline`.
  mutating func advance(now: Instant) {
    while let place = first(of: .asked), deadline <= now {
      unlink(place)
      guard entries[place].attempts >= NeighbourBook.attempts else {
        link(place, to: .toAsk)
        continue
      }
      rest(place, .failed, now: now)
      parked.move(&entries[place].parked, to: &unreachable)
    }
  }

  /// Somebody on the link said where an address is.
  /// - Parameters:
  ///   - isAnswer: to a question, so that it proves that the neighbour is there.
  ///   - isOverride: it may replace another hardware address (RFC 4861 section 7.2.5); always so with ARP.
  mutating func hear(_ address: IPAddress, isAt mac: MACAddress, isAnswer: Bool, isOverride: Bool, now: Instant) {
    guard !mac.isMulticast, !mac.isZero, let found = places[address] else { return }
    let place = Int(found)
    let isNew = mac != entries[place].mac
    switch entries[place].state {
    case .permanent: return
    case .asking, .verifying:
      // What is neither an answer nor news leaves the question open.
      guard isAnswer || entries[place].state == .asking || isNew && isOverride else { return }
      guard !isNew || isOverride || entries[place].state == .asking else { return }
    case .known, .failed:
      guard isAnswer || isNew || entries[place].state == .failed else { return }
      if isNew, entries[place].state == .known {
        guard now.nanoseconds(since: entries[place].changed) >= NeighbourBook.lockTime else { return }
        guard isOverride else {
          // Two who claim it: a question will tell.
          entries[place].since = now.advanced(byNanoseconds: -NeighbourBook.life)
          return
        }
      }
    }
    unlink(place)
    if isNew { entries[place].changed = now }
    entries[place].mac = mac
    rest(place, .known, now: now)
    parked.move(&entries[place].parked, to: &ready)
  }

  /// Somebody on the link said something: ARP or neighbour discovery. Everything else is ignored.
  mutating func hear(_ frame: Frame, now: Instant) {
    switch frame.transport {
    case .arp(let packet):
      guard !packet.senderIP.isUnspecified else { return }
      hear(
        .v4(packet.senderIP), isAt: packet.senderMAC, isAnswer: packet.operation == .reply, isOverride: true, now: now)
    case .neighbor(let message):
      guard let mac = message.linkAddress, let network = frame.network else { return }
      switch message.kind {
      case .advertisement:
        hear(
          .v6(message.target), isAt: mac, isAnswer: message.isSolicited, isOverride: message.isOverride, now: now)
      case .solicitation: hear(network.source, isAt: mac, isAnswer: false, isOverride: true, now: now)
      }
    default: break
    }
  }

  // MARK: - Entries

  private func isDoubted(_ place: Int) -> Bool { entries[place].since < doubted }

  private func isOld(_ place: Int, now: Instant) -> Bool {
    isDoubted(place) || now.nanoseconds(since: entries[place].since) >= NeighbourBook.life
  }

  private mutating func place(of address: IPAddress, now: Instant) -> Int? {
    if latest >= 0, entries[Int(latest)].address == address { return Int(latest) }
    if let known = places[address] {
      latest = known
      return Int(known)
    }
    guard places.count < capacity || first(of: .idle) != nil else { return nil }
    let place = add(address, now: now)
    ask(place, .asking)
    latest = Int32(place)
    return place
  }

  /// In the place of the one not used for longest where the book is full.
  private mutating func add(_ address: IPAddress, now: Instant) -> Int {
    let entry = Entry(address: address, since: now)
    guard places.count >= capacity, let place = first(of: .idle) else {
      entries.append(entry)
      places[address] = Int32(entries.count - 1)
      return entries.count - 1
    }
    unlink(place)
    places[entries[place].address] = nil
    entries[place] = entry
    places[address] = Int32(place)
    return place
  }

  private mutating func ask(_ place: Int, _ state: State) {
    unlink(place)
    entries[place].state = state
    entries[place].attempts = 0
    link(place, to: .toAsk)
  }

  private mutating func rest(_ place: Int, _ state: State, now: Instant) {
    entries[place].state = state
    entries[place].since = now
    link(place, to: .idle)
  }

  // MARK: - Lists through the entries

  /// Where an entry stands.
  private enum List: Int, Sendable {
    case none
    /// To be asked for.
    case toAsk
    /// Asked for; the earliest question first.
    case asked
    /// Not asked for at present; those not used for longest first.
    case idle
  }

  private struct Ends: Sendable {
    var first: Int32 = -1
    var last: Int32 = -1
  }

  private struct Links: Sendable {
    var list = List.none
    var previous: Int32 = -1
    var next: Int32 = -1
  }

  private func first(of list: List) -> Int? {
    let first = ends[list.rawValue].first
    return first < 0 ? nil : Int(first)
  }

  private mutating func link(_ place: Int, to list: List) {
    let (number, last) = (Int32(truncatingIfNeeded: place), ends[list.rawValue].last)
    entries[place].links = Links(list: list, previous: last, next: -1)
    if last < 0 { ends[list.rawValue].first = number } else { entries[Int(last)].links.next = number }
    ends[list.rawValue].last = number
  }

  private mutating func unlink(_ place: Int) {
    let links = entries[place].links
    guard links.list != .none else { return }
    let list = links.list.rawValue
    if links.previous < 0 {
      ends[list].first = links.next
    } else {
      entries[Int(links.previous)].links.next = links.next
    }
    if links.next < 0 {
      ends[list].last = links.previous
    } else {
      entries[Int(links.next)].links.previous = links.previous
    }
    entries[place].links = Links()
  }
}
