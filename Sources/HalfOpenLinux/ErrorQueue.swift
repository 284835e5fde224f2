// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire
package import SystemPackage

/// One entry of a socket's error queue: `struct sock_extended_err` of <linux/errqueue.h>.
package struct QueuedError: Hashable, Sendable {
  /// Who made the entry.
  package enum Origin: UInt8, Sendable {
    case local = 1
    case icmp = 2
    case icmpv6 = 3
  }

  package var origin: Origin
  package var errno: Errno
  package var type: UInt8
  package var code: UInt8
  /// Who sent the ICMP error, where it is known.
  package var offender: IPAddress?

  package init(origin: Origin, errno: Errno, type: UInt8 = 0, code: UInt8 = 0, offender: IPAddress? = nil) {
    self.origin = origin
    self.errno = errno
    self.type = type
    self.code = code
    self.offender = offender
  }
}

/// Empties a socket's error queue and returns the entry that says most: the first ICMP error, else the first local one.
///
/// Emptying also clears what SO_ERROR would have said (`sock_dequeue_err_skb`): the entry has to be kept.
/// The corresponding C call is `recvmsg(MSG_ERRQUEUE)`.
func drainErrorQueue(of socket: CInt) -> QueuedError? {
  var best: QueuedError?
  // A peer can queue errors as fast as we read them.
  for _ in 0..<16 {
    guard let step = nextQueuedError(of: socket) else { break }
    guard let entry = step.entry else { continue }
    if best == nil || (best?.origin == .local && entry.origin != .local) { best = entry }
  }
  return best
}

/// The next entry; nil at the queue's end. An entry of another kind, such as a time stamp, is a step without an entry.
private func nextQueuedError(of socket: CInt) -> (entry: QueuedError?, Void)? {
  // SAFETY: the control buffer is zeroed, aligned as cmsghdr wants, outlives the call, and the kernel writes within it.
  unsafe withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { control in
    unsafe control.initializeMemory(as: UInt8.self, repeating: 0)
    var message = unsafe msghdr()
    unsafe message.msg_control = control.baseAddress
    unsafe message.msg_controllen = control.count
    let received: Int?
    do throws(SystemCallError) {
      received = try retryingSize("recvmsg(MSG_ERRQUEUE)") {
        unsafe recvmsg(socket, &message, CInt(MSG_ERRQUEUE) | CInt(MSG_DONTWAIT))
      }
    } catch {
      received = nil
    }
    guard received != nil else { return nil }
    var header = unsafe clinux_cmsg_first(&message)
    while let current = unsafe header {
      if let entry = unsafe queuedError(current) { return (entry, ()) }
      unsafe header = clinux_cmsg_next(&message, current)
    }
    return (nil, ())
  }
}

/// - Safety: `header` is a control message of a `recvmsg` whose buffer is alive.
@unsafe private func queuedError(_ header: UnsafeMutablePointer<cmsghdr>) -> QueuedError? {
  let (level, kind) = unsafe (header.pointee.cmsg_level, header.pointee.cmsg_type)
  guard
    (level == CInt(IPPROTO_IP) && kind == CInt(CLINUX_IP_RECVERR))
      || (level == CInt(IPPROTO_IPV6) && kind == CInt(CLINUX_IPV6_RECVERR))
  else { return nil }
  let fixed = MemoryLayout<sock_extended_err>.size
  let length = unsafe Int(header.pointee.cmsg_len) - MemoryLayout<cmsghdr>.size
  // SAFETY: cmsg_len bounds what is read; loads are unaligned and of plain data.
  guard length >= fixed, let data = unsafe clinux_cmsg_data(header) else { return nil }
  let error = unsafe data.loadUnaligned(as: sock_extended_err.self)
  guard let origin = QueuedError.Origin(rawValue: error.ee_origin) else { return nil }
  var sender = sockaddr_in6()
  let room = min(length - fixed, MemoryLayout<sockaddr_in6>.size)
  unsafe withUnsafeMutableBytes(of: &sender) { target in
    // The offender follows the fixed part (SO_EE_OFFENDER).
    unsafe target.copyMemory(from: UnsafeRawBufferPointer(start: data + fixed, count: room))
  }
  return QueuedError(
    origin: origin, errno: Errno(rawValue: CInt(truncatingIfNeeded: error.ee_errno)), type: error.ee_type,
    code: error.ee_code, offender: room >= 16 ? SocketAddress(native: sender)?.address : nil)
}
