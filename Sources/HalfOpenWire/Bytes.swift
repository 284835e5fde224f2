// SPDX-License-Identifier: Apache-2.0

// The one file of this module with unsafe code. Every function here is total: whatever the arguments, nothing outside
// the span is touched and release builds do not trap. Views check lengths once, when they are made, so an access outside
// the span is a bug of a view: debug and fuzz builds stop there, release builds read zero and write nothing.

extension Span where Element == UInt8 {
  @inline(__always)
  private func holds(_ size: Int, at offset: Int) -> Bool {
    let inside = offset >= 0 && offset <= count &- size
    assert(inside, "a view read beyond the length it checked")
    return inside
  }

  @inline(__always)
  func load8(_ offset: Int) -> UInt8 {
    guard holds(1, at: offset) else { return 0 }
    // SAFETY: holds() has just put the byte within the span.
    return unsafe self[unchecked: offset]
  }

  @inline(__always)
  func load16(_ offset: Int) -> UInt16 {
    guard holds(2, at: offset) else { return 0 }
    // SAFETY: holds() has just put both bytes within the span; the load needs no alignment.
    return unsafe UInt16(bigEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt16.self))
  }

  @inline(__always)
  func load32(_ offset: Int) -> UInt32 {
    guard holds(4, at: offset) else { return 0 }
    // SAFETY: holds() has just put the four bytes within the span; the load needs no alignment.
    return unsafe UInt32(bigEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
  }

  @inline(__always)
  func load64(_ offset: Int) -> UInt64 {
    guard holds(8, at: offset) else { return 0 }
    // SAFETY: holds() has just put the eight bytes within the span; the load needs no alignment.
    return unsafe UInt64(bigEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  @inline(__always)
  func loadIPv4(_ offset: Int) -> IPv4Address { IPv4Address(rawValue: load32(offset)) }

  @inline(__always)
  func loadIPv6(_ offset: Int) -> IPv6Address { IPv6Address(high: load64(offset), low: load64(offset &+ 8)) }

  @inline(__always)
  func loadMAC(_ offset: Int) -> MACAddress {
    MACAddress(rawValue: UInt64(load16(offset)) << 32 | UInt64(load32(offset &+ 2)))
  }

  /// The bytes from `start` up to `end`, as far as there are any.
  @inline(__always) @_lifetime(copy self)
  func slice(_ start: Int, _ end: Int = .max) -> Span<UInt8> {
    let end = Swift.max(0, Swift.min(end, count))
    let start = Swift.max(0, Swift.min(start, end))
    // SAFETY: 0 <= start <= end <= count by the two lines above.
    return unsafe extracting(unchecked: start..<end)
  }

  /// The sum of the bytes as 32-bit words in the machine's byte order, an incomplete last word filled up with zeros.
  /// It cannot overflow before 16 GiB of bytes.
  func nativeWordSum() -> UInt64 {
    var sum: UInt64 = 0
    var offset = 0
    while offset <= count &- 8 {
      // SAFETY: the loop's condition puts the eight bytes within the span; the load needs no alignment.
      let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
      sum &+= (word & 0xffff_ffff) &+ (word >> 32)
      offset &+= 8
    }
    var tail: UInt64 = 0
    var shift: UInt64 = 0
    while offset < count {
      // SAFETY: offset < count, and it began at 0.
      tail |= unsafe UInt64(self[unchecked: offset]) << shift
      shift &+= 8
      offset &+= 1
    }
    tail = UInt64(littleEndian: tail)
    return sum &+ (tail & 0xffff_ffff) &+ (tail >> 32)
  }
}

extension MutableSpan where Element == UInt8 {
  @inline(__always)
  private func holds(_ size: Int, at offset: Int) -> Bool {
    let inside = offset >= 0 && offset <= count &- size
    assert(inside, "an emitter wrote beyond the length it promised")
    return inside
  }

  @inline(__always)
  mutating func store8(_ value: UInt8, at offset: Int) {
    guard holds(1, at: offset) else { return }
    // SAFETY: holds() has just put the byte within the span.
    unsafe self[unchecked: offset] = value
  }

  @inline(__always)
  mutating func store16(_ value: UInt16, at offset: Int) {
    guard holds(2, at: offset) else { return }
    var bytes = unsafe mutableBytes
    // SAFETY: holds() has just put both bytes within the span; any bytes are a valid UInt8.
    unsafe bytes.storeBytes(of: value.bigEndian, toUncheckedByteOffset: offset, as: UInt16.self)
  }

  @inline(__always)
  mutating func store32(_ value: UInt32, at offset: Int) {
    guard holds(4, at: offset) else { return }
    var bytes = unsafe mutableBytes
    // SAFETY: holds() has just put the four bytes within the span; any bytes are a valid UInt8.
    unsafe bytes.storeBytes(of: value.bigEndian, toUncheckedByteOffset: offset, as: UInt32.self)
  }

  @inline(__always)
  mutating func store64(_ value: UInt64, at offset: Int) {
    guard holds(8, at: offset) else { return }
    var bytes = unsafe mutableBytes
    // SAFETY: holds() has just put the eight bytes within the span; any bytes are a valid UInt8.
    unsafe bytes.storeBytes(of: value.bigEndian, toUncheckedByteOffset: offset, as: UInt64.self)
  }

  @inline(__always)
  mutating func store(_ address: IPv4Address, at offset: Int) { store32(address.rawValue, at: offset) }

  @inline(__always)
  mutating func store(_ address: IPv6Address, at offset: Int) {
    store64(address.high, at: offset)
    store64(address.low, at: offset &+ 8)
  }

  @inline(__always)
  mutating func store(_ address: MACAddress, at offset: Int) {
    store16(UInt16(truncatingIfNeeded: address.rawValue >> 32), at: offset)
    store32(UInt32(truncatingIfNeeded: address.rawValue), at: offset &+ 2)
  }

  /// Writes all of `source` at `offset`.
  @inline(__always)
  mutating func store(_ source: Span<UInt8>, at offset: Int) {
    guard holds(source.count, at: offset) else { return }
    // SAFETY: holds() has just put every byte within this span, and a borrowed span cannot overlap an exclusive one.
    unsafe withUnsafeMutableBytes { target in
      unsafe source.withUnsafeBytes { bytes in
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset..<(offset &+ bytes.count)]).copyMemory(from: bytes)
      }
    }
  }

  /// Stops the program if there is no room for `length` bytes at `offset`: the caller of an emitter broke its contract.
  @inline(__always)
  func requireRoom(_ length: Int, at offset: Int) {
    precondition(offset >= 0 && length <= count &- offset, "no room in the buffer for the packet")
  }
}
