// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire
import Testing

@Suite struct ChecksumTests {
  /// The sum as RFC 1071 section 4.1 writes it down.
  private func reference(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[index]) << 8 | UInt32(index + 1 < bytes.count ? bytes[index + 1] : 0)
      sum = (sum & 0xffff) + (sum >> 16)
    }
    return ~UInt16(sum)
  }

  private func checksum(_ bytes: [UInt8]) -> UInt16 {
    var checksum = Checksum()
    checksum.add(bytes.span)
    return checksum.value
  }

  @Test func theExampleOfRFC1071() {
    #expect(checksum(hex("00 01 f2 03 f4 f5 f6 f7")) == ~0xddf2)
  }

  @Test func everyLengthIsSummedAsInRFC1071() {
    var random = SeededGenerator(state: 2)
    for length in 0...200 {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(checksum(bytes) == reference(bytes), "length \(length)")
    }
    #expect(checksum([UInt8](repeating: 0xff, count: 65535)) == reference([UInt8](repeating: 0xff, count: 65535)))
  }

  @Test func piecesSumToTheWhole() {
    var random = SeededGenerator(state: 3)
    let bytes = (0..<101).map { _ in UInt8.random(in: 0...255, using: &random) }
    for split in stride(from: 0, through: 100, by: 2) {
      var checksum = Checksum()
      checksum.add(bytes.span.extracting(0..<split))
      checksum.add(bytes.span.extracting(split..<101))
      #expect(checksum.value == reference(bytes))
    }
  }

  /// RFC 1624: the updated checksum is the one computed anew, also where the old equation gave the other zero.
  @Test func updatedEqualsComputedAnew() {
    var random = SeededGenerator(state: 4)
    for _ in 0..<5_000 {
      var bytes = (0..<40).map { _ in UInt8.random(in: 0...255, using: &random) }
      // A first word that is not zero: of an all-zero packet the sum alone has two representations.
      bytes[0] = 0x45
      let before = checksum(bytes)
      let place = Int.random(in: 1..<19, using: &random) * 2
      let old = UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1])
      let new =
        Bool.random(using: &random)
        ? UInt16.random(in: 0...1, using: &random) &- 1 : .random(in: 0 ... .max, using: &random)
      bytes[place] = UInt8(new >> 8)
      bytes[place + 1] = UInt8(new & 0xff)
      #expect(Checksum.updated(before, replacing: old, with: new) == checksum(bytes))
    }
  }

  /// The example of RFC 1624 section 4.
  @Test func theExampleOfRFC1624() {
    #expect(Checksum.updated(0xdd2f, replacing: 0x5555 as UInt16, with: 0x3285) == 0x0000)
  }

  @Test func updatingBothHalvesOfAnAddress() {
    let old: UInt32 = 0xc000_0201
    let new: UInt32 = 0xffff_0000
    let halves = Checksum.updated(
      Checksum.updated(0x1234, replacing: UInt16(old >> 16), with: UInt16(new >> 16)),
      replacing: UInt16(old & 0xffff), with: UInt16(new & 0xffff))
    #expect(Checksum.updated(0x1234, replacing: old, with: new) == halves)
  }

  @Test func aChangedBitIsNoticed() {
    let packet = Sample.tcp(Sample.synAck, from: .v6(v6b), to: .v6(v6a))
    let pseudoHeader = PseudoHeader(source: .v6(v6b), destination: .v6(v6a), protocol: .tcp)
    var segment = Array(packet.dropFirst(40))
    #expect(checksumIsValid(pseudoHeader, segment))
    for bit in 0..<(segment.count * 8) {
      segment[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(!checksumIsValid(pseudoHeader, segment))
      segment[bit / 8] ^= 1 << UInt8(bit % 8)
    }
  }
}
