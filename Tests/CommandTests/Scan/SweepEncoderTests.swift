// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenWire
import TestSupport
import Testing

@testable import halfopen_command

@Suite struct SweepEncoderTests {
  private let v6 = Sample.swept(address: .v6(IPv6Address("2001:db8::1") ?? .unspecified), port: 80)
  private let scoped = Sample.swept(address: .v6(IPv6Address("fe80::1") ?? .unspecified), port: 80, zone: "eth0")

  @Test func jsonlHasTheRecordsOfACheckAndASummary() {
    var encoder = JSONLinesEncoder(names: HostNames([Sample.address: "a.example"]))
    let text = encoder.whole([Sample.swept(), Sample.swept(.unreachable), scoped])
    let expected = [
      #"{"type":"result","time":"2026-01-02T03:04:05.678901Z","ip":"192.0.2.1","host":"a.example","port":443,"#
        + #""protocol":"tcp","state":"open","reason":"syn-ack","rtt_us":412.5,"ttl":63,"window":65535,"mss":1460,"#
        + #""transmissions":1,"backend":"packet","handshake":"half-open","flags":[]}"#,
      #"{"type":"result","time":"2026-01-02T03:04:05.678901Z","ip":"192.0.2.1","host":"a.example","port":443,"#
        + #""protocol":"tcp","state":"unreachable","reason":"admin-prohibited","rtt_us":412.5,"transmissions":1,"#
        + #""backend":"packet","handshake":"none","flags":[],"icmp":{"type":3,"code":13,"from":"192.0.2.254"}}"#,
      #"{"type":"result","time":"2026-01-02T03:04:05.678901Z","ip":"fe80::1%eth0","port":80,"#
        + #""protocol":"tcp","state":"open","reason":"syn-ack","rtt_us":412.5,"ttl":63,"window":65535,"mss":1460,"#
        + #""transmissions":1,"backend":"packet","handshake":"half-open","flags":[]}"#,
      #"{"type":"summary","targets":9,"open":2,"closed":1,"unreachable":1,"no_answer":5,"errors":0,"sent":12,"#
        + #""received":6,"duplicates":2,"late":0,"unmatched":0,"capture_dropped":3,"send_failures":4,"elapsed_s":2.5,"#
        + #""rate_pps":6,"complete":true}"#,
    ]
    #expect(text.split(separator: "\n").map(String.init) == expected)
  }

  /// A check's record and a sweep's of the same verdict are the same bytes.
  @Test(arguments: CheckResult.State.allCases) func sweepAndCheckWriteTheSame(state: CheckResult.State) {
    let result = Sample.swept(state)
    var encoder = JSONLinesEncoder(names: HostNames())
    var bytes: [UInt8] = []
    encoder.encode([result], into: &bytes)
    #expect(bytes == ResultJSON.record(Sample.line(result.verdict)))
  }

  /// The writer remembers how the last one ended.
  @Test func silentOnesInARowAreEachWhatTheyAre() {
    let silent = Sample.swept(.noAnswer)
    var row = [silent, silent, silent, silent, silent, silent]
    row[1].verdict.address = "2001:db8::1".ip
    row[2].verdict.transmissions += 1
    row[3].verdict.flags = .captureDropped
    row[4].verdict.reason = .hostUnreach
    row[4].verdict.state = .unreachable
    var encoder = JSONLinesEncoder(names: HostNames())
    var bytes: [UInt8] = []
    encoder.encode(row + row, into: &bytes)
    #expect(bytes == (row + row).flatMap { ResultJSON.record(Sample.line($0.verdict)) })
  }

  @Test func faultsAreRecordsOfJSONLinesAlone() {
    let fault = FaultLine(time: 0, target: "x", error: CheckError(.noRoute, subject: "s", advice: "a"))
    var json: [UInt8] = []
    var encoder = JSONLinesEncoder(names: HostNames())
    encoder.encode(fault, into: &json)
    #expect(String(decoding: json, as: UTF8.self).hasPrefix(#"{"type":"error","#))
    var list: [UInt8] = []
    var masscan = MasscanListEncoder()
    masscan.encode(fault, into: &list)
    #expect(list.isEmpty)
  }

  @Test func textHasColumns() {
    var plain = TextEncoder(names: HostNames(), usesColor: false)
    #expect(
      plain.whole([Sample.swept(), Sample.swept(.unreachable)])
        == "192.0.2.1:443          open         syn-ack              0.412 ms\n"
        + "192.0.2.1:443          unreachable  admin-prohibited     0.412 ms  from 192.0.2.254\n")
    var painted = TextEncoder(names: HostNames([Sample.address: "a.example"]), usesColor: true)
    #expect(painted.whole([Sample.swept()]).hasPrefix("a.example:443          \u{1B}[32mopen\u{1B}[0m  "))
  }

  @Test func csvHasTheFieldsOfZmap() {
    var encoder = ZmapEncoder()
    let lines = encoder.whole(Sample.sweptStates).split(separator: "\n", omittingEmptySubsequences: false)
    let header =
      "saddr,saddr_raw,daddr,daddr_raw,ipid,ttl,sport,dport,seqnum,acknum,window,tcpopt_mss,tcpopt_wscale,"
      + "tcpopt_sack_perm,tcpopt_ts_val,tcpopt_ts_ecr,classification,success,icmp_responder,icmp_type,icmp_code,"
      + "icmp_unreach_str,repeat,cooldown,timestamp_str,timestamp_ts,timestamp_us"
    let addresses = "192.0.2.1,16908480,198.51.100.7,124007366,54321"
    let time = "2026-01-02T03:04:05.678+0000,1767323045,678901"
    #expect(
      lines == [
        header[...],
        "\(addresses),63,443,61000,1000,4294967295,65535,1460,128,1,,,synack,1,,,,,0,0,\(time)",
        "\(addresses),63,443,61000,1000,4294967295,65535,,,,,,rst,0,,,,,0,1,\(time)",
        "\(addresses),,443,61000,,,,,,,,,icmp,0,192.0.2.254,3,13,communication admin. prohibited,0,0,\(time)",
        "192.0.2.1,16908480,,,,,443,,,,,,,,,,no-answer,0,,,,,0,0,\(time)",
        "",
      ])
    let commas = header.filter { $0 == "," }.count
    #expect(lines.dropLast().allSatisfy { $0.filter { $0 == "," }.count == commas })
    var other = ZmapEncoder()
    #expect(other.whole([v6]).contains("\n2001:db8::1,,::1,,,63,80,61000,"))
    var quoted = ZmapEncoder()
    #expect(
      quoted.whole([Sample.swept(address: .v6(.loopback), zone: "a,b")]).contains("\n\"::1%a,b\",,::1,"))
  }

  @Test func ipPortHasTheOpenAlone() {
    var encoder = EndpointEncoder()
    #expect(encoder.whole(Sample.sweptStates + [v6, scoped]) == "192.0.2.1:443\n[2001:db8::1]:80\n[fe80::1%eth0]:80\n")
  }

  @Test func masscanListHasOpenAndClosed() {
    var encoder = MasscanListEncoder()
    #expect(
      encoder.whole(Sample.sweptStates + [v6])
        == """
        #masscan
        open tcp 443 192.0.2.1 1767323045
        closed tcp 443 192.0.2.1 1767323045
        open tcp 80 2001:db8::1 1767323045
        # end

        """)
  }

  @Test func masscanJSONIsAnArray() {
    var encoder = MasscanJSONEncoder()
    #expect(
      encoder.whole(Sample.sweptStates)
        == """
        [
        {   "ip": "192.0.2.1",   "timestamp": "1767323045", "ports": [ {"port": 443, "proto": "tcp", "status": "open", \
        "reason": "syn-ack", "ttl": 63} ] }
        ,
        {   "ip": "192.0.2.1",   "timestamp": "1767323045", "ports": [ {"port": 443, "proto": "tcp", "status": "closed", \
        "reason": "rst-ack", "ttl": 63} ] }
        ]

        """)
    var empty = MasscanJSONEncoder()
    #expect(empty.whole([]) == "[\n]\n")
  }

  @Test func numbersAndAddressesAreWhatDescriptionSays() {
    var random = SeededRandom(seed: 4)
    for _ in 0..<10_000 {
      let number = UInt64.random(in: .min ... .max, using: &random) >> UInt64.random(in: 0..<64, using: &random)
      let signed = Int64(truncatingIfNeeded: number)
      let v4 = IPv4Address(rawValue: UInt32(truncatingIfNeeded: number))
      let v6 = IPv6Address(high: number, low: number >> 7)
      let places = Int.random(in: 1...6, using: &random)
      var bytes: [UInt8] = []
      bytes.append(decimal: number)
      bytes.append(0x20)
      bytes.append(decimal: signed)
      bytes.append(0x20)
      bytes.append(decimal: signed, places: places)
      bytes.append(0x20)
      bytes.append(.v4(v4))
      bytes.append(0x20)
      bytes.append(.v6(v6), zone: "z")
      bytes.append(0x20)
      bytes.append(decimal: Int64(number >> 1) % 1000, width: 4)
      let padded = String(String(10_000 + (number >> 1) % 1000).dropFirst())
      #expect(
        String(decoding: bytes, as: UTF8.self)
          == "\(number) \(signed) \(Decimal.text(signed, places: places, trimmed: true)) \(v4) \(v6)%z \(padded)")
    }
  }

  @Test func outputsAreFormatAndPath() {
    #expect(SweepOutput(argument: "json=a=b") == SweepOutput(.jsonl, "a=b"))
    #expect(SweepOutput(argument: "nmap-xml=-") == SweepOutput(.nmapXML, "-"))
    for wrong in ["", "jsonl", "jsonl=", "=a", "xml=a"] { #expect(SweepOutput(argument: wrong) == nil) }
    #expect(SweepOutput.shared([.init(.jsonl, "a"), .init(.csv, "b"), .init(.text, "./a")], and: []) == "./a")
    #expect(SweepOutput.shared([.init(.jsonl, "-"), .init(.csv, "b")], and: ["c"]) == nil)
    #expect(SweepOutput.shared([.init(.jsonl, "x/../c"), .init(.csv, "b")], and: ["c"]) == "c")
  }
}
