// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire
package import SystemPackage

/// Packets that leave in one system call. All memory is taken at the start: nothing per packet or flush allocates.
@safe package struct TransmitBatch: ~Copyable {
  /// Packets of one flush.
  package let capacity: Int
  /// The longest packet, in bytes.
  package let packetCapacity: Int
  /// Packets appended since the last flush.
  package private(set) var count = 0

  private let bytes: UnsafeMutablePointer<UInt8>
  private let addresses: UnsafeMutablePointer<sockaddr_in6>
  private let parts: UnsafeMutablePointer<iovec>
  private let messages: UnsafeMutablePointer<clinux_mmsghdr>
  private let tags: UnsafeMutablePointer<UInt64>

  /// Waits of one flush for a full socket buffer or queue, before the rest is given up as failed.
  private static var waits: Int { 16 }

  package init(capacity: Int = 64, packetCapacity: Int = 128) {
    self.capacity = capacity
    self.packetCapacity = packetCapacity
    unsafe bytes = .allocate(capacity: capacity * packetCapacity)
    unsafe addresses = .allocate(capacity: capacity)
    unsafe parts = .allocate(capacity: capacity)
    unsafe messages = .allocate(capacity: capacity)
    unsafe tags = .allocate(capacity: capacity)
    // SAFETY: each array has `capacity` elements (`bytes` that many packets), and they live as long as `self`. The
    // kernel does not write to any of them but for the count in each message.
    unsafe bytes.initialize(repeating: 0, count: capacity * packetCapacity)
    unsafe addresses.initialize(repeating: sockaddr_in6(), count: capacity)
    unsafe tags.initialize(repeating: 0, count: capacity)
    for index in 0..<capacity {
      unsafe (parts + index).initialize(to: iovec(iov_base: bytes + index * packetCapacity, iov_len: 0))
      var message = unsafe clinux_mmsghdr()
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
    unsafe tags.deallocate()
  }

  package var isEmpty: Bool { count == 0 }
  package var isFull: Bool { count == capacity }

  /// Adds a packet, to be written by `fill` into exactly `length` bytes, which hold what an earlier packet left there.
  ///
  /// The batch must not be full and `length` at most `packetCapacity`: both are the program's own numbers.
  /// - Parameters:
  ///   - scope: the interface index of an IPv6 link-local destination, 0 otherwise.
  ///   - tag: comes back if this packet fails.
  package mutating func append(
    to destination: IPAddress, scope: UInt32 = 0, length: Int, tag: UInt64, fill: (inout MutableSpan<UInt8>) -> Void
  ) {
    precondition(count < capacity && length >= 0 && length <= packetCapacity)
    // A port of 0: see `RawSocket.send`.
    let (address, addressLength) = SocketAddress(destination, port: 0, scope: scope).native
    // SAFETY: `count` is below `capacity` and `length` at most the slot's size, so all stays in this slot.
    unsafe addresses[count] = address
    unsafe messages[count].header.msg_namelen = addressLength
    unsafe parts[count].iov_len = length
    unsafe tags[count] = tag
    let slot = unsafe UnsafeMutableBufferPointer(start: bytes + count * packetCapacity, count: length)
    var span = unsafe slot.mutableSpan
    fill(&span)
    count += 1
  }

  /// Sends everything in order and empties the batch. A packet that fails does not hold up the others.
  ///
  /// A full socket buffer or queue (EAGAIN, ENOBUFS) is waited for, a few milliseconds at most in one flush.
  ///
  /// The corresponding C function is `sendmmsg`.
  /// - Parameter onFailure: gets the tag of each packet that did not leave, and why.
  /// - Returns: how many packets left.
  @discardableResult
  package mutating func flush(
    on socket: borrowing RawSocket, onFailure: (_ tag: UInt64, _ errno: Errno) -> Void
  ) -> Int {
    var (next, sent, waits) = (0, 0, Self.waits)
    while next < count {
      do throws(SystemCallError) {
        let accepted = try transmit(from: next, on: socket.rawValue)
        sent += accepted
        next += accepted
      } catch {
        if waits > 0, pause(error.errno, on: socket.rawValue) {
          waits -= 1
          continue
        }
        // SAFETY: `next` is below `count`.
        onFailure(unsafe tags[next], error.errno)
        next += 1
      }
    }
    count = 0
    return sent
  }

  /// Forgets what has been appended.
  package mutating func removeAll() { count = 0 }

  /// An error is always about the packet at `first`: the kernel reports those further on with the next call.
  private func transmit(from first: Int, on fd: CInt) throws(SystemCallError) -> Int {
    // SAFETY: messages `first..<count` are wired and filled, and so is what they point to.
    Int(
      try retrying("sendmmsg") {
        unsafe clinux_sendmmsg(fd, messages + first, CUnsignedInt(count - first), 0)
      })
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
