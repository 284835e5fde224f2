// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire
import SystemPackage
import Testing

@testable import halfopen_command

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite struct ResultJSONTests {
  @Test func aResultWithAllThereIs() {
    var result = Sample.result(.open)
    result.answer = .init(ttl: 63, window: 65535, options: TCPOptionSummary(mss: 1460))
    result.backend = .packet
    result.icmp = .init(type: 3, code: 13, sender: .v4(IPv4Address(192, 0, 2, 254)))
    let expected =
      #"{"type":"result","time":"2026-01-02T03:04:05.678901Z","ip":"192.0.2.1","host":"a.example","port":443,"#
      + #""protocol":"tcp","state":"open","reason":"syn-ack","rtt_us":412.5,"ttl":63,"window":65535,"mss":1460,"#
      + #""transmissions":1,"backend":"packet","handshake":"half-open","flags":[],"#
      + #""icmp":{"type":3,"code":13,"from":"192.0.2.254"}}"# + "\n"
    #expect(text(ResultJSON.record(Sample.line(result, name: "a.example"))) == expected)
  }

  @Test func absentFactsAreLeftOut() {
    var result = Sample.result(.noAnswer)
    result.transmissions = 2
    result.flags = [.captureDropped, .sendFailed]
    let expected =
      #"{"type":"result","time":"2026-01-02T03:04:05.678901Z","ip":"192.0.2.1","port":443,"protocol":"tcp","#
      + #""state":"no-answer","reason":"no-response","transmissions":2,"backend":"connect","handshake":"none","#
      + #""flags":["capture-dropped","send-failed"]}"# + "\n"
    #expect(text(ResultJSON.record(Sample.line(result))) == expected)
  }

  @Test func aZoneStaysWithItsAddress() throws {
    let endpoint = try Endpoint("[fe80::1%eth0]:80")
    guard case .address(let address, _) = endpoint.host else { return }
    var result = Sample.result()
    result.address = address
    let line = ResultLine(time: 0, endpoint: endpoint, name: nil, result: result)
    #expect(text(ResultJSON.record(line)).contains(#""ip":"fe80::1%eth0","port":80"#))
  }

  @Test func faults() {
    let error = CheckError(
      .noRoute, subject: #"a "b" \ c"# + "\n\u{1}é", advice: "do", errno: .networkUnreachable, call: "connect")
    let fault = FaultLine(time: 0, target: "nosuch.example", port: 443, error: error)
    let record = text(ResultJSON.record(fault))
    #expect(
      record.hasPrefix(
        #"{"type":"error","time":"1970-01-01T00:00:00.000000Z","target":"nosuch.example","port":443,"#
          + #""error":"no-route","errno":"ENETUNREACH","message":"a \"b\" \\ c\n\u0001é: connect: "#))
    let bare = FaultLine(time: 0, target: "x", port: nil, error: CheckError(.system, subject: "s", advice: "a"))
    #expect(text(ResultJSON.record(bare)).contains(#""target":"x","error":"system","message":"s; a"}"#))
  }

  @Test func theSummaryCloses() {
    var summary = Summary()
    for state in [CheckResult.State.open, .open, .closed, .unreachable, .noAnswer] { summary.add(Sample.result(state)) }
    summary.errors = 1
    summary.elapsedNanoseconds = 2_000_000_000
    summary.isComplete = true
    #expect(
      text(ResultJSON.record(summary))
        == #"{"type":"summary","targets":6,"open":2,"closed":1,"unreachable":1,"no_answer":1,"errors":1,"sent":5,"#
        + #""elapsed_s":2,"rate_pps":2.5,"complete":true}"# + "\n")
  }
}

@Suite struct ResultTextTests {
  private func writer(color: Bool = false, verbose: Bool = false) -> ResultText {
    ResultText(endpointWidth: 15, usesColor: color, isVerbose: verbose, expectsFull: false)
  }

  @Test func columnsAlign() {
    var writer = writer()
    let lines = CheckResult.State.allCases.map { writer.line(Sample.line(Sample.result($0))) }
    #expect(
      lines == [
        "192.0.2.1:443    open         syn-ack              0.412 ms\n",
        "192.0.2.1:443    closed       reset                0.412 ms\n",
        "192.0.2.1:443    unreachable  admin-prohibited     0.412 ms\n",
        "192.0.2.1:443    no-answer    no-response                 -\n",
      ])
  }

  @Test func onlyOpenIsPainted() {
    var writer = writer(color: true)
    #expect(writer.line(Sample.line()).contains("\u{1B}[32mopen\u{1B}[0m         syn-ack"))
    #expect(!writer.line(Sample.line(Sample.result(.closed))).contains("\u{1B}"))
  }

  @Test func namesShowTheAddressThatWasChecked() {
    var writer = writer()
    #expect(
      writer.line(Sample.line(name: "a.example"))
        == "a.example:443    open         syn-ack              0.412 ms  192.0.2.1\n")
  }

  @Test func flagsAndAnUnwantedHandshakeAlwaysShow() {
    var writer = writer()
    var result = Sample.result()
    result.handshake = .full
    result.flags = .resetNotSent
    #expect(writer.line(Sample.line(result)).hasSuffix("0.412 ms  [handshake-completed]  [reset-not-sent]\n"))
  }

  @Test func evidenceComesWithVerbose() {
    var writer = writer(verbose: true)
    var result = Sample.result()
    result.answer = .init(ttl: 64, window: 65535, options: TCPOptionSummary(mss: 1460, windowScale: 7))
    #expect(
      writer.line(Sample.line(result))
        .hasSuffix("connect handshake=half-open syns=1 ttl=64 win=65535 mss=1460 wscale=7\n"))
  }

  @Test func controlCharactersNeverReachTheTerminal() {
    #expect(Diagnostics.printable("a\u{1B}[2Jb\u{9b}\u{202e}é") == "a\\u{1b}[2Jb\\u{9b}\\u{202e}é")
    #expect(Diagnostics.printable("plain é") == "plain é")
  }
}

@Suite struct NumberTextTests {
  @Test func decimals() {
    #expect(Decimal.text(412_500, places: 3, trimmed: true) == "412.5")
    #expect(Decimal.text(412_000, places: 3, trimmed: true) == "412")
    #expect(Decimal.text(41, places: 3) == "0.041")
    #expect(Decimal.text(0, places: 3, trimmed: true) == "0")
    #expect(Decimal.text(-1500, places: 3) == "-1.500")
    #expect(Decimal.text(.min, places: 3).hasPrefix("-9223372036854775.8"))
    #expect(Decimal.tenths(1, per: 0) == nil)
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000000Z"), (951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z"),
    (1_735_689_599_999_999_999, "2024-12-31T23:59:59.999999Z"), (-1, "1969-12-31T23:59:59.999999Z"),
    (4_107_542_399_000_001_000, "2100-02-28T23:59:59.000001Z"),
    (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000Z"),
  ])
  func timestamps(nanoseconds: Int64, expected: String) {
    #expect(Timestamp.text(realtimeNanoseconds: nanoseconds) == expected)
  }

  @Test func extremesOfTime() {
    #expect(Timestamp.text(realtimeNanoseconds: .max).hasPrefix("2262-04-11"))
    #expect(Timestamp.text(realtimeNanoseconds: .min).hasPrefix("1677-09-21"))
  }
}

@Suite struct PingStatisticsTests {
  @Test func matchesPing() throws {
    var statistics = PingStatistics()
    for microseconds in [100, 200, 300, 400] { statistics.add(Sample.result(.open, rtt: .microseconds(microseconds))) }
    statistics.add(Sample.result(.noAnswer))
    let rtt = try #require(statistics.rtt)
    #expect((rtt.minimum, rtt.average, rtt.maximum) == (100_000, 250_000, 400_000))
    #expect(rtt.deviation == 111_803)
    #expect(
      statistics.text(for: "a:80")
        == "\n--- a:80 ---\n5 checks: 4 open, 1 no-answer; 20% loss\nrtt min/avg/max/stddev 0.100/0.250/0.400/0.111 ms\n"
    )
  }

  @Test func nothingAnswered() {
    var statistics = PingStatistics()
    statistics.add(Sample.result(.unreachable))
    #expect(statistics.rtt == nil)
    #expect(statistics.text(for: "a:80") == "\n--- a:80 ---\n1 check: 1 unreachable; 100% loss\n")
  }
}

@Suite struct ExitCodeTests {
  private func code(
    _ results: Int = 0, unexpected: Int = 0, doubtful: Int = 0, faults: Set<ExitCode.Fault> = [],
    outputFailed: Bool = false, signal: Int32? = nil
  ) -> Int32 {
    ExitCode.code(
      .init(
        results: results, unexpected: unexpected, doubtful: doubtful, faults: faults, outputFailed: outputFailed,
        signal: signal))
  }

  @Test func aRunWithResults() {
    #expect(code(3) == 0)
    #expect(code(3, unexpected: 1) == 1)
    #expect(code(3, doubtful: 1) == 75)
    #expect(code(3, unexpected: 1, faults: [.name]) == 75)
    #expect(code(3, faults: [.permission]) == 75)
    #expect(code(3, unexpected: 1, faults: [.name], outputFailed: true) == 74)
    #expect(code(3, outputFailed: true, signal: 2) == 130)
    #expect(code(3, signal: 15) == 143)
  }

  @Test func aRunWithoutOneHasItsOwnCode() {
    for fault in ExitCode.Fault.allCases { #expect(code(faults: [fault]) == fault.rawValue) }
    #expect(code(faults: [.name, .input]) == 75)
    #expect(code(faults: [.name, .network, .permission], outputFailed: true) == 77)
    #expect(code(faults: [.name, .network], outputFailed: true) == 69)
    #expect(code(faults: [.name], outputFailed: true) == 74)
    #expect(code(faults: [.name], signal: 2) == 130)
    #expect(code() == 0)
  }

  @Test func everyCodeOfTheLibraryHasAFault() {
    let expected: [(CheckError.Code, Int32)] = [
      (.notPermitted, 77), (.noRoute, 69), (.linkDown, 69), (.addressNotAvailable, 69), (.sendFailed, 69),
      (.nameNotResolved, 68), (.noLocalPorts, 75), (.tooManyFiles, 75), (.invalidArgument, 64), (.unsupported, 64),
      (.system, 70), (.cancelled, 70),
    ]
    for (code, exit) in expected { #expect(ExitCode.Fault(code).rawValue == exit) }
  }
}
