// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenWire

/// A host and the ports to check on it.
struct Target: Hashable, Sendable {
  var host: Endpoint.Host
  var ports: PortSet

  /// Reads `host:22,80,8000-8010`, `[2001:db8::1]:443`, or a host alone where there are ports to go with it.
  ///
  /// - Parameter ports: for a target that names none.
  static func parse(_ text: String, ports: PortSet?) -> Result<Target, InputError> {
    if let ports, let host = hostAlone(text) { return .success(Target(host: host, ports: ports)) }
    let host: String
    let list: String
    let parsed: Endpoint.Host
    do throws(CheckError) {
      (host, list) = try HostSyntax.splitPort(text)
      parsed = try Endpoint.Host(host)
    } catch {
      return .failure(InputError(what: error.subject.withoutPrefix("invalid "), advice: error.advice))
    }
    return Result { () throws(InputError) in Target(host: parsed, ports: try PortSet(list)) }
      .mapError { error in
        var error = error.shifted(by: host.utf8.count + 1)
        error.what += " in '\(text)'"
        return error
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

extension String {
  func withoutPrefix(_ prefix: String) -> String { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self }
}
