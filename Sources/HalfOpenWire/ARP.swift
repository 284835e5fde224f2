// SPDX-License-Identifier: Apache-2.0

private enum Field {
  static let hardwareType = 0
  static let protocolType = 2
  static let lengths = 4
  static let operation = 6
  static let senderMAC = 8
  static let senderIP = 14
  static let targetMAC = 18
  static let targetIP = 24
  static let length = 28
}

/// An ARP packet for IPv4 over Ethernet (RFC 826), the only kind there is in practice.
public struct ARPPacket: Hashable, Sendable {
  /// What the packet asks or says.
  public struct Operation: RawRepresentable, Hashable, Sendable {
    /// The number.
    public var rawValue: UInt16

    /// The operation with this number.
    public init(rawValue: UInt16) {
      self.rawValue = rawValue
    }

    /// Who has the target address?
    public static let request = Operation(rawValue: 1)
    /// The sender has the sender address.
    public static let reply = Operation(rawValue: 2)
  }

  /// What the packet asks or says.
  public var operation: Operation
  /// The sender's Ethernet address.
  public var senderMAC: MACAddress
  /// The sender's IPv4 address; unspecified in a probe for duplicates (RFC 5227).
  public var senderIP: IPv4Address
  /// The target's Ethernet address, zero in a request.
  public var targetMAC: MACAddress
  /// The target's IPv4 address.
  public var targetIP: IPv4Address

  /// A packet of these fields.
  public init(
    _ operation: Operation, senderMAC: MACAddress, senderIP: IPv4Address, targetMAC: MACAddress = .zero,
    targetIP: IPv4Address
  ) {
    self.operation = operation
    self.senderMAC = senderMAC
    self.senderIP = senderIP
    self.targetMAC = targetMAC
    self.targetIP = targetIP
  }

  /// Reads a packet; what follows its 28 bytes is padding.
  ///
  /// - Throws: `truncated`, or `unsupported` for other hardware, protocols or address lengths.
  public init(_ bytes: Span<UInt8>) throws(WireError) {
    guard bytes.count >= Field.length else {
      throw WireError(.arp, at: 0, .truncated(needed: Field.length, had: bytes.count))
    }
    for (offset, expected) in Self.constants where bytes.load16(offset) != expected {
      throw WireError(.arp, at: offset, .unsupported(Int(bytes.load16(offset))))
    }
    operation = Operation(rawValue: bytes.load16(Field.operation))
    senderMAC = bytes.loadMAC(Field.senderMAC)
    senderIP = bytes.loadIPv4(Field.senderIP)
    targetMAC = bytes.loadMAC(Field.targetMAC)
    targetIP = bytes.loadIPv4(Field.targetIP)
  }

  /// Ethernet, IPv4, address lengths of 6 and 4.
  private static let constants: [(Int, UInt16)] = [
    (Field.hardwareType, 1), (Field.protocolType, 0x0800), (Field.lengths, 0x0604),
  ]

  /// Reads a packet.
  public static func parse(_ bytes: Span<UInt8>) throws(WireError) -> ARPPacket {
    try ARPPacket(bytes)
  }

  /// 28.
  public var length: Int { Field.length }

  /// Writes the packet.
  ///
  /// - Precondition: `out` has room for `length` bytes at `offset`.
  public func emit(into out: inout MutableSpan<UInt8>, at offset: Int = 0) {
    out.requireRoom(length, at: offset)
    for (field, value) in Self.constants { out.store16(value, at: offset &+ field) }
    out.store16(operation.rawValue, at: offset &+ Field.operation)
    out.store(senderMAC, at: offset &+ Field.senderMAC)
    out.store(senderIP, at: offset &+ Field.senderIP)
    out.store(targetMAC, at: offset &+ Field.targetMAC)
    out.store(targetIP, at: offset &+ Field.targetIP)
  }
}
