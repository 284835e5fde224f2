// SPDX-License-Identifier: Apache-2.0

package import HalfOpenWire
package import SystemPackage

/// Packets or frames that leave in one system call. All memory is taken at the start: nothing per packet or flush
/// allocates.
package struct TransmitBatch: ~Copyable {
  /// Packets appended since the last flush.
  package private(set) var count = 0

  private var slots: MessageSlots
  /// By slot: what its last packet began as.
  private var starts: [Int]

  /// - Parameters:
  ///   - capacity: packets of one flush.
  ///   - packetCapacity: the longest packet or frame, in bytes.
  package init(capacity: Int = 64, packetCapacity: Int = 128) {
    slots = MessageSlots(capacity: capacity, size: packetCapacity)
    starts = Array(repeating: TransmitBatch.noStart, count: capacity)
  }

  package var isEmpty: Bool { count == 0 }
  package var isFull: Bool { count == slots.capacity }

  private static var noStart: Int { -1 }

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
    append(to: destination, scope: scope, length: length, start: TransmitBatch.noStart, begin: { _ in }) { packet in
      fill(&packet)
      return tag
    }
  }

  /// Adds a packet, as the other form does, that begins as others do: `fill` only has to write what differs.
  /// - Parameters:
  ///   - start: tells what `begin` writes from all else that is written so; not negative.
  ///   - begin: writes what the packet begins as, where that is not what it finds.
  ///   - fill: returns the tag.
  package mutating func append(
    to destination: IPAddress, scope: UInt32, length: Int, start: Int, begin: (inout MutableSpan<UInt8>) -> Void,
    fill: (inout MutableSpan<UInt8>) -> UInt64
  ) {
    // A port of 0: see `RawSocket.send`.
    slots.address(count, to: SocketAddress(destination, port: 0, scope: scope))
    write(length, start, begin, fill)
  }

  /// Adds a frame for a `LinkSocket`, as the other form adds a packet.
  package mutating func append(length: Int, tag: UInt64, fill: (inout MutableSpan<UInt8>) -> Void) {
    slots.address(count, to: nil)
    write(length, TransmitBatch.noStart, { _ in }) { frame in
      fill(&frame)
      return tag
    }
  }

  @inline(__always)
  private mutating func write(
    _ length: Int, _ start: Int, _ begin: (inout MutableSpan<UInt8>) -> Void,
    _ fill: (inout MutableSpan<UInt8>) -> UInt64
  ) {
    let isBegun = starts[count] == start
    if !isBegun { starts[count] = start }
    slots[tag: count] = slots.write(count, length: length) { packet in
      if !isBegun { begin(&packet) }
      return fill(&packet)
    }
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

  private mutating func flush(to fd: CInt, _ onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) -> Int {
    let sent = slots.send(count, on: fd) { onFailure(slots[tag: $0], $1) }
    count = 0
    return sent
  }

  /// Forgets what has been appended.
  package mutating func removeAll() { count = 0 }
}

extension TransmitBatch: FrameBatch {
  package mutating func append(
    _ number: Int, length: Int, start: Int, begin: (inout MutableSpan<UInt8>) -> Void,
    fill: (_ index: Int, _ frame: inout MutableSpan<UInt8>) -> UInt64
  ) {
    for index in 0..<number {
      slots.address(count, to: nil)
      write(length, start, begin) { fill(index, &$0) }
    }
  }
}
