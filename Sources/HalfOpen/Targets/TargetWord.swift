// SPDX-License-Identifier: Apache-2.0

/// One target as it is written, on the command line or in a file: hosts, and perhaps ports of their own.
///
/// `192.0.2.1`, `192.0.2.0/24`, `192.0.2.1-192.0.2.9`, `2001:db8::/120`, `fe80::1%eth0`, `www.example`; with ports
/// `192.0.2.0/24:80,443`, `www.example:80`, and for IPv6 in brackets: `[2001:db8::/120]:443`.
package struct TargetWord: Hashable, Sendable {
  package enum Hosts: Hashable, Sendable {
    /// Addresses; `zone` is the interface of scoped IPv6 ones.
    case addresses(AddressRange, zone: String?)
    case name(String)
  }

  package var hosts: Hosts
  /// Nil for the ports that the rest of the command line gives.
  package var ports: PortSet?

  package init(hosts: Hosts, ports: PortSet? = nil) {
    self.hosts = hosts
    self.ports = ports
  }

  /// Reads one target.
  ///
  /// - Throws: `InputError` with the place of the mistake within the text.
  package init(_ text: String) throws(InputError) {
    let (host, portOffset) = try TargetWord.split(text)
    hosts = try TargetWord.hosts(host)
    guard let portOffset else { return }
    do throws(InputError) {
      ports = try PortSet(Substring(text.utf8.dropFirst(portOffset)))
    } catch {
      var error = error.shifted(by: portOffset)
      error.what += " in '\(text)'"
      throw error
    }
  }

  /// The host part, and how many bytes come before the ports. Bare IPv6 has colons and no ports.
  private static func split(_ text: String) throws(InputError) -> (host: String, portOffset: Int?) {
    let isBracketed = text.hasPrefix("[")
    guard let colon = text.lastIndex(of: ":"), !text.hasSuffix("]"),
      isBracketed || text.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1
    else { return (text, nil) }
    return (String(text[..<colon]), text[...colon].utf8.count)
  }

  private static func hosts(_ text: String) throws(InputError) -> Hosts {
    var bare = text[...]
    if bare.hasPrefix("[") {
      guard bare.hasSuffix("]") else {
        throw InputError(
          what: "host '\(text)'", advice: "brackets go around all of it: [2001:db8::1]:443, [2001:db8::/120]:443")
      }
      bare = bare.dropFirst().dropLast()
    }
    let start = text.utf8.distance(from: text.startIndex, to: bare.startIndex)
    if let range = try addresses(bare, offset: start) { return range }
    guard start == 0, HostSyntax.isName(bare) else {
      throw InputError(
        what: "target '\(text)'", advice: "use an address, 192.0.2.0/24, 192.0.2.1-192.0.2.9 or a name")
    }
    return .name(String(bare))
  }

  /// A zone stands after the address, before or behind the prefix length (RFC 4007 section 11.7 has it before).
  private static func addresses(_ text: Substring, offset: Int) throws(InputError) -> Hosts? {
    guard let percent = text.firstIndex(of: "%") else {
      return try range(text, offset: offset).map { .addresses($0, zone: nil) }
    }
    let behind = text[text.index(after: percent)...]
    let zone = behind.prefix { $0 != "/" }
    guard let range = try range(text[..<percent] + behind[zone.endIndex...], offset: offset) else { return nil }
    guard case .v6 = range, HostSyntax.isInterfaceName(zone) else {
      throw InputError(
        offset: offset, what: "zone in '\(text)'",
        advice: "a zone is an interface name after an IPv6 address: fe80::1%eth0")
    }
    return .addresses(range, zone: String(zone))
  }

  private static func range(_ text: Substring, offset: Int) throws(InputError) -> AddressRange? {
    do throws(InputError) { return try AddressRange(text) } catch { throw error.shifted(by: offset) }
  }
}

extension TargetWord: CustomStringConvertible {
  /// The text that `init(_:)` reads.
  package var description: String {
    let host: String
    switch hosts {
    case .name(let name): host = name
    case .addresses(let range, let zone):
      let text = zone.map { "\(range)%\($0)" } ?? "\(range)"
      if case .v6 = range, ports != nil { host = "[\(text)]" } else { host = text }
    }
    return ports.map { "\(host):\($0)" } ?? host
  }
}

/// One line of a targets file: words apart by blanks, and `#` before a comment.
package enum TargetLine {
  /// What `read` makes of each word of a line, in order.
  ///
  /// - Parameter line: without its newline.
  package static func parse<Word>(
    _ line: some Collection<UInt8>, read: (String) -> Result<Word, InputError>
  ) -> [Result<Word, InputError>] {
    var found: [Result<Word, InputError>] = []
    var index = line.startIndex
    var offset = 0
    while index < line.endIndex, line[index] != UInt8(ascii: "#") {
      if isBlank(line[index]) {
        index = line.index(after: index)
        offset += 1
        continue
      }
      let rest = line[index...]
      let end = rest.firstIndex { isBlank($0) || $0 == UInt8(ascii: "#") } ?? rest.endIndex
      found.append(read(String(decoding: rest[..<end], as: UTF8.self)).mapError { $0.shifted(by: offset) })
      offset += line.distance(from: index, to: end)
      index = end
    }
    return found
  }

  /// The targets of a line and the mistakes in it.
  package static func parse(_ line: some Collection<UInt8>) -> [Result<TargetWord, InputError>] {
    parse(line) { text in Result { () throws(InputError) in try TargetWord(text) } }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
}
