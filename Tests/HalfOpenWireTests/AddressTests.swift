// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire
import Testing

@Suite struct AddressTests {
  @Test(arguments: ["0.0.0.0", "192.0.2.1", "255.255.255.255", "10.0.0.9"])
  func ipv4TextComesBack(_ text: String) throws {
    #expect(try #require(IPv4Address(text)).description == text)
  }

  @Test(arguments: [
    "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.0.0.1", "01.2.3.4", "00.0.0.0", "1.2.3.4 ",
    " 1.2.3.4", "1.2.3.4/8", "0x7f.0.0.1", "1.2.3.-4", "+1.2.3.4", "٣.2.3.4", "99999999999.1.1.1", "1.2.3.4\0",
  ])
  func anythingElseIsNoIPv4Address(_ text: String) {
    #expect(IPv4Address(text) == nil)
  }

  /// RFC 5952 sections 4 and 5, and what inet_ntop does beyond them.
  @Test(arguments: [
    ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::1", "2001:db8::1"),
    ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("::ffff:c000:201", "::ffff:192.0.2.1"),
    ("::192.0.2.1", "::192.0.2.1"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ("1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"), ("fe80::", "fe80::"), ("0:0:0:0:0:0:0:0", "::"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ("0:0:0:0:0:ffff:0:0", "::ffff:0.0.0.0"), ("0:0:1::", "0:0:1::"),
  ])
  func ipv6TextIsCanonical(_ text: String, _ canonical: String) throws {
    #expect(try #require(IPv6Address(text)).description == canonical)
  }

  @Test(arguments: [
    "", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", "::1%lo",
    "[::1]", "::1/64", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:192.0.2.1", "::192.0.2", "::01.2.3.4",
    "::192.0.2.1:5", "1:::2", "::1:", " ::1", "192.0.2.1::", "::１",
  ])
  func anythingElseIsNoIPv6Address(_ text: String) {
    #expect(IPv6Address(text) == nil)
  }

  @Test func randomIPv6AddressesComeBack() {
    var random = SeededGenerator(state: 1)
    for _ in 0..<20_000 {
      // Many zero groups, so that every place of `::` comes up.
      func half() -> UInt64 {
        var value: UInt64 = 0
        for _ in 0..<4 { value = value << 16 | (random.next() % 3 == 0 ? random.next() & 0xffff : 0) }
        return value
      }
      let address = IPv6Address(high: half(), low: half())
      #expect(IPv6Address(address.description) == address)
      #expect(IPv6Address(bytes: address.bytes) == address)
    }
  }

  @Test func eitherFamilyParses() {
    #expect(IPAddress("192.0.2.1") == .v4(v4a))
    #expect(IPAddress("2001:db8::1") == .v6(v6a))
    #expect(IPAddress("localhost") == nil)
    #expect(IPAddress("192.0.2.1")?.description == "192.0.2.1")
  }

  @Test func addressesSortByFamilyThenNumber() {
    let sorted = ["9.0.0.1", "10.0.0.1", "::1", "2001:db8::1", "2001:db8:0:1::"].compactMap { IPAddress($0) }
    #expect(sorted.reversed().sorted() == sorted)
  }

  @Test(arguments: [
    ("127.255.0.1", "loopback"), ("128.0.0.1", ""), ("224.0.0.1", "multicast"), ("239.255.255.255", "multicast"),
    ("240.0.0.1", ""), ("0.0.0.0", "unspecified"), ("169.254.3.4", "linkLocal"), ("169.255.0.1", ""),
    ("::1", "loopback"), ("::2", ""), ("ff02::1", "multicast"), ("fe00::", ""), ("::", "unspecified"),
    ("fe80::1", "linkLocal"), ("febf::1", "linkLocal"), ("fec0::1", ""),
  ])
  func scopes(_ text: String, _ scope: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.isLoopback == (scope == "loopback"))
    #expect(address.isMulticast == (scope == "multicast"))
    #expect(address.isUnspecified == (scope == "unspecified"))
    #expect(address.isLinkLocal == (scope == "linkLocal"))
  }

  @Test func solicitedNodeGroupKeepsTheLast24Bits() throws {
    let address = try #require(IPv6Address("2001:db8::12:3456:789a"))
    #expect(address.solicitedNodeMulticast.description == "ff02::1:ff56:789a")
  }

  @Test func mappedAddressesUnwrap() {
    #expect(IPv6Address(mapping: v4a).description == "::ffff:192.0.2.1")
    #expect(IPv6Address(mapping: v4a).mappedIPv4 == v4a)
    #expect(v6a.mappedIPv4 == nil)
  }

  @Test func macAddresses() throws {
    #expect(MACAddress("02:00:00:00:00:01") == macA)
    #expect(MACAddress("02-00-00-00-00-01") == macA)
    #expect(MACAddress("AA:bb:0C:00:00:01")?.description == "aa:bb:0c:00:00:01")
    for text in ["", "02:00:00:00:00", "02:00:00:00:00:01:", "2:0:0:0:0:1", "02:00-00:00:00:01", "0g:00:00:00:00:01"] {
      #expect(MACAddress(text) == nil)
    }
    #expect(MACAddress.broadcast.isMulticast && MACAddress.broadcast.isBroadcast && !macA.isMulticast)
  }
}

@Suite struct SequenceNumberTests {
  @Test func additionWraps() {
    #expect(SequenceNumber(.max) + 1 == SequenceNumber(0))
    #expect(SequenceNumber(0) - 1 == SequenceNumber(.max))
    var number = SequenceNumber(0xffff_fff0)
    number += 0x20
    #expect(number == SequenceNumber(0x10))
  }

  @Test(arguments: [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] as [UInt32])
  func orderIsTheShorterWayRound(_ start: UInt32) {
    let number = SequenceNumber(start)
    #expect(number < number + 1 && number + 1 > number && number <= number && number >= number)
    #expect(number < number + 0x7fff_ffff)
    #expect(number - 1 < number)
    #expect(!(number < number + 0x8000_0000) && !(number + 0x8000_0001 > number))
    #expect(number.distance(to: number + 5) == 5)
    #expect(number.distance(to: number - 5) == -5)
  }

  @Test func windowsMayWrap() {
    let start = SequenceNumber(0xffff_fffe)
    #expect(start.isWithin(4, from: start) && (start + 3).isWithin(4, from: start))
    #expect(!(start + 4).isWithin(4, from: start) && !(start - 1).isWithin(4, from: start))
    #expect(!start.isWithin(0, from: start))
  }
}
