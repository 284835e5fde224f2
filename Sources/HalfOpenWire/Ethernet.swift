// SPDX-License-Identifier: Apache-2.0

private enum Field {
  static let destination = 0
  static let source = 6
  static let type = 12
  static let payload = 14
  static let tag = 4
}

/// What an Ethernet frame carries (IANA: IEEE 802 numbers). Below 0x600 the number is an 802.3 length.
public struct EtherType: RawRepresentable, Hashable, Sendable {
  /// The number.
  public var rawValue: UInt16

  /// The type with this number.
  public init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  /// IPv4.
  public static let ipv4 = EtherType(rawValue: 0x0800)
  /// ARP.
  public static let arp = EtherType(rawValue: 0x0806)
  /// A VLAN tag (IEEE 802.1Q).
  public static let vlan = EtherType(rawValue: 0x8100)
  /// IPv6.
  public static let ipv6 = EtherType(rawValue: 0x86dd)
  /// An outer VLAN tag (IEEE 802.1ad, QinQ).
  public static let serviceVLAN = EtherType(rawValue: 0x88a8)

  /// Whether a VLAN tag follows; 0x9100 is how QinQ was written before it was a standard.
  public var isVLANTag: Bool { self == .vlan || self == .serviceVLAN || rawValue == 0x9100 }
}

/// A VLAN tag (IEEE 802.1Q).
public struct VLANTag: Hashable, Sendable {
  /// The tag's own EtherType: `vlan`, `serviceVLAN` or 0x9100.
  public var type: EtherType
  /// Priority (3 bits), drop eligible (1 bit) and VLAN identifier (12 bits).
  public var control: UInt16

  /// A tag of this type and control word.
  public init(type: EtherType = .vlan, control: UInt16) {
    self.type = type
    self.control = control
  }

  /// The VLAN, 0 to 4095.
  public var identifier: UInt16 { control & 0xfff }
}

/// An Ethernet II frame, with up to two VLAN tags.
public struct EthernetView: ~Escapable {
  /// The frame without its check sequence.
  public let bytes: Span<UInt8>
  private let tags: Int

  /// Reads a frame of which at least the header with its first two tags is there.
  ///
  /// - Throws: `truncated`.
  @inline(__always) @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Field.payload else {
      throw WireError(.ethernet, at: 0, .truncated(needed: Field.payload, had: bytes.count))
    }
    self.bytes = bytes
    var tags = 0
    while tags < 2, EtherType(rawValue: bytes.load16(Field.type &+ tags &* Field.tag)).isVLANTag {
      tags &+= 1
      let needed = Field.payload &+ tags &* Field.tag
      guard bytes.count >= needed else {
        throw WireError(.ethernet, at: 0, .truncated(needed: needed, had: bytes.count))
      }
    }
    self.tags = tags
  }

  /// Whom the frame is for.
  public var destination: MACAddress { bytes.loadMAC(Field.destination) }
  /// Who sent it.
  public var source: MACAddress { bytes.loadMAC(Field.source) }
  /// The first VLAN tag.
  public var outerTag: VLANTag? { tag(0) }
  /// The second VLAN tag.
  public var innerTag: VLANTag? { tag(1) }
  /// 14, 18 or 22.
  public var headerLength: Int { Field.payload &+ tags &* Field.tag }
  /// What the frame carries behind its tags. A third tag is the payload's business.
  public var type: EtherType { EtherType(rawValue: bytes.load16(headerLength &- 2)) }
  /// What follows the header, padding included.
  public var payload: Span<UInt8> {
    @_lifetime(copy self) get { bytes.slice(headerLength) }
  }

  private func tag(_ index: Int) -> VLANTag? {
    guard index < tags else { return nil }
    let offset = Field.type &+ index &* Field.tag
    return VLANTag(type: EtherType(rawValue: bytes.load16(offset)), control: bytes.load16(offset &+ 2))
  }
}

/// The header of an Ethernet II frame.
public struct EthernetHeader: Hashable, Sendable {
  /// Whom the frame is for.
  public var destination: MACAddress
  /// Who sends it.
  public var source: MACAddress
  /// What it carries.
  public var type: EtherType
  /// The first VLAN tag.
  public var outerTag: VLANTag?
  /// The second VLAN tag; without a first one it is not sent.
  public var innerTag: VLANTag?

  /// A header of these fields.
  public init(
    destination: MACAddress, source: MACAddress, type: EtherType, outerTag: VLANTag? = nil, innerTag: VLANTag? = nil
  ) {
    self.destination = destination
    self.source = source
    self.type = type
    self.outerTag = outerTag
    self.innerTag = innerTag
  }

  /// What a view says.
  @inline(__always)
  public init(_ view: borrowing EthernetView) {
    self.init(
      destination: view.destination, source: view.source, type: view.type, outerTag: view.outerTag,
      innerTag: view.innerTag)
  }

  /// Reads the header at the start of `bytes`.
  public static func parse(_ bytes: Span<UInt8>) throws(WireError) -> EthernetHeader {
    EthernetHeader(try EthernetView(bytes))
  }

  /// Of a header without VLAN tags, in bytes.
  public static let untaggedLength = Field.payload

  /// Gives a frame another destination.
  ///
  /// - Precondition: `out` has room for a header at `offset`.
  @inline(__always)
  public static func patch(destination: MACAddress, into out: inout MutableSpan<UInt8>, at offset: Int = 0) {
    out.requireRoom(Field.payload, at: offset)
    out.store(destination, at: offset &+ Field.destination)
  }

  /// 14, 18 or 22.
  public var length: Int {
    guard outerTag != nil else { return Field.payload }
    return Field.payload &+ (innerTag == nil ? Field.tag : 2 &* Field.tag)
  }

  /// Writes the header; the payload follows at `offset + length`.
  ///
  /// - Precondition: `out` has room for `length` bytes at `offset`.
  public func emit(into out: inout MutableSpan<UInt8>, at offset: Int = 0) {
    out.requireRoom(length, at: offset)
    out.store(destination, at: offset &+ Field.destination)
    out.store(source, at: offset &+ Field.source)
    var at = offset &+ Field.type
    if let outerTag {
      Self.emit(outerTag, into: &out, at: &at)
      if let innerTag { Self.emit(innerTag, into: &out, at: &at) }
    }
    out.store16(type.rawValue, at: at)
  }

  private static func emit(_ tag: VLANTag, into out: inout MutableSpan<UInt8>, at offset: inout Int) {
    out.store16(tag.type.rawValue, at: offset)
    out.store16(tag.control, at: offset &+ 2)
    offset &+= Field.tag
  }
}
