// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire
import Testing

@Suite struct TCPTests {
  /// IP 192.0.2.2.80 > 192.0.2.1.40000: Flags [S.], seq 4294967295, ack 2, win 65160,
  /// options [mss 1460,sackOK,TS val 3735928559 ecr 0,nop,wscale 7], length 0
  private static let bytes: [UInt8] =
    hex("0050 9c40 ffffffff 00000002")  // ports, sequence, acknowledgment
    + hex("a012 fe88 5555 0000")  // data offset 40, SYN and ACK, window, checksum, urgent pointer
    + hex("0204 05b4 0402 080a deadbeef 00000000")  // MSS, SACK permitted, timestamps
    + hex("0103 0307")  // NOP, window scale

  @Test func aSYNACKIsRead() throws {
    #expect(try tcpHeader(Self.bytes) == Sample.synAck)
    let view = try TCPView(Self.bytes.span)
    let (length, checksum, isEmpty) = (view.headerLength, view.checksum, view.payload.isEmpty)
    #expect(length == 40 && checksum == 0x5555 && isEmpty)
  }

  @Test func aSYNACKIsWrittenAsLinuxWritesIt() {
    var out = [UInt8](repeating: 0xa5, count: 40)
    var span = out.mutableSpan
    Sample.synAck.emit(into: &span)
    var expected = Self.bytes
    expected[16] = 0
    expected[17] = 0
    #expect(out == expected)
  }

  @Test func everyCombinationOfOptionsComesBack() throws {
    for bits in 0..<16 {
      let options = TCPOptionSummary(
        mss: bits & 1 == 0 ? nil : 1460, windowScale: bits & 2 == 0 ? nil : 7, sackPermitted: bits & 4 != 0,
        timestamps: bits & 8 == 0 ? nil : TCPTimestamps(value: 1, echo: 2))
      var header = Sample.syn
      header.options = options
      var out = [UInt8](repeating: 0xa5, count: header.length)
      var span = out.mutableSpan
      header.emit(into: &span)
      #expect(try tcpHeader(out) == header)
      #expect(options.isEmpty == (bits == 0))
    }
  }

  @Test func flagsAreTcpdumpLetters() {
    #expect(TCPFlags([.syn, .ack]).description == "S." && TCPFlags().description == "none")
    #expect(TCPFlags(rawValue: 0xff).description == "FSRP.UEW")
  }

  @Test func errorsSayWhereAndWhy() {
    #expect(throws: WireError(.tcp, at: 0, .truncated(needed: 20, had: 19))) {
      try tcpHeader(Array(Self.bytes.prefix(19)))
    }
    #expect(throws: WireError(.tcp, at: 0, .truncated(needed: 40, had: 39))) {
      try tcpHeader(Array(Self.bytes.prefix(39)))
    }
    var short = Self.bytes
    short[12] = 0x40
    #expect(throws: WireError(.tcp, at: 12, .badHeaderLength(16))) { try tcpHeader(short) }
    #expect(
      WireError(.tcp, at: 34, .truncated(needed: 20, had: 12)).description
        == "TCP at byte 34: needs 20 bytes, has 12")
  }

  @Test(arguments: [
    ("02 04 05", WireError.Code.truncated(needed: 4, had: 3)), ("02", .truncated(needed: 2, had: 1)),
    ("02 03 05", .badOption(2)), ("03 04 00 00", .badOption(3)), ("04 00", .badOption(4)), ("05 02", .badOption(5)),
    ("05 0b 00 00 00 00 00 00 00 00 00", .badOption(5)), ("08 02", .badOption(8)), ("fe 01", .badOption(254)),
  ])
  func aBadOptionEndsTheList(_ text: String, _ code: WireError.Code) {
    // One NOP in front, so that the offset is not trivially zero.
    let bytes = [1] + hex(text)
    var iterator = TCPOptionIterator(bytes.span)
    var count = 0
    while iterator.next() != nil { count += 1 }
    let ended = iterator.next() == nil
    let error = iterator.error
    #expect(count == 1 && ended)
    #expect(error == WireError(.tcpOptions, at: 1, code))
  }

  @Test func nothingIsReadBehindTheEndOfTheList() {
    #expect(options(hex("02 04 05 b4 00 03 03 07")) == TCPOptionSummary(mss: 1460))
  }

  @Test func paddingIsNoOptionButAnUnknownOneIs() {
    #expect(options(hex("01 01 01 00")).isEmpty)
    #expect(!options(hex("22 02 01 01")).isEmpty)
    #expect(TCPOptionSummary().isEmpty)
  }

  @Test func sackBlocksAreRead() throws {
    let bytes = hex("05 12 00000001 00000002 fffffffe 00000003")
    var iterator = TCPOptionIterator(bytes.span)
    guard case .sack(let blocks) = iterator.next() else {
      Issue.record("no SACK option")
      return
    }
    #expect(blocks.count == 2 && blocks[2] == nil)
    #expect(blocks[1]?.left == SequenceNumber(0xffff_fffe) && blocks[1]?.right == SequenceNumber(3))
  }
}
