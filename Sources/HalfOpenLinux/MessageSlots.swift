// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import HalfOpenWire
import SystemPackage

/// The memory behind `sendmmsg` and `recvmmsg`: slots of equal size, each wired once to its own message. Nothing is
/// allocated after the start, and a slot keeps its bytes until somebody writes others.
@safe struct MessageSlots: ~Copyable {
  let capacity: Int
  /// What one slot holds, in bytes.
  let size: Int

  private let bytes: UnsafeMutablePointer<UInt8>
  private let addresses: UnsafeMutablePointer<sockaddr_in6>
  private let parts: UnsafeMutablePointer<iovec>
  private let messages: UnsafeMutablePointer<clinux_mmsghdr>
  private var tags: Slab<UInt64>

  /// Waits of one `send` for a full socket buffer or queue, before what is left is given up as failed.
  private static var waits: Int { 16 }

  init(capacity: Int, size: Int) {
    precondition(capacity > 0 && size > 0)
    self.capacity = capacity
    self.size = size
    unsafe bytes = .allocate(capacity: capacity * size)
    unsafe addresses = .allocate(capacity: capacity)
    unsafe parts = .allocate(capacity: capacity)
    unsafe messages = .allocate(capacity: capacity)
    tags = Slab(repeating: 0, count: capacity)
    // SAFETY: each array has `capacity` elements (`bytes` that many slots), and they live as long as `self`.
    unsafe bytes.initialize(repeating: 0, count: capacity * size)
    unsafe addresses.initialize(repeating: sockaddr_in6(), count: capacity)
    for index in 0..<capacity {
      unsafe (parts + index).initialize(to: iovec(iov_base: bytes + index * size, iov_len: 0))
      var message = unsafe clinux_mmsghdr()
      // Without a length this is no address: the kernel sends where the socket is bound to.
      unsafe message.header.msg_name = UnsafeMutableRawPointer(addresses + index)
      unsafe message.header.msg_iov = parts + index
      unsafe message.header.msg_iovlen = 1
      unsafe (messages + index).initialize(to: message)
    }
  }

  deinit {
    unsafe bytes.deallocate()
    unsafe addresses.deallocate()
    unsafe parts.deallocate()
    unsafe messages.deallocate()
  }

  /// The bytes in use of a slot.
  @_lifetime(borrow self)
  func packet(_ index: Int) -> Span<UInt8> {
    precondition(index >= 0 && index < capacity)
    // SAFETY: the slot is within `bytes`, and no writer of `iov_len` exceeds its size.
    let span = unsafe Span(_unsafeStart: bytes + index * size, count: parts[index].iov_len)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// What a slot's message is called by who filled it. Nothing of it is sent.
  subscript(tag index: Int) -> UInt64 {
    get { tags[index] }
    set { tags[index] = newValue }
  }

  /// Makes `length` bytes of a slot the message, and lets `fill` change them.
  @inline(__always)
  mutating func write<Value, Failure>(
    _ index: Int, length: Int, _ fill: (inout MutableSpan<UInt8>) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    precondition(index >= 0 && index < capacity && length >= 0 && length <= size)
    // SAFETY: slot `index` is within `bytes`, and `length` within the slot.
    unsafe parts[index].iov_len = length
    var span = unsafe UnsafeMutableBufferPointer(start: bytes + index * size, count: length).mutableSpan
    return try fill(&span)
  }

  /// Keeps the first `length` bytes of a slot as the message.
  mutating func truncate(_ index: Int, to length: Int) {
    precondition(index >= 0 && index < capacity && length >= 0 && length <= size)
    // SAFETY: slot `index` is there, and `length` within it.
    unsafe parts[index].iov_len = length
  }

  /// Addresses a slot's message; nil leaves it to the socket.
  @inline(__always)
  mutating func address(_ index: Int, to destination: SocketAddress?) {
    precondition(index >= 0 && index < capacity)
    // SAFETY: slot `index` is there, and a sockaddr_in6 has room for the address of either family.
    guard let destination else {
      unsafe messages[index].header.msg_namelen = 0
      return
    }
    let (storage, length) = destination.native
    unsafe addresses[index] = storage
    unsafe messages[index].header.msg_namelen = length
  }

  /// Sends the first `count` messages in order. One that fails does not hold up the others.
  ///
  /// A full socket buffer or queue (EAGAIN, ENOBUFS) is waited for, a few milliseconds at most in one call.
  ///
  /// The corresponding C function is `sendmmsg`.
  /// - Parameter onFailure: gets the slot of each message that did not leave, and why.
  /// - Returns: how many left.
  func send(_ count: Int, on fd: CInt, onFailure: (_ index: Int, _ errno: Errno) -> Void) -> Int {
    precondition(count <= capacity)
    var (next, sent, waits) = (0, 0, Self.waits)
    while next < count {
      do throws(SystemCallError) {
        // SAFETY: messages `next..<count` are wired and filled, and so is what they point to.
        let accepted = Int(
          try retrying("sendmmsg") { unsafe clinux_sendmmsg(fd, messages + next, CUnsignedInt(count - next), 0) })
        sent += accepted
        next += accepted
      } catch {
        if waits > 0, pause(error.errno, on: fd) {
          waits -= 1
          continue
        }
        // An error is always about the first message of a call: the kernel reports those further on with the next one.
        onFailure(next, error.errno)
        next += 1
      }
    }
    return sent
  }

  /// Takes the messages that wait at a socket, as many as there are slots.
  ///
  /// The corresponding C function is `recvmmsg`.
  /// - Returns: how many, none where nothing waits.
  mutating func receive(from fd: CInt) throws(SystemCallError) -> Int {
    // SAFETY: every message is wired to its part, and every part is given its slot's size. No sender is asked for.
    for index in 0..<capacity {
      unsafe parts[index].iov_len = size
      unsafe messages[index].header.msg_namelen = 0
    }
    do throws(SystemCallError) {
      let received = Int(
        try retrying("recvmmsg") { unsafe clinux_recvmmsg(fd, messages, CUnsignedInt(capacity)) })
      // SAFETY: the kernel fills at most `capacity` messages, each with no more bytes than its part has.
      for index in 0..<received { unsafe parts[index].iov_len = min(size, Int(messages[index].length)) }
      return received
    } catch {
      guard error.errno == .resourceTemporarilyUnavailable else { throw error }
      return 0
    }
  }

  /// Waits where that can help.
  private func pause(_ errno: Errno, on fd: CInt) -> Bool {
    switch errno {
    case .resourceTemporarilyUnavailable:
      var entry = pollfd(fd: fd, events: CShort(POLLOUT), revents: 0)
      // SAFETY: one pollfd is read and written.
      _ = unsafe poll(&entry, 1, 1)
      return true
    case .noBufferSpace:
      usleep(100)
      return true
    default: return false
    }
  }
}
