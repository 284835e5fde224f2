// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// A TUN device: what the kernel routes to it is read here, what is written here arrives at the kernel. Packets begin
/// with the IP header. See Documentation/networking/tuntap.rst of the kernel.
package struct TunDevice: ~Copyable, Sendable {
  private let descriptor: Descriptor

  /// Makes the device in the calling thread's namespace; it goes with this owner.
  ///
  /// The corresponding C call is `ioctl(TUNSETIFF)`.
  package init(name: String) throws(SystemCallError) {
    // SAFETY: the name is a C string for the call; the shim copies at most IFNAMSIZ - 1 bytes of it.
    descriptor = Descriptor(owning: try retrying("ioctl(TUNSETIFF)") { unsafe clinux_open_tun(name) })
  }

  package var rawValue: CInt { descriptor.rawValue }

  /// Takes the next packet.
  /// - Returns: its length, or nil where none waits.
  package func read(into buffer: inout [UInt8]) throws(SystemCallError) -> Int? {
    do {
      // SAFETY: at most `buffer.count` bytes are written to `buffer`.
      return try retryingSize("read(tun)") { unsafe Glibc.read(descriptor.rawValue, &buffer, buffer.count) }
    } catch  where error.errno == .resourceTemporarilyUnavailable {
      return nil
    }
  }

  /// Hands one packet to the kernel. Safe from any thread.
  package func write(_ packet: Span<UInt8>) throws(SystemCallError) {
    // SAFETY: no more bytes are read than the span has.
    try retryingSize("write(tun)") {
      unsafe packet.withUnsafeBytes { bytes in unsafe Glibc.write(descriptor.rawValue, bytes.baseAddress, bytes.count) }
    }
  }
}
