// SPDX-License-Identifier: Apache-2.0

public import HalfOpenWire

/// Where to knock: a host and a TCP port.
public struct Endpoint: Hashable, Sendable {
  /// A host, by address or by name.
  public enum Host: Hashable, Sendable {
    /// An address. `zone` is the interface of a scoped IPv6 address: the `eth0` of `fe80::1%eth0` (RFC 4007 §11).
    case address(IPAddress, zone: String?)
    /// A name that a checker resolves within the check's deadline.
    case name(String)
  }

  /// The host.
  public var host: Host
  /// The port, 1 to 65535.
  public var port: UInt16

  /// An endpoint by parts.
  public init(host: Host, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// An endpoint at an address.
  public init(_ address: IPAddress, zone: String? = nil, port: UInt16) {
    self.init(host: .address(address, zone: zone), port: port)
  }

  /// Reads `host:port`, `192.0.2.1:80`, `[2001:db8::1]:80` or `[fe80::1%eth0]:80`.
  ///
  /// - Throws: `CheckError` with code `.invalidArgument` that says what is wrong and shows a right one.
  public init(_ text: String) throws(CheckError) {
    let (host, port) = try HostSyntax.splitPort(text)
    guard let number = UInt16(port), number > 0, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw .invalid("port '\(port)' in '\(text)'", advice: "use a number from 1 to 65535, as in example.com:443")
    }
    self.init(host: try Host(host), port: number)
  }
}

extension Endpoint.Host {
  /// Reads an address, with zone, in brackets or not, or a name.
  ///
  /// - Throws: `CheckError` with code `.invalidArgument`.
  public init(_ text: String) throws(CheckError) {
    var bare = Substring(text)
    let bracketed = bare.hasPrefix("[")
    if bracketed {
      guard bare.hasSuffix("]") else { throw .invalid("host '\(text)'", advice: "close the bracket: [2001:db8::1]") }
      bare = bare.dropFirst().dropLast()
    }
    let parts = bare.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    if let head = parts.first, let address = IPAddress(head) {
      guard parts.count == 2 else {
        self = .address(address, zone: nil)
        return
      }
      guard case .v6 = address, HostSyntax.isInterfaceName(parts[1]) else {
        throw .invalid("zone in '\(text)'", advice: "a zone is an interface name after an IPv6 address: fe80::1%eth0")
      }
      self = .address(address, zone: String(parts[1]))
      return
    }
    guard !bracketed, HostSyntax.isName(bare) else {
      throw .invalid("host '\(text)'", advice: "use a name, an IPv4 address or an IPv6 address in brackets")
    }
    self = .name(String(bare))
  }
}

extension Endpoint: CustomStringConvertible {
  /// The text that `init(_:)` reads.
  public var description: String {
    switch host {
    case .address(.v6, _): "[\(host)]:\(port)"
    default: "\(host):\(port)"
    }
  }
}

extension Endpoint.Host: CustomStringConvertible {
  /// The host alone, without brackets.
  public var description: String {
    switch self {
    case .address(let address, let zone?): "\(address)%\(zone)"
    case .address(let address, nil): "\(address)"
    case .name(let name): name
    }
  }
}

/// The grammar that endpoints and the command's targets share.
package enum HostSyntax {
  /// Splits at the colon before the port, minding the colons of IPv6.
  package static func splitPort(_ text: String) throws(CheckError) -> (host: String, port: String) {
    guard let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") else {
      throw .invalid("endpoint '\(text)': no port", advice: "add one, as in \(text.isEmpty ? "host" : text):80")
    }
    let host = text[..<colon]
    if host.contains(":"), !host.hasPrefix("[") {
      throw .invalid("endpoint '\(text)'", advice: "put an IPv6 address in brackets, as in [2001:db8::1]:80")
    }
    return (String(host), String(text[text.index(after: colon)...]))
  }

  /// IFNAMSIZ is 16 with the final zero; no slash and no white space (net/core/dev.c, dev_valid_name).
  package static func isInterfaceName(_ text: some StringProtocol) -> Bool {
    let bytes = text.utf8
    return (1...15).contains(bytes.count) && bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x2f && $0 != 0x3a }
  }

  /// Letters, digits, hyphens and underscores in labels up to 63 (RFC 1123 §2.1), and not all digits and dots: that
  /// would be a mistyped address.
  package static func isName(_ text: some StringProtocol) -> Bool {
    let bytes = text.utf8
    guard (1...253).contains(bytes.count), !text.hasSuffix("-") else { return false }
    guard bytes.contains(where: { !(0x30...0x39).contains($0) && $0 != 0x2e }) else { return false }
    var label = 0
    for byte in bytes {
      switch byte {
      case 0x2e:
        guard label > 0 else { return false }
        label = 0
      case 0x2d where label == 0: return false
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x2d:
        label += 1
        guard label <= 63 else { return false }
      default: return false
      }
    }
    return true
  }
}
