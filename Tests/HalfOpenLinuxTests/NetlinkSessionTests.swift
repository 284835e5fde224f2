// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage
import Testing

@Suite struct NetlinkSessionTests {
  @Test func partsOverSeveralDatagramsAreJoined() throws {
    let port = ScriptedPort([
      .reply { neighbour($0, 1) + neighbour($0, 2) }, .reply { neighbour($0, 3) }, .reply { done($0) },
    ])
    #expect(try neighbours(port) == [1, 2, 3])
  }

  @Test func anInterruptedDumpIsReadToItsEndAndAskedAgain() throws {
    let port = ScriptedPort([
      .reply { neighbour($0, 1, flags: 0x12) }, .reply { neighbour($0, 2) + done($0) },
      .reply { neighbour($0, 3) + done($0) },
    ])
    #expect(try neighbours(port) == [3])
    #expect(port.sent == 2)
  }

  @Test func anInterruptionToldWithTheEndCountsToo() throws {
    let port = ScriptedPort([
      .reply { neighbour($0, 1) + done($0, flags: 0x12) }, .reply { neighbour($0, 3) + done($0) },
    ])
    #expect(try neighbours(port) == [3])
  }

  @Test func aTableThatKeepsChangingIsGivenUp() {
    let port = ScriptedPort((0..<50).map { _ in .reply { done($0, flags: 0x12) } })
    #expect { try neighbours(port) } throws: { ($0 as? SystemCallError)?.errno == .resourceTemporarilyUnavailable }
    #expect(port.sent == 8)
  }

  @Test func lostPartsAreAskedForAgain() throws {
    let port = ScriptedPort([
      .reply { neighbour($0, 1) }, .fail(.noBufferSpace), .reply { done($0) }, .reply { neighbour($0, 2) + done($0) },
    ])
    #expect(try neighbours(port) == [2])
  }

  @Test func aDatagramLargerThanTheBufferIsAskedForAgain() throws {
    let port = ScriptedPort([
      .oversized(100_000), .reply { done($0) }, .reply { neighbour($0, 2) + done($0) },
    ])
    #expect(try neighbours(port) == [2])
    #expect(port.largestBuffer >= 100_000)
  }

  @Test func repliesToOthersAreSkipped() throws {
    let port = ScriptedPort([
      .reply { neighbour($0 &- 1, 7) + done($0 &- 1) },  // an earlier request
      .reply { neighbour($0, 8, port: 99) + done($0, port: 99) },  // another socket's
      .forged { neighbour($0, 9) + done($0) },  // another process's words
      .reply { neighbour($0, 1) + done($0) },
    ])
    #expect(try neighbours(port) == [1])
  }

  @Test func theKernelsRefusalIsTheError() {
    let port = ScriptedPort([.reply { message(2, $0, le(UInt32(bitPattern: -101)) + [UInt8](repeating: 0, count: 16)) }]
    )
    #expect { try neighbours(port) } throws: { ($0 as? SystemCallError)?.errno == .networkUnreachable }
  }

  @Test func aDumpThatEndsInAnErrorFails() {
    let port = ScriptedPort([.reply { neighbour($0, 1) + message(3, $0, le(UInt32(bitPattern: -12))) }])
    #expect { try neighbours(port) } throws: { ($0 as? SystemCallError)?.errno == .noMemory }
  }

  @Test func bytesThatAreNoMessagesAreAnErrorAndTheDumpIsStillReadToItsEnd() {
    let port = ScriptedPort([.reply { _ in [3, 0, 0, 0] + [UInt8](repeating: 0, count: 20) }, .reply { done($0) }])
    #expect { try neighbours(port) } throws: { ($0 as? SystemCallError)?.errno == .badMessage }
    #expect(port.isSpent)
  }

  @Test func silenceTimesOut() {
    #expect { try neighbours(ScriptedPort([.fail(.resourceTemporarilyUnavailable)])) } throws: {
      ($0 as? SystemCallError)?.errno == .timedOut
    }
  }

  @Test func aSingleAnswerNeedsNoEnd() throws {
    let port = ScriptedPort([.reply { neighbour($0, 5) }])
    var session = NetlinkSession(port: port)
    let found = try session.neighbour(.v4(IPv4Address(192, 0, 2, 1)), interfaceIndex: 5)
    #expect(found?.interfaceIndex == 5)
  }

  private func neighbours(_ port: ScriptedPort) throws(SystemCallError) -> [UInt32] {
    var session = NetlinkSession(port: port)
    return try session.neighbours(.v4).map(\.interfaceIndex)
  }
}

private final class ScriptedPort: NetlinkPort {
  enum Step {
    /// Bytes made for the sequence number of the last request.
    case reply((UInt32) -> [UInt8])
    /// The same from a sender that is not the kernel.
    case forged((UInt32) -> [UInt8])
    case oversized(Int)
    case fail(Errno)
  }

  let portID = ownPort
  private(set) var sent = 0
  private(set) var largestBuffer = 0
  private var sequence: UInt32 = 0
  private var steps: ArraySlice<Step>
  var isSpent: Bool { steps.isEmpty }

  init(_ steps: [Step]) { self.steps = steps[...] }

  func send(_ bytes: borrowing [UInt8]) {
    sent += 1
    sequence = (try? bytes.span.hostUInt32(at: 8)) ?? 0
  }

  func receive(into buffer: inout [UInt8]) throws(SystemCallError) -> NetlinkDatagram {
    largestBuffer = max(largestBuffer, buffer.count)
    switch steps.popFirst() {
    case .reply(let make): return fill(&buffer, make(sequence), sender: 0)
    case .forged(let make): return fill(&buffer, make(sequence), sender: 77)
    case .oversized(let length): return NetlinkDatagram(length: length)
    case .fail(let errno): throw SystemCallError(call: "recvfrom", errno: errno)
    case nil: throw SystemCallError(call: "script is over", errno: .ioError)
    }
  }

  private func fill(_ buffer: inout [UInt8], _ bytes: [UInt8], sender: UInt32) -> NetlinkDatagram {
    buffer.replaceSubrange(0..<bytes.count, with: bytes)
    return NetlinkDatagram(length: bytes.count, sender: sender)
  }
}

private let ownPort: UInt32 = 4242

private func le(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

private func message(
  _ type: UInt8, _ sequence: UInt32, _ payload: [UInt8], flags: UInt8 = 2, port: UInt32 = ownPort
) -> [UInt8] {
  le(UInt32(16 + payload.count)) + [type, 0, flags, 0] + le(sequence) + le(port) + payload
}

/// NLMSG_DONE.
private func done(_ sequence: UInt32, flags: UInt8 = 2, port: UInt32 = ownPort) -> [UInt8] {
  message(3, sequence, [0, 0, 0, 0], flags: flags, port: port)
}

/// RTM_NEWNEIGH with an interface index to tell them apart by.
private func neighbour(_ sequence: UInt32, _ index: UInt8, flags: UInt8 = 2, port: UInt32 = ownPort) -> [UInt8] {
  let fixed: [UInt8] = [2, 0, 0, 0, index, 0, 0, 0, 2, 0, 0, 1]
  return message(28, sequence, fixed + [8, 0, 1, 0, 192, 0, 2, 1], flags: flags, port: port)
}
