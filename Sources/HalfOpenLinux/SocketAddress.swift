// SPDX-License-Identifier: Apache-2.0

package import Glibc
package import HalfOpenWire

/// An IP address with scope and a port: what `sockaddr_in` and `sockaddr_in6` say.
package struct SocketAddress: Hashable, Sendable {
  package var address: IPAddress
  /// The interface index of an IPv6 zone, 0 for none.
  package var scope: UInt32
  package var port: UInt16

  package init(_ address: IPAddress, port: UInt16, scope: UInt32 = 0) {
    self.address = address
    self.port = port
    self.scope = scope
  }

  package var family: CInt {
    switch address {
    case .v4: AF_INET
    case .v6: AF_INET6
    }
  }

  /// The kernel's form of this address, in storage that holds either family, with its length.
  package var native: (storage: sockaddr_in6, length: socklen_t) {
    switch address {
    case .v4(let v4):
      var form = sockaddr_in()
      form.sin_family = sa_family_t(AF_INET)
      form.sin_port = port.bigEndian
      form.sin_addr.s_addr = v4.rawValue.bigEndian
      var storage = sockaddr_in6()
      // SAFETY: both are plain data and sockaddr_in (16 bytes) fits into sockaddr_in6 (28).
      unsafe withUnsafeMutableBytes(of: &storage) { target in
        unsafe withUnsafeBytes(of: form) { source in unsafe target.copyMemory(from: source) }
      }
      return (storage, socklen_t(MemoryLayout<sockaddr_in>.size))
    case .v6(let v6):
      var form = sockaddr_in6()
      form.sin6_family = sa_family_t(AF_INET6)
      form.sin6_port = port.bigEndian
      form.sin6_scope_id = scope
      let words = (v6.high.bigEndian, v6.low.bigEndian)
      // SAFETY: in6_addr is sixteen plain bytes, as are the two words.
      unsafe withUnsafeMutableBytes(of: &form.sin6_addr) { target in
        unsafe withUnsafeBytes(of: words) { source in unsafe target.copyMemory(from: source) }
      }
      return (form, socklen_t(MemoryLayout<sockaddr_in6>.size))
    }
  }

  /// Reads what the kernel wrote; nil for a family that is not IP.
  package init?(native: sockaddr_in6) {
    switch CInt(native.sin6_family) {
    case AF_INET6:
      // SAFETY: in6_addr is sixteen plain bytes.
      let words = unsafe withUnsafeBytes(of: native.sin6_addr) { bytes in
        unsafe (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      }
      self.init(
        .v6(IPv6Address(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1))),
        port: UInt16(bigEndian: native.sin6_port), scope: native.sin6_scope_id)
    case AF_INET:
      // SAFETY: sockaddr_in is plain data and smaller than sockaddr_in6.
      let form = unsafe withUnsafeBytes(of: native) { unsafe $0.loadUnaligned(as: sockaddr_in.self) }
      self.init(
        .v4(IPv4Address(rawValue: UInt32(bigEndian: form.sin_addr.s_addr))), port: UInt16(bigEndian: form.sin_port))
    default: return nil
    }
  }

  /// Lends the kernel's form to one call.
  package func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    var (storage, length) = native
    // SAFETY: the storage is a sockaddr of the family it names and lives for the call.
    return unsafe withUnsafePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
    }
  }
}
