// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenWire

/// `csv`: a header and one row for each result, with the fields of zmap's tcp_synscan in its order. What is not known is
/// empty.
struct ZmapEncoder: SweepEncoder {
  static let fields = [
    "saddr", "saddr_raw", "daddr", "daddr_raw", "ipid", "ttl", "sport", "dport", "seqnum", "acknum", "window",
    "tcpopt_mss", "tcpopt_wscale", "tcpopt_sack_perm", "tcpopt_ts_val", "tcpopt_ts_ecr", "classification", "success",
    "icmp_responder", "icmp_type", "icmp_code", "icmp_unreach_str", "repeat", "cooldown", "timestamp_str",
    "timestamp_ts", "timestamp_us",
  ]
  private var clock = TimestampWriter()

  mutating func begin(_ bytes: inout [UInt8]) {
    bytes += ZmapEncoder.fields.joined(separator: ",").utf8
    bytes.append(0x0a)
  }

  mutating func encode(_ results: [SweepResult], into bytes: inout [UInt8]) {
    for result in results { append(result, to: &bytes) }
  }

  private mutating func append(_ result: SweepResult, to bytes: inout [UInt8]) {
    let verdict = result.verdict
    append(verdict.address, zone: result.zone, to: &bytes)
    append(result.reply?.localAddress, zone: nil, to: &bytes)
    append(verdict.address.family == .v4 ? result.reply?.identification : nil, to: &bytes)
    append(verdict.answer?.ttl, to: &bytes)
    append(result.port, to: &bytes)
    append(result.reply?.localPort, to: &bytes)
    // The numbers of an ICMP error's quoted SYN are ours, not the target's.
    let segment = verdict.icmp == nil ? result.reply : nil
    append(segment?.sequence.rawValue, to: &bytes)
    append(segment?.acknowledgment.rawValue, to: &bytes)
    append(verdict.answer?.window, to: &bytes)
    let options = verdict.answer?.options
    append(options?.mss, to: &bytes)
    append(options?.windowScale.map { UInt64(1) << UInt64($0) }, to: &bytes)
    append(options?.sackPermitted == true ? UInt8(1) : nil, to: &bytes)
    append(options?.timestamps?.value, to: &bytes)
    append(options?.timestamps?.echo, to: &bytes)
    append(classification(verdict), to: &bytes)
    append(verdict.state == .open ? UInt8(1) : 0, to: &bytes)
    append(verdict.icmp, of: verdict.address.family, to: &bytes)
    bytes += "0,".utf8
    append(result.reply?.isAfterSending == true ? UInt8(1) : 0, to: &bytes)
    append(time: result.time, to: &bytes)
  }

  private func classification(_ verdict: CheckResult) -> String {
    switch verdict.state {
    case .open: "synack"
    case .closed: "rst"
    case .unreachable: verdict.icmp == nil ? verdict.state.rawValue : "icmp"
    case .noAnswer: verdict.state.rawValue
    }
  }

  /// The text and, for IPv4, the number that a little-endian machine reads from the address's bytes.
  private func append(_ address: IPAddress?, zone: String?, to bytes: inout [UInt8]) {
    // An interface's name may hold a comma.
    let isQuoted = zone?.utf8.contains(UInt8(ascii: ",")) == true
    if isQuoted { bytes.append(UInt8(ascii: "\"")) }
    if let address { bytes.append(address, zone: zone) }
    bytes += (isQuoted ? "\"," : ",").utf8
    if case .v4(let address) = address { bytes.append(decimal: address.rawValue.byteSwapped) }
    bytes.append(UInt8(ascii: ","))
  }

  private func append(_ value: (some BinaryInteger)?, to bytes: inout [UInt8]) {
    if let value { bytes.append(decimal: value) }
    bytes.append(UInt8(ascii: ","))
  }

  private func append(_ word: String, to bytes: inout [UInt8]) {
    bytes += word.utf8
    bytes.append(UInt8(ascii: ","))
  }

  private func append(_ icmp: CheckResult.ICMP?, of family: IPFamily, to bytes: inout [UInt8]) {
    guard let icmp else {
      bytes += ",,,,".utf8
      return
    }
    bytes.append(icmp.sender)
    bytes.append(UInt8(ascii: ","))
    append(icmp.type, to: &bytes)
    append(icmp.code, to: &bytes)
    let known = family == .v4 && icmp.type == 3 && Int(icmp.code) < ZmapEncoder.unreachable.count
    append(known ? ZmapEncoder.unreachable[Int(icmp.code)] : "unknown", to: &bytes)
  }

  private mutating func append(time: Int64, to bytes: inout [UInt8]) {
    let nanoseconds = clock.appendSecond(time, to: &bytes)
    bytes.append(UInt8(ascii: "."))
    bytes.append(decimal: nanoseconds / 1_000_000, width: 3)
    bytes += "+0000,".utf8
    bytes.append(decimal: Timestamp.seconds(time))
    bytes.append(UInt8(ascii: ","))
    bytes.append(decimal: nanoseconds / 1000)
    bytes.append(0x0a)
  }

  /// Zmap's words for the codes of ICMP type 3, as it spells them.
  private static let unreachable = [
    "network unreachable", "host unreachable", "protocol unreachable", "port unreachable", "fragments required",
    "source route failed", "network unknown", "host unknown", "source host isolated", "network admin. prohibited",
    "host admin. prohibited", "network unreachable TOS", "host unreachable TOS", "communication admin. prohibited",
    "host presdence violation", "precedence cutoff",
  ]
}
