// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not the packet they were taken for: which layer, where in the bytes, and what was wrong.
public struct WireError: Error, Hashable, Sendable {
  /// The protocol whose parser gave up.
  public var layer: Layer
  /// Where, in bytes from the start of what the caller handed in: a frame, or what a single view was made of.
  public var offset: Int
  /// What was wrong there.
  public var code: Code

  /// An error of `layer` at `offset`.
  public init(_ layer: Layer, at offset: Int, _ code: Code) {
    self.layer = layer
    self.offset = offset
    self.code = code
  }

  /// The same error as seen by a caller whose bytes begin `distance` bytes earlier.
  func shifted(by distance: Int) -> WireError {
    WireError(layer, at: offset &+ distance, code)
  }
}

extension WireError {
  /// A protocol of this module.
  public struct Layer: Hashable, Sendable, CustomStringConvertible {
    private enum Name: UInt8 {
      case ethernet, linuxCooked, null, arp, ipv4, ipv6, tcp, tcpOptions, icmpv4, icmpv6, neighborDiscovery
    }
    private var name: Name

    /// Ethernet II with its VLAN tags.
    public static let ethernet = Layer(name: .ethernet)
    /// The pseudo link layer of captures on `any`.
    public static let linuxCooked = Layer(name: .linuxCooked)
    /// The pseudo link layer of BSD loopback captures.
    public static let null = Layer(name: .null)
    /// ARP.
    public static let arp = Layer(name: .arp)
    /// IPv4 with its options.
    public static let ipv4 = Layer(name: .ipv4)
    /// IPv6 with its extension headers.
    public static let ipv6 = Layer(name: .ipv6)
    /// TCP.
    public static let tcp = Layer(name: .tcp)
    /// The options of a TCP header.
    public static let tcpOptions = Layer(name: .tcpOptions)
    /// ICMP of IPv4.
    public static let icmpv4 = Layer(name: .icmpv4)
    /// ICMP of IPv6.
    public static let icmpv6 = Layer(name: .icmpv6)
    /// IPv6 neighbour discovery.
    public static let neighborDiscovery = Layer(name: .neighborDiscovery)

    /// The layer's name.
    public var description: String {
      switch name {
      case .ethernet: "Ethernet"
      case .linuxCooked: "Linux cooked capture"
      case .null: "null link layer"
      case .arp: "ARP"
      case .ipv4: "IPv4"
      case .ipv6: "IPv6"
      case .tcp: "TCP"
      case .tcpOptions: "TCP options"
      case .icmpv4: "ICMP"
      case .icmpv6: "ICMPv6"
      case .neighborDiscovery: "neighbour discovery"
      }
    }
  }

  /// What was wrong.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    private enum Kind: Hashable {
      case truncated(needed: Int, had: Int)
      case badVersion(UInt8)
      case badHeaderLength(Int)
      case badLength(Int)
      case badOption(UInt8)
      case tooManyHeaders(Int)
      case unsupported(Int)
    }
    private var kind: Kind

    /// The bytes end before the header does.
    public static func truncated(needed: Int, had: Int) -> Code { Code(kind: .truncated(needed: needed, had: had)) }
    /// The version field holds another version.
    public static func badVersion(_ version: UInt8) -> Code { Code(kind: .badVersion(version)) }
    /// The header claims to be shorter than its fixed part; in bytes.
    public static func badHeaderLength(_ length: Int) -> Code { Code(kind: .badHeaderLength(length)) }
    /// A length field contradicts the header it belongs to; in bytes.
    public static func badLength(_ length: Int) -> Code { Code(kind: .badLength(length)) }
    /// The option of this kind has an impossible length.
    public static func badOption(_ kind: UInt8) -> Code { Code(kind: .badOption(kind)) }
    /// More extension headers than the parser is willing to follow.
    public static func tooManyHeaders(limit: Int) -> Code { Code(kind: .tooManyHeaders(limit)) }
    /// A type field holds a value this parser does not read.
    public static func unsupported(_ value: Int) -> Code { Code(kind: .unsupported(value)) }

    /// Whether more bytes of the same packet might have been enough.
    public var isTruncated: Bool {
      if case .truncated = kind { true } else { false }
    }

    /// The code in words.
    public var description: String {
      switch kind {
      case .truncated(let needed, let had): "needs \(needed) bytes, has \(had)"
      case .badVersion(let version): "version is \(version)"
      case .badHeaderLength(let length): "header length of \(length) bytes is too short"
      case .badLength(let length): "length of \(length) bytes is impossible"
      case .badOption(let kind): "option \(kind) has an impossible length"
      case .tooManyHeaders(let limit): "more than \(limit) extension headers"
      case .unsupported(let value): "type \(value) is not supported"
      }
    }
  }
}

extension WireError: CustomStringConvertible {
  /// Layer, place and reason in one line.
  public var description: String { "\(layer) at byte \(offset): \(code)" }
}
