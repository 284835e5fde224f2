// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CLinux
  import Glibc
  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire
  import TestSupport
  import Testing

  @Suite(.requiresNetworkNamespace) struct CaptureTests {
    /// With libpcap's ring and with a socket's queue.
    static let deliveries = [CaptureOptions.Delivery.immediate, .queued]

    @Test(arguments: [CaptureOptions.Direction.incoming, .outgoing, .both], deliveries)
    func onLoopbackEachPacketIsSeenOnce(
      _ direction: CaptureOptions.Direction, _ delivery: CaptureOptions.Delivery
    ) async throws {
      let seen = try await withPrivateNetwork { _ in
        var capture = try start(
          CaptureOptions(interface: "lo", filter: "tcp[13] & 0x02 != 0", direction: direction, delivery: delivery))
        try sendSYNs(1000..<1010, to: "127.0.0.1")
        return try capture.collect(10, andThen: 100)
      }
      #expect(seen.map { $0.sourcePort(link: 14) } == Array(1000..<1010))
    }

    @Test func directionsOfAVethAreToldApart() async throws {
      try await withPrivateNetwork(veth) { _ in
        let capture = [
          try Capture.boxed(CaptureOptions(interface: "va", filter: "tcp", direction: .incoming)),
          try Capture.boxed(CaptureOptions(interface: "va", filter: "tcp", direction: .outgoing)),
          try Capture.boxed(CaptureOptions(interface: "vb", filter: "tcp", direction: .incoming)),
          try Capture.boxed(CaptureOptions(interface: "vb", filter: "tcp", direction: .both)),
        ]
        try sendSYNs(2000..<2005, to: "192.0.2.2")
        let seen = try capture.indices.map { try capture[$0].collect($0 == 0 ? 0 : 5, andThen: 100).count }
        #expect(seen == [0, 5, 5, 5])
      }
    }

    @Test func theRingStampsNanoseconds() async throws {
      try await withPrivateNetwork { _ in
        let isPrecise = try Capture(CaptureOptions(interface: "lo")).hasNanoseconds
        #expect(isPrecise)
      }
    }

    @Test(arguments: deliveries) func stampsAreNanosecondsOfNow(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork { _ in
        let before = realtimeNanoseconds()
        var capture = try start(
          CaptureOptions(interface: "lo", filter: "tcp[13] & 0x02 != 0", delivery: delivery))
        try sendSYNs(1..<33, to: "127.0.0.1")
        let seen = try capture.collect(32)
        let after = realtimeNanoseconds()
        #expect(seen.count == 32 && seen.allSatisfy { $0.nanoseconds >= before && $0.nanoseconds <= after })
        #expect(seen.contains { $0.nanoseconds % 1000 != 0 })
      }
    }

    @Test(arguments: [.immediate, .batched(milliseconds: 10)] as [CaptureOptions.Delivery])
    func stampsAreMicrosecondsOfNowWhereThatIsEnough(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork { _ in
        var capture = try Capture(
          CaptureOptions(interface: "lo", filter: "tcp[13] & 0x02 != 0", delivery: delivery, stamps: .microseconds))
        let before = realtimeNanoseconds() / 1000 * 1000
        try sendSYNs(1..<33, to: "127.0.0.1")
        let seen = try capture.collect(32)
        let after = realtimeNanoseconds()
        let isPrecise = capture.hasNanoseconds
        #expect(!isPrecise)
        #expect(seen.count == 32 && seen.allSatisfy { $0.nanoseconds >= before && $0.nanoseconds <= after })
        #expect(seen.allSatisfy { $0.nanoseconds % 1000 == 0 })
      }
    }

    @Test(arguments: deliveries)
    func snapLengthCutsAndTheRealLengthIsKept(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork { _ in
        var capture = try start(
          CaptureOptions(interface: "lo", filter: "tcp", delivery: delivery, snapLength: 34))
        try sendSYNs(7..<8, to: "127.0.0.1")
        let packet = try #require(try capture.collect(1).first)
        #expect(packet.bytes.count == 34 && packet.originalLength == 54)
      }
    }

    @Test(arguments: deliveries)
    func dispatchTakesNoMoreThanAskedAndCountsAll(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork { _ in
        var capture = try start(
          CaptureOptions(interface: "lo", filter: "tcp[13] & 0x02 != 0", delivery: delivery))
        try sendSYNs(1..<601, to: "127.0.0.1")
        try capture.waitUntilReceived(600)
        #expect(try capture.count(max: 7) == 7)
        #expect(try capture.count() == 593)
        #expect(try capture.count() == 0)
        let statistics = try capture.statistics()
        #expect(statistics.received == 600 && statistics.droppedByKernel == 0)
      }
    }

    @Test(arguments: deliveries) func whatFindsNoRoomIsCounted(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork { _ in
        var capture = try start(
          CaptureOptions(
            interface: "lo", filter: "tcp[13] & 0x02 != 0", delivery: delivery, snapLength: 65535,
            bufferSize: 1 << 18))
        try sendSYNs(1..<3001, to: "127.0.0.1")
        try capture.waitUntilReceived(3000)
        let read = try capture.count()
        let statistics = try capture.statistics()
        #expect(statistics.droppedByKernel > 0)
        #expect(UInt64(read) + statistics.droppedByKernel == 3000)
      }
    }

    @Test func batchedDeliveryLosesNothing() async throws {
      let seen = try await withPrivateNetwork { _ in
        var capture = try Capture(
          CaptureOptions(interface: "lo", filter: "tcp[13] & 0x02 != 0", delivery: .batched(milliseconds: 10)))
        try sendSYNs(1..<501, to: "127.0.0.1")
        return try capture.collect(500)
      }
      #expect(seen.map { $0.sourcePort(link: 14) } == Array(1..<501))
    }

    @Test(arguments: deliveries)
    func anyInterfaceIsCookedAndNamesTheInterface(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork(veth) { _ in
        var capture = try start(
          CaptureOptions(interface: "any", filter: "tcp[13] & 0x02 != 0", delivery: delivery))
        let link = capture.linkType
        #expect(link == .linuxCooked2)
        try sendSYNs(3000..<3003, to: "192.0.2.2")
        try sendSYNs(3003..<3005, to: "127.0.0.1")
        let seen = try capture.collect(5, andThen: 100)
        #expect(seen.map { $0.sourcePort(link: 20) } == Array(3000..<3005))
        #expect(Set(seen.map { $0.bytes[7] }).count == 2, "lo and vb")
      }
    }

    @Test(arguments: deliveries) func tunIsRaw(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork(["tuntap add tun0 mode tun", "link set tun0 up"]) { _ in
        let capture = try start(CaptureOptions(interface: "tun0", delivery: delivery))
        let link = capture.linkType
        #expect(link == .raw)
      }
    }

    @Test(arguments: [CaptureOptions.Direction.incoming, .both], deliveries)
    func theReplyFilterWorksInTheKernel(
      _ direction: CaptureOptions.Direction, _ delivery: CaptureOptions.Delivery
    ) async throws {
      try await withPrivateNetwork { _ in
        let filter = ReplyFilter(
          addresses: [.init(.v4(IPv4Address(127, 0, 0, 1)))], ports: [4000...4009], linkType: .ethernet)
        var capture = try start(
          CaptureOptions(interface: "lo", filter: filter.text, direction: direction, delivery: delivery))
        // Nothing listens: a RST for every SYN, the last ten of them for other ports.
        try sendSYNs(4000..<4020, to: "127.0.0.1")
        let seen = try capture.collect(10, andThen: 100)
        #expect(seen.count == 10 && seen.allSatisfy { $0.bytes[47] & 0x04 != 0 })
      }
    }

    @Test("what comes while a capture is being opened passes its filter, or is not seen", arguments: deliveries)
    func nothingPassesBeforeTheFilterIsThere(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork { _ in
        var sending: Result<Void, any Error>?
        var capture = try liveCapture(CaptureOptions(interface: "lo", delivery: delivery)) { _ in
          sending = Result { try sendSYNs(4000..<4010, to: "127.0.0.1") }
          return "tcp src portrange 4008-4009 and tcp[13] & 0x02 != 0"
        }
        try #require(sending).get()
        let early = try capture.collect(0, andThen: 100).map { $0.sourcePort(link: 14) }
        #expect(Set(early).isSubset(of: [4008, 4009]))
      }
    }

    @Test func taggedFramesPassTheReplyFilterInTheKernel() async throws {
      try await withPrivateNetwork(veth) { _ in
        let filter = ReplyFilter(
          addresses: [.init(.v4(IPv4Address(203, 0, 113, 9)))], ports: [80...80], linkType: .ethernet)
        var capture = try Capture(CaptureOptions(interface: "vb", filter: filter.text))
        for (port, flags) in [(5000, 0x12), (5001, 0x02), (5002, 0x04), (5003, 0x10)] as [(UInt16, UInt8)] {
          let segment = Packets.tcp(from: port, to: 80, flags: flags)
          let packet = Packets.ipv4(to: "203.0.113.9", protocol: 6, segment)
          try sendFrame(Packets.ethernet(packet, tag: true), on: "va")
        }
        let seen = try capture.collect(2, andThen: 100)
        #expect(seen.map { Array($0.bytes[12..<16]) } == Array(repeating: [0x81, 0, 0, 7], count: 2))
        #expect(seen.map { $0.sourcePort(link: 18) } == [5000, 5002])
      }
    }

    @Test(arguments: deliveries)
    func aCaptureGoesOnWhenTheInterfaceIsUpAgain(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork(veth) { network in
        var capture = try start(
          CaptureOptions(interface: "vb", filter: "tcp[13] & 0x02 != 0", delivery: delivery))
        try network.ip("link set vb down")
        #expect(code { _ = try capture.collect(.max) } == .interfaceDown)
        try network.ip("link set vb up")
        // The kernel raises the carrier a moment after `up`; what is sent before is lost.
        for _ in 0..<20_000 where try !isInterfaceRunning("va") || !isInterfaceRunning("vb") { usleep(1000) }
        for port in 6000..<6003 as Range<UInt16> {
          let packet = Packets.ipv4(to: "203.0.113.9", protocol: 6, Packets.tcp(from: port, to: 80, flags: 0x02))
          try sendFrame(Packets.ethernet(packet), on: "va")
        }
        #expect(try capture.collect(3).map { $0.sourcePort(link: 14) } == [6000, 6001, 6002])
      }
    }

    @Test(arguments: deliveries) func faultsHaveTheirOwnCodes(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork(veth + ["link set va down"]) { _ in
        let fault = { (interface: String, filter: String) in
          code { _ = try start(CaptureOptions(interface: interface, filter: filter, delivery: delivery)) }
        }
        #expect(fault("nosuch0", "") == .noSuchInterface)
        #expect(fault("lo", "tcp port http or or") == .filter)
        #expect(fault("va", "") == .interfaceDown)
      }
    }

    @Test func aFileThatIsNotThereIsAnError() async throws {
      try await withPrivateNetwork { _ in
        #expect(code { _ = try Capture(file: "/nonexistent/file.pcap") } == .file)
      }
    }

    @Test(
      arguments: [
        ("link del va", CaptureError.Code.interfaceGone), ("link set va down", .interfaceDown),
      ], deliveries)
    func anInterfaceThatFailsDuringTheCaptureIsAnError(
      _ fault: (command: String, code: CaptureError.Code), _ delivery: CaptureOptions.Delivery
    ) async throws {
      try await withPrivateNetwork(veth) { network in
        var capture = try start(CaptureOptions(interface: "va", delivery: delivery))
        _ = try capture.count()
        try network.ip(fault.command)
        #expect(code { _ = try capture.collect(.max) } == fault.code)
      }
    }

    @Test(arguments: deliveries)
    func outgoingPacketsAndAnotherFilterCanBeHadLater(_ delivery: CaptureOptions.Delivery) async throws {
      try await withPrivateNetwork(veth) { _ in
        var capture = try start(
          CaptureOptions(interface: "va", filter: "tcp dst port 80", direction: .both, delivery: delivery))
        let ports = { (capture: inout any LiveCapture & ~Copyable, count: Int, first: UInt16) in
          try sendSYNs(first..<first + 5, to: "192.0.2.2")
          return try capture.collect(count, andThen: 100).map { $0.sourcePort(link: 14) }
        }
        #expect(try ports(&capture, 5, 2000) == Array(2000..<2005))
        try capture.ignoreOutgoing(true)
        #expect(try ports(&capture, 0, 2100) == [])
        try capture.ignoreOutgoing(false)
        try capture.narrowFilter("tcp src port 2203")
        #expect(try ports(&capture, 1, 2200) == [2203])
        try capture.replaceFilter("tcp src portrange 2302-2303")
        #expect(try ports(&capture, 2, 2300) == [2302, 2303])
      }
    }

    private let veth = [
      "link add va address 02:00:00:00:00:0a type veth peer name vb address 02:00:00:00:00:0b", "link set va up",
      "link set vb up", "addr add 192.0.2.1/24 dev va", "neigh add 192.0.2.2 lladdr 02:00:00:00:00:0b dev va",
    ]

    private func code(_ body: () throws -> Void) -> CaptureError.Code? {
      do {
        try body()
        return nil
      } catch {
        return (error as? CaptureError)?.code
      }
    }
  }

  private func start(_ options: CaptureOptions) throws(CaptureError) -> any LiveCapture & ~Copyable {
    try liveCapture(options) { _ in options.filter }
  }

  // MARK: - Packets to capture

  /// One bare segment from each port to port 80, from whatever address the kernel puts in.
  private func sendSYNs(_ ports: Range<UInt16>, to destination: String) throws {
    let socket = try RawSocket(.v4)
    let address = try #require(IPAddress(destination))
    for port in ports {
      var packet = Packets.ipv4(to: destination, protocol: 6, Packets.tcp(from: port, to: 80, flags: 0x02))
      packet.replaceSubrange(12..<16, with: [0, 0, 0, 0])
      if destination == "127.0.0.1" { packet.replaceSubrange(12..<16, with: [127, 0, 0, 1]) }
      packet.fixChecksum()
      try socket.send(packet.span, to: SocketAddress(address, port: 0))
    }
  }

  private func sendFrame(_ frame: [UInt8], on interface: String) throws {
    let packets = Descriptor(owning: try retrying("socket") { socket(AF_PACKET, CInt(SOCK_RAW.rawValue), 0) })
    var address = sockaddr_ll()
    address.sll_family = sa_family_t(AF_PACKET)
    address.sll_ifindex = CInt(bitPattern: unsafe if_nametoindex(interface))
    // SAFETY: the kernel reads the frame and the address.
    try retryingSize("sendto") {
      unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe sendto(packets.rawValue, frame, frame.count, 0, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
        }
      }
    }
  }

  extension [UInt8] {
    /// The TCP checksum; without it the kernel answers nothing.
    fileprivate mutating func fixChecksum() {
      var sum: UInt32 = 6 + 20
      for index in stride(from: 12, to: 40, by: 2) { sum += UInt32(self[index]) << 8 | UInt32(self[index + 1]) }
      while sum > 0xffff { sum = (sum >> 16) + (sum & 0xffff) }
      replaceSubrange(36..<38, with: (~UInt16(sum)).bytes)
    }
  }

  // MARK: - Reading

  struct Seen {
    var bytes: [UInt8]
    var originalLength: Int
    var nanoseconds: Int64

    func sourcePort(link: Int) -> UInt16 { UInt16(bytes[link + 20]) << 8 | UInt16(bytes[link + 21]) }
  }

  final class BoxedCapture {
    private var capture: Capture
    init(_ options: CaptureOptions) throws(CaptureError) { capture = try Capture(options) }
    func collect(_ count: Int, andThen milliseconds: CInt = 0) throws(CaptureError) -> [Seen] {
      try capture.collect(count, andThen: milliseconds)
    }
  }

  extension Capture {
    static func boxed(_ options: CaptureOptions) throws(CaptureError) -> BoxedCapture { try BoxedCapture(options) }
  }

  extension LiveCapture where Self: ~Copyable {
    mutating func count(max: Int = .max) throws(CaptureError) -> Int { try dispatch(max: max) { _, _, _ in } }

    /// Waits until the kernel has counted so many packets, dropped ones among them: on a busy machine its part of lo
    /// runs later.
    mutating func waitUntilReceived(_ count: UInt64) throws(CaptureError) {
      let end = Instant.now.advanced(byNanoseconds: 20_000_000_000)
      while try statistics().received < count, Instant.now < end { _ = poll(nil, 0, 5) }
    }

    /// Reads until `count` packets are there, twenty seconds at most, and then whatever comes within `milliseconds`.
    mutating func collect(_ count: Int, andThen milliseconds: CInt = 0) throws(CaptureError) -> [Seen] {
      var seen: [Seen] = []
      let end = Instant.now.advanced(byNanoseconds: 20_000_000_000)
      while seen.count < count, Instant.now < end { try collect(into: &seen, within: 100) }
      if milliseconds > 0 { try collect(into: &seen, within: milliseconds) }
      return seen
    }

    private mutating func collect(into seen: inout [Seen], within milliseconds: CInt) throws(CaptureError) {
      var entry = pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0)
      // SAFETY: one pollfd is read and written.
      _ = unsafe poll(&entry, 1, milliseconds)
      try dispatch(max: .max) { bytes, length, nanoseconds in
        seen.append(
          Seen(bytes: bytes.indices.map { bytes[$0] }, originalLength: length, nanoseconds: nanoseconds))
      }
    }
  }
#endif
