// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import HalfOpenLinux
import HalfOpenWire
import SystemPackage
import TestSupport
import Testing

/// Over cables of the kernel's, which has no zero-copy for them.
@Suite("An AF_XDP socket", .requiresNetworkNamespace, .enabled(if: XDPSocket.obstacle() == nil))
struct XDPSocketTests {
  private static func cable(queues: Int = 1) -> [String] {
    let queues = "numtxqueues \(queues) numrxqueues \(queues)"
    return ["link add va \(queues) type veth peer name vb \(queues)", "link set va up", "link set vb up"]
  }

  @Test("frames arrive once and in order, round and round the ring") func wrapping() async throws {
    try await withPrivateNetwork(Self.cable()) { _ in
      let socket = try Sender(try index("va"))
      #expect(!socket.isZeroCopy)
      let tap = try PacketSocket(interface: "vb")
      var seen: [UInt32] = []
      // The ring of 1024 goes round 15 times; the listener is never behind.
      for round in 0..<60 as Range<UInt32> {
        var failed = 0
        for part in 0..<4 as Range<UInt32> { failed += socket.send(64, from: round * 256 + part * 64).count }
        try #require(failed == 0)
        seen += try read(256, from: tap)
        // What is missing is not waited for sixty times.
        try #require(seen.count == Int(round + 1) * 256)
      }
      #expect(seen == Array(0..<60 * 256))
    }
  }

  /// The longest is 1024 bytes.
  @Test("batches of every size leave whole, each frame with its own length and bytes", arguments: [60, 961])
  func sizes(shortest: Int) async throws {
    try await withPrivateNetwork(Self.cable()) { _ in
      let socket = try Sender(try index("va"))
      let tap = try PacketSocket(interface: "vb")
      for count in 1...64 {
        for tag in 0..<count {
          socket.append(1, length: shortest + tag) { _, span in
            write(UInt32(tag), into: &span)
            for place in 18..<span.count { span[place] = UInt8(truncatingIfNeeded: count &* 7 &+ place) }
            return UInt64(tag)
          }
        }
        let sent = socket.flush { tag, errno in Issue.record("\(tag): \(errno)") }
        #expect(sent == count)
        let frames = try readFrames(count, from: tap)
        try #require(frames.count == count)
        #expect(frames.map(\.count) == (shortest..<shortest + count).map { $0 })
        #expect(
          frames.allSatisfy { frame in
            (18..<frame.count).allSatisfy { frame[$0] == UInt8(truncatingIfNeeded: count &* 7 &+ $0) }
          })
      }
    }
  }

  @Test("while the link is down frames fail as a link socket's do, and none of them comes later")
  func outages() async throws {
    try await withPrivateNetwork(Self.cable()) { network in
      let socket = try Sender(try index("va"))
      let tap = try PacketSocket(interface: "vb")
      #expect(socket.send(8, from: 0).isEmpty)
      try network.ip("link set va down")
      // Far more than the ring has places.
      for round in 0..<40 as Range<UInt32> {
        let failures = socket.send(64, from: 1000 + round * 64)
        #expect(failures.count == 64 && failures.values.allSatisfy { $0 == .networkDown })
      }
      try network.ip("link set va up")
      #expect(socket.send(8, from: 8).isEmpty)
      #expect(try read(16, from: tap) == Array(0..<16))
      // Without a carrier the driver takes nothing.
      try network.ip("link set vb down")
      let stuck = socket.send(64, from: 5000)
      #expect(stuck.count == 64 && stuck.values.allSatisfy { $0 == .noBufferSpace })
      try network.ip("link set vb up")
      // The first one is told that its interface went down.
      let other = try PacketSocket(interface: "vb")
      #expect(socket.send(8, from: 16).isEmpty)
      #expect(try read(8, from: other) == Array(16..<24))
      try network.ip("link del va")
      let gone = socket.send(64, from: 0)
      #expect(gone.count == 64 && gone.values.allSatisfy { $0 == .noSuchAddressOrDevice })
    }
  }

  @Test("of a device that has room for eight frames, the others are named, by either kind of socket")
  func fullDevice() async throws {
    try await withPrivateNetwork { network in
      let device = try tapDevice("tp0")
      try network.run("sysctl -q net.ipv6.conf.tp0.disable_ipv6=1")
      try network.ip("link set tp0 txqueuelen 8")
      try network.ip("link set tp0 up")
      let interface = try index("tp0")
      let links = try LinkSocket(interfaceIndex: interface)
      let socket = try Sender(interface)
      for round in 0..<4 as Range<UInt32> {
        let isLink = round % 2 == 0
        let failures = isLink ? send(20, from: round * 100, by: links) : socket.send(20, from: round * 100)
        #expect(Set(failures.keys) == Set((round * 100 + 8..<round * 100 + 20).map(UInt64.init)))
        #expect(failures.values.allSatisfy { $0 == .noBufferSpace })
        #expect(try drain(device) == Array(round * 100..<round * 100 + 8))
      }
    }
  }

  @Test("each queue is good for one socket, and free again when that is closed") func queues() async throws {
    try await withPrivateNetwork(Self.cable(queues: 2)) { _ in
      let interface = try index("va")
      let tap = try PacketSocket(interface: "vb")
      let first = try Sender(interface)
      var second: Sender? = try Sender(interface)
      #expect(first.send(1, from: 1).isEmpty && second?.send(1, from: 2).isEmpty == true)
      #expect(failure { _ = try Sender(interface) } == .resourceBusy)
      second = nil
      let third = try Sender(interface)
      #expect(first.send(1, from: 3).isEmpty && third.send(1, from: 4).isEmpty)
      #expect(try read(4, from: tap) == [1, 2, 3, 4])
    }
  }

  @Test("where none can be had, the error says why") func refusals() async throws {
    try await withPrivateNetwork(Self.cable()) { _ in
      #expect(failure { _ = try Sender(4711) } == Errno(rawValue: ENODEV))
      let interface = try index("va")
      try Capabilities.drop()
      #expect(XDPSocket.obstacle()?.errno == .notPermitted)
      #expect(failure { _ = try Sender(interface) } == .notPermitted)
    }
  }
}

/// A socket, for the macros of Testing, which take no noncopyable values.
private final class Sender {
  private var socket: XDPSocket

  init(_ interface: UInt32) throws(SystemCallError) { socket = try XDPSocket(interfaceIndex: interface) }

  var isZeroCopy: Bool { socket.isZeroCopy }

  func append(_ count: Int, length: Int, fill: (Int, inout MutableSpan<UInt8>) -> UInt64) {
    socket.append(count, length: length, start: 0, begin: { _ in }, fill: fill)
  }

  func flush(onFailure: (UInt64, Errno) -> Void) -> Int { socket.flush(onFailure: onFailure) }

  /// Sends numbered frames.
  /// - Returns: the numbers of those that failed, and why.
  func send(_ count: UInt32, from first: UInt32) -> [UInt64: Errno] {
    var failures: [UInt64: Errno] = [:]
    append(Int(count), length: 60) { index, span in
      write(first + UInt32(index), into: &span)
      return UInt64(first) + UInt64(index)
    }
    let sent = flush { failures[$0] = $1 }
    #expect(sent + failures.count == Int(count))
    return failures
  }
}

private func failure(_ body: () throws -> Void) -> Errno? {
  do { try body() } catch { return (error as? SystemCallError)?.errno }
  return nil
}

private func index(_ name: String) throws -> UInt32 { try #require(interfaceIndex(name)) }

/// A frame of a type for experiments (IEEE 802), which the kernel has no use for, with a number.
private func write(_ number: UInt32, into span: inout MutableSpan<UInt8>) {
  let header: [UInt8] = [2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 0x88, 0xb5]
  for place in header.indices { span[place] = header[place] }
  for byte in 0..<4 { span[14 + byte] = UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32(byte))) }
}

private func batch(_ count: UInt32, from first: UInt32) -> TransmitBatch {
  var batch = TransmitBatch(capacity: 64, packetCapacity: 64)
  for number in first..<first + count { batch.append(length: 60, tag: UInt64(number)) { write(number, into: &$0) } }
  return batch
}

private func send(_ count: UInt32, from first: UInt32, by socket: borrowing LinkSocket) -> [UInt64: Errno] {
  var failures: [UInt64: Errno] = [:]
  var batch = batch(count, from: first)
  batch.flush(on: socket) { failures[$0] = $1 }
  return failures
}

private func number(_ frame: [UInt8]) -> UInt32 { frame[14..<18].reduce(0) { $0 << 8 | UInt32($1) } }

private func read(_ count: Int, from tap: borrowing PacketSocket) throws -> [UInt32] {
  try readFrames(count, from: tap).map(number)
}

/// Makes a TAP device, which goes with its descriptor.
private func tapDevice(_ name: String) throws -> Descriptor {
  // SAFETY: the path is a C string for the call.
  let device = try Descriptor(opening: "open(/dev/net/tun)") { unsafe open("/dev/net/tun", O_RDWR | O_NONBLOCK) }
  // struct ifreq: the name, then the flags IFF_TAP and IFF_NO_PI.
  var request = [UInt8](repeating: 0, count: 40)
  for (place, byte) in name.utf8.enumerated() { request[place] = byte }
  (request[16], request[17]) = (0x02, 0x10)
  let fd = device.rawValue
  // SAFETY: TUNSETIFF reads and writes one struct ifreq of 40 bytes.
  try retrying("ioctl(TUNSETIFF)") { unsafe ioctl(fd, 0x4004_54ca, &request) }
  return device
}

/// The numbers of our frames that wait in a TAP device.
private func drain(_ device: borrowing Descriptor) throws -> [UInt32] {
  var found: [UInt32] = []
  var bytes = [UInt8](repeating: 0, count: 2048)
  let fd = device.rawValue
  while true {
    // SAFETY: at most the array's bytes are written.
    guard let count = try? retryingSize("read", { unsafe Glibc.read(fd, &bytes, 2048) }), count > 17 else {
      return found
    }
    if bytes[12] == 0x88, bytes[13] == 0xb5 { found.append(number(bytes)) }
  }
}
