// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import HalfOpenLinux
import HalfOpenWire
import SystemPackage
import TestSupport
import Testing

@Suite(.requiresNetworkNamespace) struct LinkSocketTests {
  private static let cable = [
    "link add va address 02:00:00:00:00:0a type veth peer name vb address 02:00:00:00:00:0b", "link set va up",
    "link set vb up",
  ]

  @Test func framesArriveWholeInOrderAndWithWhatTheSlotsKept() async throws {
    try await withPrivateNetwork(Self.cable) { _ in
      let socket = try LinkSocket(interfaceIndex: try index("va"))
      let tap = try PacketSocket(interface: "vb")
      var batch = TransmitBatch(capacity: 8, packetCapacity: 64)
      var begun = 0
      for round in 0..<3 as Range<UInt8> {
        batch.append(8, length: 60, start: 0) { span in
          begun += 1
          for place in 0..<60 as Range<UInt8> { span[Int(place)] = frame[place] }
        } fill: { number, span in
          span[20] = round * 8 + UInt8(number)
          return 0
        }
        let isFull = batch.isFull
        #expect(isFull)
        let sent = batch.flush(on: socket) { tag, errno in Issue.record("\(tag): \(errno)") }
        let isEmpty = batch.isEmpty
        #expect(sent == 8 && isEmpty)
      }
      #expect(begun == 8)
      let seen = try readFrames(24, from: tap)
      #expect(seen.map { $0[20] } == Array(0..<24))
      #expect(
        seen.allSatisfy { bytes in bytes.indices.allSatisfy { $0 == 20 || bytes[$0] == frame[UInt8($0)] } })
      #expect(seen.allSatisfy { $0.count == 60 })
    }
  }

  @Test func aFrameThatCannotLeaveIsNamedAndLaterOnesLeave() async throws {
    try await withPrivateNetwork(Self.cable) { network in
      let socket = try LinkSocket(interfaceIndex: try index("va"))
      var batch = TransmitBatch(capacity: 4, packetCapacity: 64)
      func failures() -> [UInt64: Errno] {
        for tag in 1...4 as ClosedRange<UInt64> {
          batch.append(length: tag == 3 ? 5 : 60, tag: tag) { span in
            for place in span.indices { span[place] = frame[UInt8(place)] }
          }
        }
        var failures: [UInt64: Errno] = [:]
        let sent = batch.flush(on: socket) { failures[$0] = $1 }
        #expect(sent + failures.count == 4)
        return failures
      }
      // A frame shorter than its header is the third's own fault.
      #expect(failures() == [3: .invalidArgument])
      try network.ip("link set va down")
      #expect(failures() == [1: .networkDown, 2: .networkDown, 3: .networkDown, 4: .networkDown])
      try network.ip("link set va up")
      #expect(failures() == [3: .invalidArgument])
      // Without a carrier the driver takes nothing.
      try network.ip("link set vb down")
      let stuck = failures()
      #expect(stuck.count == 4 && stuck[1] == .noBufferSpace && stuck[4] == .noBufferSpace)
      try network.ip("link del va")
      #expect(Set(failures().values) == [.noSuchAddressOrDevice])
    }
  }

  @Test func theQueueDisciplineIsPassedBy() async throws {
    try await withPrivateNetwork(Self.cable) { network in
      try network.run("tc qdisc add dev va root tbf rate 8kbit burst 200 limit 200")
      let socket = try LinkSocket(interfaceIndex: try index("va"))
      let tap = try PacketSocket(interface: "vb")
      var batch = TransmitBatch()
      for tag in 0..<64 as Range<UInt64> {
        batch.append(length: 60, tag: tag) { span in for place in span.indices { span[place] = frame[UInt8(place)] } }
      }
      let sent = batch.flush(on: socket) { tag, errno in Issue.record("\(tag): \(errno)") }
      #expect(sent == 64)
      #expect(try readFrames(64, from: tap).count == 64)
    }
  }

  @Test func itReceivesNothing() async throws {
    try await withPrivateNetwork(Self.cable) { _ in
      let other = try PacketSocket(interface: "va")
      let socket = try LinkSocket(interfaceIndex: try index("va"))
      let sender = try LinkSocket(interfaceIndex: try index("vb"))
      var bytes = [UInt8](repeating: 0, count: 60)
      for place in 0..<60 { bytes[place] = frame[UInt8(place)] }
      try sender.send(bytes.span)
      // The other socket on the same interface has it. This one, opened later, would have had it before.
      #expect(try readFrames(1, from: other) == [bytes])
      // SAFETY: at most the buffer's bytes are written.
      let error = #expect(throws: SystemCallError.self) {
        try retryingSize("recv") { unsafe recv(socket.rawValue, &bytes, 60, 0) }
      }
      #expect(error?.errno == .resourceTemporarilyUnavailable)
    }
  }

  @Test func anInterfaceThatIsNotThereIsAnError() async throws {
    try await withPrivateNetwork { _ in
      let error = #expect(throws: SystemCallError.self) { _ = try LinkSocket(interfaceIndex: 4711) }
      #expect(error?.errno == Errno(rawValue: ENODEV))
    }
  }
}

/// Byte by byte, a frame of a type for experiments (IEEE 802), which the kernel has no use for.
private let frame = Frame()
private struct Frame {
  private static let header: [UInt8] = [2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 0x88, 0xb5]
  subscript(place: UInt8) -> UInt8 { place < 14 ? Self.header[Int(place)] : place }
}

private func index(_ name: String) throws -> UInt32 { try #require(interfaceIndex(name)) }
