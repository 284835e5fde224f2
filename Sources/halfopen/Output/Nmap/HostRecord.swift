// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// What nmap's XML says about one port of one host, in 64 bytes.
struct HostRecord: Hashable, Sendable {
  static let size = 64

  /// The host, in an order where IPv4 comes first.
  struct Host: Hashable, Comparable, Sendable {
    /// 0 for IPv4, 1 for IPv6.
    var family: UInt64
    var address: (UInt64, UInt64)
    /// The zone's first 16 bytes, more than an interface's name has.
    var zone: (UInt64, UInt64)

    static func == (a: Host, b: Host) -> Bool { a.family == b.family && a.address == b.address && a.zone == b.zone }

    static func < (a: Host, b: Host) -> Bool {
      if a.family != b.family { return a.family < b.family }
      if a.address != b.address { return a.address < b.address }
      return a.zone < b.zone
    }

    func hash(into hasher: inout Hasher) {
      for word in [family, address.0, address.1, zone.0, zone.1] { hasher.combine(word) }
    }
  }

  var host: Host
  var port: UInt16
  var state: CheckResult.State
  var reason: Reason
  /// Of the answering segment, 0 for none.
  var ttl: UInt8
  /// Who sent the ICMP error.
  var sender: IPAddress?
  /// Since 1970.
  var seconds: UInt32
  /// In microseconds.
  var rtt: UInt32?

  init(_ result: SweepResult) {
    let verdict = result.verdict
    host = Host(verdict.address, zone: result.zone)
    port = result.port
    state = verdict.state
    reason = verdict.reason
    ttl = verdict.answer?.ttl ?? 0
    sender = verdict.icmp?.sender
    seconds = UInt32(clamping: Timestamp.seconds(result.time))
    rtt = verdict.rtt.map { UInt32(clamping: min($0.saturatedNanoseconds / 1000, Int64(UInt32.max) - 1)) }
  }

  /// By host, then port; of two for one port first the one that says more.
  static func precedes(_ a: HostRecord, _ b: HostRecord) -> Bool {
    if a.host != b.host { return a.host < b.host }
    if a.port != b.port { return a.port < b.port }
    return rank(a.state) < rank(b.state)
  }

  private static func rank(_ state: CheckResult.State) -> UInt64 {
    switch state {
    case .open: 0
    case .closed: 1
    case .unreachable: 2
    case .noAnswer: 3
    }
  }
}

extension HostRecord.Host {
  init(_ address: IPAddress, zone: String?) {
    (family, self.address) = address.parts
    var bytes = Array((zone ?? "").utf8.prefix(16))
    bytes += [UInt8](repeating: 0, count: 16 - bytes.count)
    self.zone = (bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }, bytes[8...].reduce(0) { $0 << 8 | UInt64($1) })
  }

  var ipAddress: IPAddress { IPAddress(family: family, words: address) }

  var zoneName: String? {
    guard zone != (0, 0) else { return nil }
    let bytes = [zone.0, zone.1].flatMap { word in
      stride(from: UInt64(56), through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
    }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

// MARK: bytes

extension HostRecord {
  private static let states = CheckResult.State.allCases
  private static let reasons: [Reason] = [
    .synAck, .reset, .noResponse, .netUnreach, .hostUnreach, .protoUnreach, .portUnreach, .netProhibited,
    .hostProhibited, .adminProhibited, .timeExceeded, .sourceUnreach, .rejectRoute, .beyondScope, .packetTooBig,
    .paramProblem, .unreach,
  ]

  func append(to bytes: inout [UInt8]) {
    let (senderFamily, senderWords) = sender?.parts ?? (2, (0, 0))
    var facts = UInt64(port) << 48 | UInt64(ttl) << 40
    facts |= UInt64(HostRecord.reasons.firstIndex(of: reason) ?? HostRecord.reasons.count - 1) << 32
    facts |= UInt64(HostRecord.states.firstIndex(of: state) ?? 0) << 24 | senderFamily << 8 | host.family
    let times = UInt64(seconds) << 32 | UInt64(rtt ?? .max)
    for word in [
      host.address.0, host.address.1, host.zone.0, host.zone.1, senderWords.0, senderWords.1, times, facts,
    ] {
      for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
  }

  /// The record at `offset`, of `size` bytes there.
  init(_ bytes: [UInt8], at offset: Int) {
    func word(_ index: Int) -> UInt64 {
      var word: UInt64 = 0
      for place in (offset + 8 * index..<offset + 8 * index + 8).reversed() { word = word << 8 | UInt64(bytes[place]) }
      return word
    }
    let (times, facts) = (word(6), word(7))
    host = Host(family: facts & 1, address: (word(0), word(1)), zone: (word(2), word(3)))
    port = UInt16(truncatingIfNeeded: facts >> 48)
    ttl = UInt8(truncatingIfNeeded: facts >> 40)
    reason = HostRecord.reasons[Int(facts >> 32 & 0xff) % HostRecord.reasons.count]
    state = HostRecord.states[Int(facts >> 24 & 0xff) % HostRecord.states.count]
    let senderFamily = facts >> 8 & 0xff
    sender = senderFamily < 2 ? IPAddress(family: senderFamily, words: (word(4), word(5))) : nil
    seconds = UInt32(truncatingIfNeeded: times >> 32)
    let rtt = UInt32(truncatingIfNeeded: times)
    self.rtt = rtt == .max ? nil : rtt
  }
}

extension IPAddress {
  /// 0 for IPv4, 1 for IPv6, and the address as a number.
  fileprivate var parts: (family: UInt64, words: (UInt64, UInt64)) {
    switch self {
    case .v4(let address): (0, (0, UInt64(address.rawValue)))
    case .v6(let address): (1, (address.high, address.low))
    }
  }

  fileprivate init(family: UInt64, words: (UInt64, UInt64)) {
    self =
      family == 0
      ? .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: words.1)))
      : .v6(IPv6Address(high: words.0, low: words.1))
  }
}
