// SPDX-License-Identifier: Apache-2.0

package import HalfOpenWire
package import SystemPackage

/// Packets or frames that leave in one system call. All memory is taken at the start: nothing per packet or flush
/// allocates.
package struct TransmitBatch: ~Copyable {
  /// Packets appended since the last flush.
  package private(set) var count = 0

  private var slots: MessageSlots

  /// - Parameters:
  ///   - capacity: packets of one flush.
  ///   - packetCapacity: the longest packet or frame, in bytes.
  package init(capacity: Int = 64, packetCapacity: Int = 128) {
    slots = MessageSlots(capacity: capacity, size: packetCapacity)
  }

  package var isEmpty: Bool { count == 0 }
  package var isFull: Bool { count == slots.capacity }

  /// Writes into every slot what its packets begin as, so that `append` only has to patch. For an empty batch.
  package mutating func prepare(length: Int, _ write: (inout MutableSpan<UInt8>) -> Void) {
    precondition(isEmpty)
    for index in 0..<slots.capacity { slots.write(index, length: length, write) }
  }

  /// Adds a packet for a `RawSocket`, to be written by `fill` into exactly `length` bytes, which hold what an earlier
  /// packet left there.
  ///
  /// The batch must not be full and `length` at most the packet capacity: both are the program's own numbers.
  /// - Parameters:
  ///   - scope: the interface index of an IPv6 link-local destination, 0 otherwise.
  ///   - tag: comes back if this packet fails.
  package mutating func append(
    to destination: IPAddress, scope: UInt32 = 0, length: Int, tag: UInt64, fill: (inout MutableSpan<UInt8>) -> Void
  ) {
    // A port of 0: see `RawSocket.send`.
    slots.address(count, to: SocketAddress(destination, port: 0, scope: scope))
    add(length, tag, fill)
  }

  /// Adds a frame for a `LinkSocket` or an `XDPSocket`, as the other form adds a packet.
  package mutating func append(length: Int, tag: UInt64, fill: (inout MutableSpan<UInt8>) -> Void) {
    slots.address(count, to: nil)
    add(length, tag, fill)
  }

  /// Adds as many frames of one length, as the other form adds one.
  /// - Parameter fill: writes the frame of an index from 0, and returns its tag.
  package mutating func append(
    _ number: Int, length: Int, fill: (_ index: Int, _ frame: inout MutableSpan<UInt8>) -> UInt64
  ) {
    for index in 0..<number {
      slots.address(count, to: nil)
      slots[tag: count] = slots.write(count, length: length) { fill(index, &$0) }
      count += 1
    }
  }

  /// Writes into the slot that is so many behind the last packet appended, for one that only patches it.
  package mutating func prepare(_ index: Int, length: Int, _ write: (inout MutableSpan<UInt8>) -> Void) {
    slots.write(count + index, length: length, write)
  }

  @inline(__always)
  private mutating func add(_ length: Int, _ tag: UInt64, _ fill: (inout MutableSpan<UInt8>) -> Void) {
    slots[tag: count] = tag
    slots.write(count, length: length, fill)
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
  ) -> Int { flush(to: socket.rawValue, onFailure) }

  /// Sends frames, as the other form sends packets.
  @discardableResult
  package mutating func flush(
    on socket: borrowing LinkSocket, onFailure: (_ tag: UInt64, _ errno: Errno) -> Void
  ) -> Int { flush(to: socket.rawValue, onFailure) }

  /// Sends frames, as the other form does.
  @discardableResult
  package mutating func flush(
    on socket: inout XDPSocket, onFailure: (_ tag: UInt64, _ errno: Errno) -> Void
  ) -> Int {
    let sent = socket.send(slots, count) { onFailure(slots[tag: $0], $1) }
    count = 0
    return sent
  }

  private mutating func flush(to fd: CInt, _ onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) -> Int {
    let sent = slots.send(count, on: fd) { onFailure(slots[tag: $0], $1) }
    count = 0
    return sent
  }

  /// Forgets what has been appended.
  package mutating func removeAll() { count = 0 }
}
