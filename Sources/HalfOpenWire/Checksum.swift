// SPDX-License-Identifier: Apache-2.0

/// The Internet checksum (RFC 1071), summed up piece by piece.
///
/// A sum over a header with its checksum field in place is `isValid`; one over a header with a zero in that field gives
/// the `value` to put there.
public struct Checksum: Hashable, Sendable {
  /// 16-bit words in network byte order, carries not yet folded. Each piece adds at most 2^48 or so, so it cannot
  /// overflow within any packet.
  var sum: UInt64

  /// The sum of nothing.
  public init() {
    sum = 0
  }

  /// Adds a number that the packet holds as a 16-bit word.
  public mutating func add(_ word: UInt16) {
    sum &+= UInt64(word)
  }

  /// Adds a number that the packet holds as two 16-bit words.
  public mutating func add(_ words: UInt32) {
    sum &+= UInt64(words)
  }

  /// Adds bytes which begin at an even place of what is summed; an odd last byte counts as if a zero followed it, so
  /// only the last piece may have an odd length.
  public mutating func add(_ bytes: Span<UInt8>) {
    // The sum is independent of byte order but for a final swap (RFC 1071 section 2 (B)).
    sum &+= UInt64(UInt16(bigEndian: Self.fold(bytes.nativeWordSum())))
  }

  /// Adds an address.
  public mutating func add(_ address: IPAddress) {
    switch address {
    case .v4(let address):
      add(address.rawValue)
    case .v6(let address):
      sum &+= (address.high >> 32) &+ (address.high & 0xffff_ffff)
      sum &+= (address.low >> 32) &+ (address.low & 0xffff_ffff)
    }
  }

  /// Adds the pseudo header in front of a transport segment of `length` bytes (RFC 9293 section 3.1, RFC 8200
  /// section 8.1).
  public mutating func add(_ pseudoHeader: PseudoHeader, length: Int) {
    add(pseudoHeader.source)
    add(pseudoHeader.destination)
    sum &+= UInt64(pseudoHeader.protocol.rawValue) &+ UInt64(UInt32(truncatingIfNeeded: length))
  }

  /// The checksum to write.
  public var value: UInt16 { ~Self.fold(sum) }

  /// Whether bytes that held their own checksum were whole.
  public var isValid: Bool { Self.fold(sum) == 0xffff }

  @inline(__always)
  static func fold(_ sum: UInt64) -> UInt16 {
    // Each half added to the other with what is carried out: twice, and the carry has nothing left to carry.
    let (words, carry) = UInt32(truncatingIfNeeded: sum).addingReportingOverflow(UInt32(truncatingIfNeeded: sum >> 32))
    let sum = words &+ (carry ? 1 : 0)
    let (word, last) = UInt16(truncatingIfNeeded: sum).addingReportingOverflow(UInt16(truncatingIfNeeded: sum >> 16))
    return word &+ (last ? 1 : 0)
  }

  /// The checksum after one 16-bit word of the bytes changed from `old` to `new` (RFC 1624 equation 3, which is right
  /// where RFC 1141 confuses the two zeros).
  public static func updated(_ checksum: UInt16, replacing old: UInt16, with new: UInt16) -> UInt16 {
    ~fold(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
  }

  /// The same for a 32-bit field at an even place.
  public static func updated(_ checksum: UInt16, replacing old: UInt32, with new: UInt32) -> UInt16 {
    ~fold(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
  }
}

/// What of the IP header goes into the checksums of TCP and ICMPv6.
public struct PseudoHeader: Hashable, Sendable {
  /// The source address of the IP header.
  public var source: IPAddress
  /// The destination address; with a routing header, the final one.
  public var destination: IPAddress
  /// The transport protocol, not an extension header.
  public var `protocol`: IPProtocol

  /// The pseudo header of a packet between two addresses of one family.
  public init(source: IPAddress, destination: IPAddress, protocol: IPProtocol) {
    self.source = source
    self.destination = destination
    self.protocol = `protocol`
  }

  /// Whether a transport segment, complete and from its first byte, carries a right checksum.
  ///
  /// Frames captured on the sending host often carry a partial one, so a wrong one proves nothing.
  public func checksumIsValid(_ segment: Span<UInt8>) -> Bool {
    var checksum = Checksum()
    checksum.add(self, length: segment.count)
    checksum.add(segment)
    return checksum.isValid
  }
}
