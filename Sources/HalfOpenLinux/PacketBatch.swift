// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// Packets that come or go together. All memory is taken at the start: nothing per packet allocates.
package struct PacketBatch: ~Copyable {
  package private(set) var count = 0
  private var slots: MessageSlots

  /// - Parameter packetCapacity: the longest packet, in bytes. Of a longer one that comes the rest is lost.
  package init(capacity: Int, packetCapacity: Int) { slots = MessageSlots(capacity: capacity, size: packetCapacity) }

  package var isFull: Bool { count == slots.capacity }

  /// The packet at `index`, below `count`.
  @_lifetime(borrow self)
  package func packet(_ index: Int) -> Span<UInt8> {
    precondition(index < count)
    return slots.packet(index)
  }

  /// Adds a packet that `fill` writes into a slot of the packet capacity, which holds what was there before.
  ///
  /// The batch must not be full.
  /// - Parameter fill: returns the packet's length.
  package mutating func append(_ fill: (inout MutableSpan<UInt8>) -> Int) {
    slots.truncate(count, to: slots.write(count, length: slots.size, fill))
    count += 1
  }

  package mutating func removeAll() { count = 0 }

  /// Replaces the packets by those that `read` finds, one after the other, until it finds none.
  mutating func fill(
    _ read: (inout MutableSpan<UInt8>) throws(SystemCallError) -> Int?
  ) throws(SystemCallError) {
    count = 0
    while !isFull {
      guard let length = try slots.write(count, length: slots.size, read) else { return }
      slots.truncate(count, to: length)
      count += 1
    }
  }

  /// Replaces the packets by what waits at a socket.
  mutating func receive(from fd: CInt) throws(SystemCallError) {
    count = 0
    count = try slots.receive(from: fd)
  }

  /// Sends the packets in order and forgets them. One that the kernel refuses is left out.
  mutating func send(to fd: CInt) {
    _ = slots.send(count, on: fd) { _, _ in }
    count = 0
  }
}
