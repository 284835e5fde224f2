// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import SystemPackage

/// What this process may really do, found out by doing it: user id 0 proves nothing in a container, and a file
/// capability makes up for it.
package struct Capabilities: Hashable, Sendable {
  /// Why no raw IP socket can be opened; nil where it can.
  package var rawSocketError: Errno?
  /// Why no packet socket can be opened, which libpcap needs; nil where it can.
  package var packetSocketError: Errno?
  /// CAP_NET_RAW in the effective set, for messages. The sockets decide.
  package var hasNetRaw: Bool
  /// CAP_NET_ADMIN in the effective set, for messages.
  package var hasNetAdmin: Bool

  package var canOpenRawSocket: Bool { rawSocketError == nil }
  package var canOpenPacketSocket: Bool { packetSocketError == nil }
  /// Both that the packet engine needs.
  package var canSendAndCapture: Bool { canOpenRawSocket && canOpenPacketSocket }

  /// Opens one socket of each kind and closes it again. Nothing is sent or received.
  package static func probe() -> Capabilities {
    let effective = effectiveSet()
    return Capabilities(
      rawSocketError: failure(AF_INET, protocol: CInt(IPPROTO_RAW)),
      // Protocol 0: the socket never receives (packet(7)).
      packetSocketError: failure(AF_PACKET, protocol: 0),
      hasNetRaw: effective & 1 << UInt64(CAP_NET_RAW) != 0, hasNetAdmin: effective & 1 << UInt64(CAP_NET_ADMIN) != 0)
  }

  /// Takes every capability from the calling thread, and so from the threads that it starts.
  ///
  /// The corresponding C function is `capset`.
  package static func drop() throws(SystemCallError) {
    var header = __user_cap_header_struct(version: UInt32(_LINUX_CAPABILITY_VERSION_3), pid: 0)
    var sets = [__user_cap_data_struct(), __user_cap_data_struct()]
    // SAFETY: version 3 reads two elements (capset(2)).
    try retrying("capset") { unsafe clinux_capset(&header, &sets) }
  }

  /// The command that gives this program what it lacks. `sudo` runs it.
  package static var grantCommand: String { "sudo setcap cap_net_raw=ep \(shellQuoted(executablePath))" }

  /// Where this program is, or its name if /proc is not there.
  package static var executablePath: String {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let room = buffer.count
    // SAFETY: the kernel writes at most `room` bytes.
    let length = unsafe readlink("/proc/self/exe", &buffer, room)
    return length > 0
      ? String(decoding: buffer.prefix(length), as: UTF8.self) : CommandLine.arguments.first ?? "halfopen"
  }

  private static func failure(_ domain: CInt, protocol number: CInt) -> Errno? {
    do throws(SystemCallError) {
      let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
      _ = try Descriptor(opening: "socket(SOCK_RAW)") { socket(domain, type, number) }
      return nil
    } catch {
      return error.errno
    }
  }

  /// The calling thread's effective capabilities, none if the kernel does not say.
  ///
  /// The corresponding C function is `capget`.
  private static func effectiveSet() -> UInt64 {
    var header = __user_cap_header_struct(version: UInt32(_LINUX_CAPABILITY_VERSION_3), pid: 0)
    var sets: [2 of __user_cap_data_struct] = [__user_cap_data_struct(), __user_cap_data_struct()]
    // SAFETY: version 3 writes two elements (capget(2)).
    let result = unsafe withUnsafeMutablePointer(to: &sets) { pointer in
      unsafe pointer.withMemoryRebound(to: __user_cap_data_struct.self, capacity: 2) {
        unsafe clinux_capget(&header, $0)
      }
    }
    return result == 0 ? UInt64(sets[1].effective) << 32 | UInt64(sets[0].effective) : 0
  }

  /// A word as a shell reads it.
  package static func shellQuoted(_ path: String) -> String {
    let plain = path.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"), UInt8(ascii: "+"):
        true
      default: false
      }
    }
    return plain
      ? path : "'" + path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
