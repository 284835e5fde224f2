// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import HalfOpenPcap
  import HalfOpenWire
  import Testing

  @Suite struct ReplyFilterTests {
    struct Case: CustomTestStringConvertible {
      var name: String
      var passes: Bool
      var packet: [UInt8]
      var testDescription: String { name }
    }

    static let cases: [Case] =
      replies(name: "IPv4") { ip4(6, $0) } + replies(name: "IPv6") { ip6(6, $0) } + [
        Case(name: "IPv4 SYN-ACK behind IP options", passes: true, packet: ip4(6, synAck, options: 8)),
        Case(name: "IPv4 SYN behind IP options", passes: false, packet: ip4(6, syn, options: 8)),
        Case(name: "IPv4 first fragment", passes: true, packet: ip4(6, synAck, fragment: 0x2000)),
        Case(name: "IPv4 later fragment", passes: false, packet: ip4(6, synAck, fragment: 0x2005)),
        Case(name: "IPv4 to somebody else", passes: false, packet: Packets.ipv4(to: "192.0.2.2", protocol: 6, synAck)),
        Case(
          name: "IPv4 within the prefix", passes: true, packet: Packets.ipv4(to: "203.0.113.77", protocol: 6, synAck)),
        Case(
          name: "ICMP unreachable to somebody else", passes: false,
          packet: Packets.ipv4(to: "192.0.2.2", protocol: 1, Packets.icmp(3))),
        Case(name: "IPv4 UDP", passes: false, packet: ip4(17, synAck)),
        Case(name: "IPv6 to somebody else", passes: false, packet: Packets.ipv6(to: "2001:db8::2", next: 6, synAck)),
        Case(
          name: "IPv6 within the prefix", passes: true, packet: Packets.ipv6(to: "2001:db8:7:8::1", next: 6, synAck)),
        Case(
          name: "IPv6 beside the prefix", passes: false,
          packet: Packets.ipv6(to: "2001:db8:7:9::1", next: 6, synAck)),
        Case(name: "IPv6 UDP", passes: false, packet: ip6(17, synAck)),
      ]
      + [(3, true), (11, true), (12, true), (4, false), (5, false), (0, false), (8, false)].map {
        Case(name: "ICMP type \($0)", passes: $1, packet: ip4(1, Packets.icmp($0)))
      }
      + [(1, true), (2, true), (3, true), (4, true), (128, false), (129, false), (135, false), (136, false)].map {
        Case(name: "ICMPv6 type \($0)", passes: $1, packet: ip6(58, Packets.icmp($0)))
      }
      + [0, 43, 44, 51, 60].map {
        Case(name: "IPv6 extension header \($0)", passes: true, packet: ip6($0, Packets.icmp(0)))
      }

    @Test(arguments: cases) func onEthernet(_ test: Case) throws {
      let filter = try program(.ethernet)
      #expect(filter.matches(Packets.ethernet(test.packet)) == test.passes)
      #expect(filter.matches(Packets.ethernet(test.packet, tag: true)) == test.passes, "tagged")
    }

    @Test(arguments: cases) func onRaw(_ test: Case) throws {
      let filter = try program(.raw)
      #expect(filter.matches(test.packet) == test.passes)
    }

    @Test(arguments: cases) func onCooked(_ test: Case) throws {
      let filter = try program(.linuxCooked2)
      #expect(filter.matches(Packets.cooked2(test.packet)) == test.passes)
    }

    @Test(arguments: [CaptureLinkType.ethernet, .raw, .linuxCooked, .linuxCooked2])
    func isShortEnoughForTheKernel(_ link: CaptureLinkType) throws {
      var most = ReplyFilter(addresses: [], ports: [], linkType: link)
      most.addresses = (0..<8).map { .init(.v4(IPv4Address(192, 0, 2, $0))) }
      most.addresses += (0..<8).map { .init(.v6(IPv6Address(high: 0x2001_0db8 << 32, low: $0))) }
      most.ports = (0..<8).map { 1000 * $0...1000 * $0 + 10 }
      let count = try FilterProgram(most.text, linkType: link).count
      #expect(count < 1000)
    }

    @Test func withMoreThanSixteenPrefixesEveryAddressPasses() throws {
      let many = ReplyFilter(
        addresses: (0..<17).map { .init(.v4(IPv4Address(10, 0, 0, $0))) }, ports: [40000...40000], linkType: .raw)
      let filter = try Matcher(many.text, linkType: .raw)
      #expect(filter.matches(Self.ip4(6, Self.synAck)))
      #expect(!filter.matches(Self.ip6(6, Self.synAck)), "no IPv6 address is ours")
    }

    @Test func aFamilyWithoutAddressesGetsNothing() throws {
      let filter = try Matcher(
        ReplyFilter(addresses: [.init(.v6(IPv6Address(high: 0, low: 1)))], ports: [], linkType: .raw).text,
        linkType: .raw)
      #expect(!filter.matches(Self.ip4(6, Self.synAck)))
      #expect(filter.matches(Packets.ipv6(to: "::1", next: 6, Self.synAck)))
    }

    @Test func manyScatteredPortsAreCovered() throws {
      let ports = stride(from: UInt16(2000), to: 60000, by: 907).map { $0...$0 }
      let wide = ReplyFilter(addresses: [], ports: ports + [UInt16.max...UInt16.max, 0...1], linkType: .raw)
      let filter = try Matcher(wide.text, linkType: .raw)
      #expect(filter.count < 120)
      for range in wide.ports {
        #expect(filter.matches(Self.ip4(6, Packets.tcp(from: 80, to: range.lowerBound, flags: 0x12))))
        #expect(filter.matches(Self.ip6(6, Packets.tcp(from: 80, to: range.upperBound, flags: 0x12))))
      }
      #expect(!filter.matches(Self.ip4(6, Packets.tcp(from: 80, to: 1000, flags: 0x12))))
    }

    @Test(arguments: [CaptureLinkType.ethernet, .raw, .linuxCooked2])
    func resetsAreThoseOfOurPorts(_ link: CaptureLinkType) throws {
      let filter = try Matcher(
        ReplyFilter(addresses: [], ports: [40000...40099], linkType: link).resets, linkType: link)
      func matches(_ source: UInt16, _ flags: UInt8) -> [Bool] {
        let segment = Packets.tcp(from: source, to: 80, flags: flags)
        return [Self.ip4(6, segment), Self.ip6(6, segment), Self.ip4(6, segment, options: 4)].map { packet in
          switch link {
          case .ethernet: filter.matches(Packets.ethernet(packet))
          case .raw: filter.matches(packet)
          default: filter.matches(Packets.cooked2(packet))
          }
        }
      }
      #expect(matches(40000, Packets.Flags.rst) == [true, true, true])
      #expect(matches(40099, Packets.Flags.rst | Packets.Flags.ack) == [true, true, true])
      #expect(matches(40100, Packets.Flags.rst) == [false, false, false])
      #expect(matches(40000, Packets.Flags.syn) == [false, false, false])
    }

    @Test func aMistakeIsReportedWithTheText() {
      #expect {
        _ = try FilterProgram("tcp and nonsense", linkType: .raw)
      } throws: { error in
        let error = try #require(error as? CaptureError)
        return error.code == .filter && error.subject == "tcp and nonsense" && !error.message.isEmpty
          && error.description.contains("nonsense")
      }
    }

    // MARK: - What the cases are made of

    private func program(_ link: CaptureLinkType) throws -> Matcher {
      let filter = ReplyFilter(
        addresses: [
          .init(.v4(IPv4Address(192, 0, 2, 1))), .init(.v4(IPv4Address(203, 0, 113, 9)), length: 24),
          .init(.v6(IPv6Address(high: 0x2001_0db8_0000_0000, low: 1))),
          .init(.v6(IPv6Address(high: 0x2001_0db8_0007_0008, low: 0xff)), length: 64),
        ], ports: [40000...40099, 50000...50000], linkType: link)
      return try Matcher(filter.text, linkType: link)
    }

    private static let syn = Packets.tcp(from: 80, to: 40000, flags: Packets.Flags.syn)
    private static let synAck = Packets.tcp(from: 80, to: 40000, flags: 0x12)

    private static func ip4(_ number: UInt8, _ payload: [UInt8], options: Int = 0, fragment: UInt16 = 0) -> [UInt8] {
      Packets.ipv4(to: "192.0.2.1", protocol: number, options: options, fragment: fragment, payload)
    }
    private static func ip6(_ next: UInt8, _ payload: [UInt8]) -> [UInt8] {
      Packets.ipv6(to: "2001:db8::1", next: next, payload)
    }

    private static func replies(name: String, _ wrap: ([UInt8]) -> [UInt8]) -> [Case] {
      [
        ("SYN-ACK", 40000, 0x12, true), ("SYN-ACK to the last port", 40099, 0x12, true),
        ("SYN-ACK to the second range", 50000, 0x12, true), ("SYN-ACK with ECE", 40000, 0x52, true),
        ("RST", 40000, 0x04, true), ("RST+ACK", 40000, 0x14, true), ("SYN", 40000, 0x02, false),
        ("ACK", 40000, 0x10, false), ("FIN+ACK", 40000, 0x11, false), ("SYN-ACK below the range", 39999, 0x12, false),
        ("SYN-ACK above the range", 40100, 0x12, false), ("RST to another port", 50001, 0x04, false),
      ].map { Case(name: "\(name) \($0)", passes: $3, packet: wrap(Packets.tcp(from: 80, to: $1, flags: $2))) }
    }
  }

  /// A program that #expect can hold.
  private final class Matcher {
    private let program: FilterProgram
    init(_ text: String, linkType: CaptureLinkType) throws(CaptureError) {
      program = try FilterProgram(text, linkType: linkType)
    }
    var count: Int { program.count }
    func matches(_ bytes: [UInt8]) -> Bool { program.matches(bytes.span) }
  }
#endif
