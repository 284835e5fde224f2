// SPDX-License-Identifier: Apache-2.0

/// A TCP sequence or acknowledgment number: arithmetic is modulo 2^32 and never traps.
///
/// The order (RFC 9293 section 3.4) is that of the shorter way round the circle. It is not transitive over the whole
/// circle, so the type has the comparison operators but is not `Comparable`: a sort would be meaningless.
public struct SequenceNumber: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
  /// The number as it is on the wire, in host byte order.
  public var rawValue: UInt32

  /// The number whose value on the wire is `rawValue`.
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// The number whose value on the wire is `rawValue`.
  public init(_ rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// How far `other` lies after this number: positive if after, negative if before, `Int32.min` half way round.
  public func distance(to other: SequenceNumber) -> Int32 {
    Int32(bitPattern: other.rawValue &- rawValue)
  }

  /// Whether the number is one of the `count` numbers that begin with `start`.
  public func isWithin(_ count: UInt32, from start: SequenceNumber) -> Bool {
    rawValue &- start.rawValue < count
  }

  /// The number `count` after `number`.
  public static func + (number: SequenceNumber, count: UInt32) -> SequenceNumber {
    SequenceNumber(number.rawValue &+ count)
  }

  /// The number `count` before `number`.
  public static func - (number: SequenceNumber, count: UInt32) -> SequenceNumber {
    SequenceNumber(number.rawValue &- count)
  }

  /// Moves on by `count`.
  public static func += (number: inout SequenceNumber, count: UInt32) {
    number.rawValue &+= count
  }

  /// Whether `left` comes before `right`.
  public static func < (left: SequenceNumber, right: SequenceNumber) -> Bool { left.distance(to: right) > 0 }
  /// Whether `left` is `right` or comes before it.
  public static func <= (left: SequenceNumber, right: SequenceNumber) -> Bool { left == right || left < right }
  /// Whether `left` comes after `right`.
  public static func > (left: SequenceNumber, right: SequenceNumber) -> Bool { right < left }
  /// Whether `left` is `right` or comes after it.
  public static func >= (left: SequenceNumber, right: SequenceNumber) -> Bool { right <= left }

  /// The number in decimal.
  public var description: String { "\(rawValue)" }
}
