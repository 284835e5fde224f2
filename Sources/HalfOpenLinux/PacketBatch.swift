// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// Packets that come or go together. All memory is taken at the start: nothing per packet allocates.
@safe package struct PacketBatch: ~Copyable {
  package let capacity: Int
  /// The longest packet, in bytes. Of a longer one that comes the rest is lost.
  package let packetCapacity: Int
  package private(set) var count = 0

  private let bytes: UnsafeMutablePointer<UInt8>
  private let parts: UnsafeMutablePointer<iovec>
  private let messages: UnsafeMutablePointer<clinux_mmsghdr>

  package init(capacity: Int, packetCapacity: Int) {
    self.capacity = capacity
    self.packetCapacity = packetCapacity
    unsafe bytes = .allocate(capacity: capacity * packetCapacity)
    unsafe parts = .allocate(capacity: capacity)
    unsafe messages = .allocate(capacity: capacity)
    // SAFETY: each array has `capacity` elements (`bytes` that many packets) and lives as long as `self`.
    unsafe bytes.initialize(repeating: 0, count: capacity * packetCapacity)
    for index in 0..<capacity {
      unsafe (parts + index).initialize(to: iovec(iov_base: bytes + index * packetCapacity, iov_len: 0))
      var message = unsafe clinux_mmsghdr()
      unsafe message.header.msg_iov = parts + index
      unsafe message.header.msg_iovlen = 1
      unsafe (messages + index).initialize(to: message)
    }
  }

  deinit {
    unsafe bytes.deallocate()
    unsafe parts.deallocate()
    unsafe messages.deallocate()
  }

  package var isFull: Bool { count == capacity }

  /// The packet at `index`, below `count`.
  @_lifetime(borrow self)
  package func packet(_ index: Int) -> Span<UInt8> {
    precondition(index >= 0 && index < count)
    // SAFETY: the slot holds `iov_len` bytes, which no writer sets beyond its size.
    let span = unsafe Span(_unsafeStart: bytes + index * packetCapacity, count: parts[index].iov_len)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// Adds a packet that `fill` writes into a slot of `packetCapacity` bytes, which hold what was there before.
  ///
  /// The batch must not be full.
  /// - Parameter fill: returns the packet's length.
  package mutating func append(_ fill: (inout MutableSpan<UInt8>) -> Int) {
    precondition(count < capacity)
    // SAFETY: `count` is below `capacity`, so all stays in this slot.
    let slot = unsafe UnsafeMutableBufferPointer(start: bytes + count * packetCapacity, count: packetCapacity)
    var span = unsafe slot.mutableSpan
    let length = fill(&span)
    precondition(length >= 0 && length <= packetCapacity)
    unsafe parts[count].iov_len = length
    count += 1
  }

  package mutating func removeAll() { count = 0 }

  /// Replaces the packets by those that `read` finds, one after the other, until it finds none.
  mutating func fill(_ read: (UnsafeMutablePointer<UInt8>, Int) throws(SystemCallError) -> Int?) throws(SystemCallError)
  {
    count = 0
    while count < capacity {
      // SAFETY: slot `count` has `packetCapacity` bytes.
      guard let length = unsafe try read(bytes + count * packetCapacity, packetCapacity) else { return }
      unsafe parts[count].iov_len = length
      count += 1
    }
  }

  /// Replaces the packets by what waits at a socket.
  mutating func receive(from fd: CInt) throws(SystemCallError) {
    count = 0
    // SAFETY: every message is wired to its part, and every part is given its slot's size.
    for index in 0..<capacity { unsafe parts[index].iov_len = packetCapacity }
    do throws(SystemCallError) {
      let received = try retrying("recvmmsg") { unsafe clinux_recvmmsg(fd, messages, CUnsignedInt(capacity)) }
      count = Int(received)
      for index in 0..<count { unsafe parts[index].iov_len = Int(messages[index].length) }
    } catch {
      guard error.errno == .resourceTemporarilyUnavailable else { throw error }
    }
  }

  /// Sends the packets in order and forgets them. One that the kernel refuses is left out.
  mutating func send(to fd: CInt) {
    var next = 0
    while next < count {
      // SAFETY: messages `next..<count` are wired, and their parts have the packets' lengths.
      let sent = try? retrying("sendmmsg") {
        unsafe clinux_sendmmsg(fd, messages + next, CUnsignedInt(count - next), 0)
      }
      // An error is about the first packet of a call.
      next += sent.map { Int($0) } ?? 1
    }
    count = 0
  }
}
