// SPDX-License-Identifier: Apache-2.0

private enum Field1 {
  static let packetType = 0
  static let hardwareType = 2
  static let addressLength = 4
  static let address = 6
  static let type = 14
  static let length = 16
}

private enum Field2 {
  static let type = 0
  static let interfaceIndex = 4
  static let hardwareType = 8
  static let packetType = 10
  static let addressLength = 11
  static let address = 12
  static let length = 20
}

/// The pseudo link layer of a capture on `any`: LINKTYPE_LINUX_SLL, or LINKTYPE_LINUX_SLL2 which also names the
/// interface (https://www.tcpdump.org/linktypes.html).
public struct LinuxCookedHeader: Hashable, Sendable {
  /// Which of the two headers.
  public enum Version: Hashable, Sendable {
    /// LINKTYPE_LINUX_SLL, 16 bytes.
    case one
    /// LINKTYPE_LINUX_SLL2, 20 bytes.
    case two
  }

  /// Whom the packet was for, as the kernel saw it.
  public struct PacketType: RawRepresentable, Hashable, Sendable {
    /// The kernel's `sll_pkttype`.
    public var rawValue: UInt16

    /// The type with this number.
    public init(rawValue: UInt16) {
      self.rawValue = rawValue
    }

    /// For this host.
    public static let host = PacketType(rawValue: 0)
    /// For all hosts of the link.
    public static let broadcast = PacketType(rawValue: 1)
    /// For a group.
    public static let multicast = PacketType(rawValue: 2)
    /// For another host.
    public static let otherHost = PacketType(rawValue: 3)
    /// Sent by this host.
    public static let outgoing = PacketType(rawValue: 4)
  }

  /// Which of the two headers.
  public var version: Version
  /// Whom the packet was for.
  public var packetType: PacketType
  /// The interface, 0 in version one.
  public var interfaceIndex: UInt32
  /// The interface's kind (`ARPHRD_*`).
  public var hardwareType: UInt16
  /// The sender's Ethernet address, where the link has such addresses.
  public var address: MACAddress?
  /// What the packet is, as an EtherType; below 0x600 a Linux-specific number.
  public var type: EtherType

  /// A header of these fields.
  public init(
    version: Version, packetType: PacketType, interfaceIndex: UInt32 = 0, hardwareType: UInt16 = 1,
    address: MACAddress?, type: EtherType
  ) {
    self.version = version
    self.packetType = packetType
    self.interfaceIndex = interfaceIndex
    self.hardwareType = hardwareType
    self.address = address
    self.type = type
  }

  /// Reads the header at the start of `bytes`.
  ///
  /// - Throws: `truncated`.
  public init(_ bytes: Span<UInt8>, version: Version) throws(WireError) {
    let length = version == .one ? Field1.length : Field2.length
    guard bytes.count >= length else {
      throw WireError(.linuxCooked, at: 0, .truncated(needed: length, had: bytes.count))
    }
    self.version = version
    switch version {
    case .one:
      packetType = PacketType(rawValue: bytes.load16(Field1.packetType))
      hardwareType = bytes.load16(Field1.hardwareType)
      interfaceIndex = 0
      address = bytes.load16(Field1.addressLength) == 6 ? bytes.loadMAC(Field1.address) : nil
      type = EtherType(rawValue: bytes.load16(Field1.type))
    case .two:
      packetType = PacketType(rawValue: UInt16(bytes.load8(Field2.packetType)))
      hardwareType = bytes.load16(Field2.hardwareType)
      interfaceIndex = bytes.load32(Field2.interfaceIndex)
      address = bytes.load8(Field2.addressLength) == 6 ? bytes.loadMAC(Field2.address) : nil
      type = EtherType(rawValue: bytes.load16(Field2.type))
    }
  }

  /// 16 or 20.
  public var length: Int { version == .one ? Field1.length : Field2.length }

  /// Writes the header; the packet follows at `offset + length`.
  ///
  /// - Precondition: `out` has room for `length` bytes at `offset`.
  public func emit(into out: inout MutableSpan<UInt8>, at offset: Int = 0) {
    out.requireRoom(length, at: offset)
    let link = address ?? .zero
    let linkLength: UInt8 = address == nil ? 0 : 6
    switch version {
    case .one:
      out.store16(packetType.rawValue, at: offset &+ Field1.packetType)
      out.store16(hardwareType, at: offset &+ Field1.hardwareType)
      out.store16(UInt16(linkLength), at: offset &+ Field1.addressLength)
      out.store(link, at: offset &+ Field1.address)
      out.store16(0, at: offset &+ Field1.address &+ 6)
      out.store16(type.rawValue, at: offset &+ Field1.type)
    case .two:
      out.store16(type.rawValue, at: offset &+ Field2.type)
      out.store16(0, at: offset &+ Field2.type &+ 2)
      out.store32(interfaceIndex, at: offset &+ Field2.interfaceIndex)
      out.store16(hardwareType, at: offset &+ Field2.hardwareType)
      out.store8(UInt8(truncatingIfNeeded: packetType.rawValue), at: offset &+ Field2.packetType)
      out.store8(linkLength, at: offset &+ Field2.addressLength)
      out.store(link, at: offset &+ Field2.address)
      out.store16(0, at: offset &+ Field2.address &+ 6)
    }
  }
}
