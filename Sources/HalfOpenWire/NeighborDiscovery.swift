// SPDX-License-Identifier: Apache-2.0

private enum Field {
  static let flags = 4
  static let target = 8
  static let options = 24
}

private enum OptionKind {
  static let sourceLinkAddress: UInt8 = 1
  static let targetLinkAddress: UInt8 = 2
}

/// A neighbour solicitation or advertisement (RFC 4861 sections 4.3 and 4.4), with the link-layer address it carries.
public struct NeighborMessage: Hashable, Sendable {
  /// Question or answer.
  public enum Kind: Hashable, Sendable {
    /// Who has the target address?
    case solicitation
    /// The target address is here.
    case advertisement
  }

  /// Question or answer.
  public var kind: Kind
  /// The address asked for or announced.
  public var target: IPv6Address
  /// The Ethernet address in the source (solicitation) or target (advertisement) link-layer address option.
  public var linkAddress: MACAddress?
  /// Advertisement: the sender is a router.
  public var isRouter: Bool
  /// Advertisement: it answers a solicitation.
  public var isSolicited: Bool
  /// Advertisement: it replaces what a cache holds.
  public var isOverride: Bool

  /// A message of these fields.
  public init(
    _ kind: Kind, target: IPv6Address, linkAddress: MACAddress? = nil, isRouter: Bool = false,
    isSolicited: Bool = false, isOverride: Bool = false
  ) {
    self.kind = kind
    self.target = target
    self.linkAddress = linkAddress
    self.isRouter = isRouter
    self.isSolicited = isSolicited
    self.isOverride = isOverride
  }

  /// Reads a message from its ICMPv6 type on. That its hop limit was 255 (RFC 4861 section 7.1) is for the caller to
  /// check.
  ///
  /// - Throws: `truncated`, `unsupported` for another type, `badOption` for an option of no length.
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Field.options else {
      throw WireError(.neighborDiscovery, at: 0, .truncated(needed: Field.options, had: bytes.count))
    }
    switch bytes.load8(0) {
    case ICMPv6Header.neighborSolicitation: kind = .solicitation
    case ICMPv6Header.neighborAdvertisement: kind = .advertisement
    case let type: throw WireError(.neighborDiscovery, at: 0, .unsupported(Int(type)))
    }
    let flags = kind == .advertisement ? bytes.load8(Field.flags) : 0
    isRouter = flags & 0x80 != 0
    isSolicited = flags & 0x40 != 0
    isOverride = flags & 0x20 != 0
    target = bytes.loadIPv6(Field.target)
    let wanted = kind == .solicitation ? OptionKind.sourceLinkAddress : OptionKind.targetLinkAddress
    var offset = Field.options
    while offset < bytes.count {
      guard bytes.count &- offset >= 8 else {
        throw WireError(.neighborDiscovery, at: offset, .truncated(needed: 8, had: bytes.count &- offset))
      }
      let option = bytes.load8(offset)
      let length = Int(bytes.load8(offset &+ 1)) &* 8
      guard length > 0 else { throw WireError(.neighborDiscovery, at: offset, .badOption(option)) }
      guard length <= bytes.count &- offset else {
        throw WireError(.neighborDiscovery, at: offset, .truncated(needed: length, had: bytes.count &- offset))
      }
      if option == wanted, length == 8 { linkAddress = bytes.loadMAC(offset &+ 2) }
      offset &+= length
    }
  }

  /// Reads a message from its ICMPv6 type on.
  public static func parse(_ bytes: Span<UInt8>) throws(WireError) -> NeighborMessage {
    try NeighborMessage(bytes)
  }

  /// 24, or 32 with a link-layer address.
  public var length: Int { linkAddress == nil ? Field.options : Field.options &+ 8 }

  /// Writes the whole ICMPv6 message with its checksum. The IPv6 header in front of it needs a hop limit of 255.
  ///
  /// - Precondition: `out` has room for `length` bytes at `offset`.
  public func emit(
    into out: inout MutableSpan<UInt8>, at offset: Int = 0, source: IPv6Address, destination: IPv6Address
  ) {
    out.requireRoom(length, at: offset)
    out.store(target, at: offset &+ Field.target)
    if let linkAddress {
      let option = kind == .solicitation ? OptionKind.sourceLinkAddress : OptionKind.targetLinkAddress
      out.store8(option, at: offset &+ Field.options)
      out.store8(1, at: offset &+ Field.options &+ 1)
      out.store(linkAddress, at: offset &+ Field.options &+ 2)
    }
    let type = kind == .solicitation ? ICMPv6Header.neighborSolicitation : ICMPv6Header.neighborAdvertisement
    let flags: UInt32 = (isRouter ? 0x80 : 0) | (isSolicited ? 0x40 : 0) | (isOverride ? 0x20 : 0)
    ICMPv6Header(type: type, code: 0, rest: kind == .advertisement ? flags << 24 : 0)
      .emit(into: &out, at: offset, source: source, destination: destination, payloadLength: length &- 8)
  }
}
