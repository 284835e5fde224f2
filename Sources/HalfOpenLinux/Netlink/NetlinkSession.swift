// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import SystemPackage

/// One question and its whole answer at a time: matches replies to requests, joins parts, asks again after an
/// interruption.
package struct NetlinkSession<Port: NetlinkPort & ~Copyable>: ~Copyable {
  /// How often a question is asked before the session gives up: a table that changes all the time interrupts every dump.
  package static var attempts: Int { 8 }
  /// The kernel's parts are 32 KiB at most, except for single messages that are larger (interfaces with many functions).
  private static var largestBuffer: Int { 1 << 20 }

  private var port: Port
  private var sequence: UInt32 = 0
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)

  package init(port: consuming Port) { self.port = port }

  /// Sends `request` and reads the answer to its end.
  /// - Parameter parse: makes a value of one message of type `kind`; nil skips it.
  /// - Throws: `SystemCallError`: the kernel's refusal, EBADMSG for bytes that are not what the kernel sends, EAGAIN for
  ///   a table that changed during every attempt, ETIMEDOUT without an answer.
  package mutating func ask<Value>(
    _ request: NetlinkRequest, for kind: UInt16, parse: (Span<UInt8>) throws(NetlinkFormatError) -> Value?
  ) throws(SystemCallError) -> [Value] {
    var request = request
    for _ in 0..<Self.attempts {
      sequence &+= 1
      request.address(sequence: sequence, port: port.portID)
      try port.send(request.bytes)
      var answer = Answer<Value>(sequence: sequence, port: port.portID, kind: kind, isDump: request.isDump)
      try collect(into: &answer, parse)
      if let refusal = answer.refusal { throw SystemCallError(call: "netlink request", errno: refusal) }
      if answer.isMalformed { throw SystemCallError(call: "netlink reply", errno: .badMessage) }
      if !answer.isDamaged { return answer.values }
    }
    throw SystemCallError(call: "netlink dump (table keeps changing)", errno: .resourceTemporarilyUnavailable)
  }

  /// Reads to the end even where the answer is of no use any more: the kernel refuses a new dump during one (EBUSY).
  private mutating func collect<Value>(
    into answer: inout Answer<Value>, _ parse: (Span<UInt8>) throws(NetlinkFormatError) -> Value?
  ) throws(SystemCallError) {
    while !answer.isComplete {
      let datagram: NetlinkDatagram
      do {
        datagram = try port.receive(into: &buffer)
      } catch {
        switch error.errno {
        case .noBufferSpace where answer.isDump:
          answer.isDamaged = true
          continue
        case .noBufferSpace:
          answer.isDamaged = true
          return
        case .resourceTemporarilyUnavailable: throw SystemCallError(call: error.call, errno: .timedOut)
        default: throw error
        }
      }
      guard datagram.sender == 0 else { continue }
      guard datagram.length <= buffer.count else {
        guard buffer.count < Self.largestBuffer else {
          throw SystemCallError(call: "netlink reply", errno: .badMessage)
        }
        buffer = [UInt8](repeating: 0, count: min(Self.largestBuffer, max(datagram.length, buffer.count * 2)))
        answer.isDamaged = true
        if answer.isDump { continue }
        return
      }
      answer.take(buffer.span.extracting(0..<datagram.length), parse)
    }
  }
}

/// What has come back for one request.
package struct Answer<Value> {
  package private(set) var values: [Value] = []
  /// The kernel's error.
  package private(set) var refusal: Errno?
  package private(set) var isComplete = false
  package private(set) var isMalformed = false
  /// Parts are missing, or of different states of the table: ask again.
  package var isDamaged = false

  let sequence: UInt32
  let port: UInt32
  let kind: UInt16
  let isDump: Bool

  package init(sequence: UInt32, port: UInt32, kind: UInt16, isDump: Bool) {
    self.sequence = sequence
    self.port = port
    self.kind = kind
    self.isDump = isDump
  }

  /// Takes in all messages of one datagram.
  package mutating func take(_ datagram: Span<UInt8>, _ parse: (Span<UInt8>) throws(NetlinkFormatError) -> Value?) {
    do {
      try datagram.forEachNetlinkMessage { (header, payload) throws(NetlinkFormatError) in
        // The rest of an answer that an earlier request gave up on.
        guard header.sequence == self.sequence, header.port == self.port, !self.isComplete else { return }
        if header.flags & UInt16(NLM_F_DUMP_INTR) != 0 { self.isDamaged = true }
        switch CInt(header.type) {
        case NLMSG_ERROR, NLMSG_DONE:
          self.isComplete = true
          self.refusal = try errorCode(payload, isEnd: CInt(header.type) == NLMSG_DONE)
        case NLMSG_OVERRUN: self.isDamaged = true
        case CInt(self.kind):
          if let value = try parse(payload) { self.values.append(value) }
          if !self.isDump { self.isComplete = true }
        default: break
        }
      }
    } catch {
      self.isMalformed = true
      // A single answer has nothing behind it; a dump still has its end to come.
      if !isDump { self.isComplete = true }
    }
  }

  /// `struct nlmsgerr`, or the number behind NLMSG_DONE: a negative error number, zero for success.
  private func errorCode(_ payload: Span<UInt8>, isEnd: Bool) throws(NetlinkFormatError) -> Errno? {
    if isEnd, payload.count < 4 { return nil }
    let code = Int32(bitPattern: try payload.hostUInt32(at: 0))
    return code == 0 ? nil : Errno(rawValue: 0 &- code)
  }
}
