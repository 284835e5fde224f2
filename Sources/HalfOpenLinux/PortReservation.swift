// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import HalfOpenWire
import SystemPackage

/// A TCP port that no other socket of the namespace gets while this lives: bound on every address, never used.
///
/// A port bound like this is passed over when the kernel picks one for `connect` (`__inet_hash_connect` in
/// net/ipv4/inet_hashtables.c), and the kernel answers an unexpected SYN-ACK to it with a RST as to any other port.
package final class PortReservation: Sendable {
  package let port: UInt16
  private let descriptor: Descriptor

  /// - Throws: `SystemCallError`, EADDRINUSE where the port is in use on any address.
  package init(_ port: UInt16) throws(SystemCallError) {
    self.port = port
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    do throws(SystemCallError) {
      // One socket for both families, where there are both.
      let descriptor = try Descriptor(opening: "socket") { socket(AF_INET6, type, 0) }
      var zero: CInt = 0
      // SAFETY: the kernel reads one int.
      try retrying("setsockopt(IPV6_V6ONLY)") {
        unsafe setsockopt(descriptor.rawValue, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &zero, 4)
      }
      try PortReservation.bind(descriptor, SocketAddress(.v6(IPv6Address(high: 0, low: 0)), port: port))
      self.descriptor = descriptor
    } catch {
      guard error.errno == .addressFamilyNotSupported || error.errno == .addressNotAvailable else { throw error }
      let descriptor = try Descriptor(opening: "socket") { socket(AF_INET, type, 0) }
      try PortReservation.bind(descriptor, SocketAddress(.v4(IPv4Address(rawValue: 0)), port: port))
      self.descriptor = descriptor
    }
  }

  private static func bind(_ descriptor: borrowing Descriptor, _ address: SocketAddress) throws(SystemCallError) {
    let fd = descriptor.rawValue
    try retrying("bind") { unsafe address.withSockaddr { unsafe Glibc.bind(fd, $0, $1) } }
  }
}

/// The ports that the kernel picks from for sockets that do not choose: `net.ipv4.ip_local_port_range` (ip(7)).
///
/// - Returns: the kernel's default where the file can't be read.
package func ephemeralPorts() -> ClosedRange<UInt16> {
  let fallback: ClosedRange<UInt16> = 32768...60999
  guard let text = readSmallFile("/proc/sys/net/ipv4/ip_local_port_range") else { return fallback }
  let numbers = text.split(whereSeparator: \.isWhitespace).compactMap { UInt16($0) }
  guard numbers.count == 2, numbers[0] <= numbers[1] else { return fallback }
  return numbers[0]...numbers[1]
}

/// The first 4096 bytes of a file of /proc or /sys as text; nil where it can't be read.
package func readSmallFile(_ path: String) -> String? {
  guard let fd = try? retrying("open", { unsafe open(path, O_RDONLY | O_CLOEXEC) }) else { return nil }
  let descriptor = Descriptor(owning: fd)
  return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { room in
    // SAFETY: at most `room.count` bytes are written.
    let count = unsafe read(descriptor.rawValue, room.baseAddress, room.count)
    guard count >= 0 else { return nil }
    return unsafe String(decoding: room[..<count], as: UTF8.self)
  }
}
