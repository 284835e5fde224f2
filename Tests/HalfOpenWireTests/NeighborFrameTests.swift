// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire
import Testing

@Suite struct NeighborFrameTests {
  private struct Case {
    var bytes: [UInt8]
    var golden: String
    var line: String
  }

  private func written(_ emit: (inout MutableSpan<UInt8>) -> Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xa5, count: NeighborFrame.capacity)
    var out = bytes.mutableSpan
    let length = emit(&out)
    return Array(bytes.prefix(length))
  }

  private func question(_ target: IPAddress, _ source: IPAddress) -> [UInt8] {
    written { NeighborFrame.emitQuestion(for: target, from: source, at: macA, into: &$0) }
  }

  private func answer(_ address: IPAddress, to asker: IPAddress, isRouter: Bool = false) -> [UInt8] {
    written { NeighborFrame.emitAnswer(that: address, isAt: macB, isRouter: isRouter, to: asker, at: macA, into: &$0) }
  }

  private var cases: [Case] {
    [
      Case(
        bytes: question(.v4(v4b), .v4(v4a)),
        golden: "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202",
        line: "ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28"),
      Case(
        bytes: answer(.v4(v4b), to: .v4(v4a)),
        golden: "020000000001 020000000002 0806 0001 0800 06 04 0002 020000000002 c0000202 020000000001 c0000201",
        line: "ARP, Reply 192.0.2.2 is-at 02:00:00:00:00:02, length 28"),
      Case(
        bytes: question(.v6(v6b), .v6(v6a)),
        golden: """
          3333ff000002 020000000001 86dd 60000000 0020 3a ff 20010db8000000000000000000000001
          ff0200000000000000000001ff000002 87 00 1c27 00000000 20010db8000000000000000000000002 01 01 020000000001
          """,
        line: "IP6 2001:db8::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has 2001:db8::2, length 32"),
      Case(
        bytes: answer(.v6(v6b), to: .v6(v6a)),
        golden: """
          020000000001 020000000002 86dd 60000000 0020 3a ff 20010db8000000000000000000000002
          20010db8000000000000000000000001 88 00 8a71 60000000 20010db8000000000000000000000002 02 01 020000000002
          """,
        line: "IP6 2001:db8::2 > 2001:db8::1: ICMP6, neighbor advertisement, tgt is 2001:db8::2, length 32"),
    ]
  }

  @Test func everyFrameIsItsBytesAndItsTcpdumpLine() throws {
    for example in cases {
      #expect(example.bytes == hex(example.golden), "\(example.line)")
      #expect(line(example.bytes, .ethernet) == example.line)
    }
    #expect(try Tcpdump.lines(cases.map(\.bytes), .ethernet) == cases.map(\.line))
  }

  @Test func aFrameReadsAsWhatItSays() throws {
    guard case .neighbor(let question) = try frame(question(.v6(v6b), .v6(v6a)), .ethernet).transport else {
      Issue.record("no solicitation")
      return
    }
    #expect(question == NeighborMessage(.solicitation, target: v6b, linkAddress: macA))
    guard case .neighbor(let answer) = try frame(answer(.v6(v6b), to: .v6(v6a), isRouter: true), .ethernet).transport
    else {
      Issue.record("no advertisement")
      return
    }
    #expect(
      answer
        == NeighborMessage(
          .advertisement, target: v6b, linkAddress: macB, isRouter: true, isSolicited: true, isOverride: true))
  }

  @Test func whoHasNoAddressYetIsAnsweredToAll() throws {
    let answer = answer(.v6(v6b), to: .v6(.unspecified))
    #expect(answer.prefix(6) == [0x33, 0x33, 0, 0, 0, 1])
    let frame = try frame(answer, .ethernet)
    #expect(frame.network?.destination == IPAddress("ff02::1"))
    guard case .neighbor(let message) = frame.transport else {
      Issue.record("no advertisement")
      return
    }
    #expect(!message.isSolicited && message.isOverride)
    let pseudoHeader = try #require(frame.network?.pseudoHeader)
    #expect(checksumIsValid(pseudoHeader, Array(answer[54...])))
    // ARP answers who asks (RFC 5227).
    #expect(self.answer(.v4(v4b), to: .v4(.unspecified)).prefix(6) == [2, 0, 0, 0, 0, 1])
  }

  @Test func twoFamiliesMakeNoFrame() {
    #expect(question(.v4(v4b), .v6(v6a)).isEmpty && question(.v6(v6b), .v4(v4a)).isEmpty)
    #expect(answer(.v4(v4b), to: .v6(v6a)).isEmpty && answer(.v6(v6b), to: .v4(v4a)).isEmpty)
  }
}
