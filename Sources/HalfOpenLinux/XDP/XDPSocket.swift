// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import SystemPackage

/// A socket that sends whole Ethernet frames through one queue of an interface, past its queue discipline and with less of
/// the kernel in between than `LinkSocket` has. It receives nothing, and no program is loaded into the kernel for it.
///
/// See Documentation/networking/af_xdp.rst of the kernel. Needs CAP_NET_RAW and Linux 5.4. For one thread at a time; each
/// queue of an interface is good for one such socket. Fails as `LinkSocket` does: with ENETDOWN while the interface is
/// down, with ENXIO once it is gone, with ENOBUFS where the driver refuses a frame or the link has no carrier. Where the
/// driver sends from our memory itself (zero-copy), a frame that it has been given is out of sight.
///
/// It is its own batch: frames are written into the memory that they leave from.
package struct XDPSocket: ~Copyable {
  private var sender: FrameSender<XDPRings>

  /// Binds to the first queue that no such socket has, of the interface of this index in the calling thread's namespace:
  /// zero-copy where the driver has it and works without a program, else with copies made by the kernel.
  ///
  /// Where every queue is taken, waits half a second for one: closed sockets leave theirs late.
  ///
  /// The corresponding C call is `socket(AF_XDP)`.
  /// - Parameters:
  ///   - capacity: frames of one flush.
  ///   - isPatient: false for no such wait, where one has been in vain.
  /// - Throws: `SystemCallError`, with EPERM without CAP_NET_RAW, EAFNOSUPPORT where the kernel has no AF_XDP, ENOBUFS
  ///   where the process may not lock that much memory (RLIMIT_MEMLOCK), EBUSY where every queue is taken, ENODEV for an
  ///   interface that is not there.
  package init(interfaceIndex: UInt32, capacity: Int = 64, isPatient: Bool = true) throws(SystemCallError) {
    let rings: XDPRings
    if let direct = XDPSocket.zeroCopy(interfaceIndex) {
      rings = direct
    } else {
      rings = try XDPRings(interfaceIndex: interfaceIndex, isZeroCopy: false, isPatient: isPatient)
    }
    sender = FrameSender(rings, capacity: capacity, frames: XDPRings.frames, places: XDPRings.frames)
  }

  /// Many a driver takes the memory but sends nothing before a program is loaded, and says so when it is to send.
  private static func zeroCopy(_ interfaceIndex: UInt32) -> XDPRings? {
    guard let rings = try? XDPRings(interfaceIndex: interfaceIndex, isZeroCopy: true) else { return nil }
    guard rings.kick() == nil else { return nil }
    return rings
  }

  /// The driver sends from our memory; else the kernel makes copies.
  package var isZeroCopy: Bool { !sender.port.takesInKick }

  /// Why no such socket can be opened here, whatever the interface; nil where one can.
  package static func obstacle() -> SystemCallError? {
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    do throws(SystemCallError) {
      _ = try Descriptor(opening: "socket(AF_XDP)") { socket(AF_XDP, type, 0) }
      return nil
    } catch {
      return error
    }
  }

  /// Frames appended since the last flush.
  package var count: Int { sender.count }
}

extension XDPSocket: FrameBatch {
  package mutating func append(
    _ number: Int, length: Int, start: Int, begin: (inout MutableSpan<UInt8>) -> Void,
    fill: (_ index: Int, _ frame: inout MutableSpan<UInt8>) -> UInt64
  ) { sender.append(number, length: length, start: start, begin: begin, fill: fill) }

  /// Sends everything in order and empties the batch, as `TransmitBatch` does.
  @discardableResult
  package mutating func flush(onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) -> Int {
    sender.flush(onFailure: onFailure)
  }
}
