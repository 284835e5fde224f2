// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenWire

/// A piece of input that makes no sense, and where in its text.
struct InputError: Error, Hashable, Sendable {
  /// Bytes before the piece.
  var offset: Int
  var what: String
  var advice: String
}

/// A host and the ports to check on it.
struct Target: Hashable, Sendable {
  var host: Endpoint.Host
  var ports: PortList

  /// Reads `host:22,80,8000-8010`, `[2001:db8::1]:443`, or a host alone where there are ports to go with it.
  ///
  /// - Parameter ports: for a target that names none.
  static func parse(_ text: String, ports: PortList?) -> Result<Target, InputError> {
    if let ports, let host = hostAlone(text) { return .success(Target(host: host, ports: ports)) }
    do throws(CheckError) {
      let (host, list) = try HostSyntax.splitPort(text)
      let parsed = try Endpoint.Host(host)
      switch PortList.parse(list) {
      case .success(let ports): return .success(Target(host: parsed, ports: ports))
      case .failure(var error):
        error.offset += host.utf8.count + 1
        error.what += " in '\(text)'"
        return .failure(error)
      }
    } catch {
      return .failure(InputError(offset: 0, what: error.subject.withoutPrefix("invalid "), advice: error.advice))
    }
  }

  /// A target without a port: a name or IPv4 address without a colon, or IPv6 in brackets or bare.
  private static func hostAlone(_ text: String) -> Endpoint.Host? {
    if text.utf8.contains(UInt8(ascii: ":")), !text.hasSuffix("]"), IPAddress(text) == nil, !text.contains("%") {
      return nil
    }
    return try? Endpoint.Host(text)
  }
}

/// One line of a targets file: targets apart by blanks, and `#` before a comment.
enum TargetLine {
  /// The targets of a line and the mistakes in it, in their order.
  /// - Parameter line: without its newline.
  static func parse(_ line: some Collection<UInt8>, ports: PortList?) -> [Result<Target, InputError>] {
    var found: [Result<Target, InputError>] = []
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
      let word = String(decoding: rest[..<end], as: UTF8.self)
      found.append(
        Target.parse(word, ports: ports).mapError {
          InputError(offset: $0.offset + offset, what: $0.what, advice: $0.advice)
        })
      offset += line.distance(from: index, to: end)
      index = end
    }
    return found
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
}

extension String {
  func withoutPrefix(_ prefix: String) -> String { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self }
}
