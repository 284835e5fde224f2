// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Moves the calling thread, and no other, into a new network namespace that has nothing but a `lo` that is down.
///
/// The corresponding C call is `unshare(CLONE_NEWNET)`. Call it on a ``DedicatedThread`` only.
/// - Returns: a handle to the namespace, which lives while a handle, a thread, or a socket holds it.
package func unshareNetworkNamespace() throws(SystemCallError) -> Descriptor {
  try retrying("unshare(CLONE_NEWNET)") { clinux_unshare(CInt(CLINUX_CLONE_NEWNET)) }
  // SAFETY: the path is a literal that outlives the call.
  return try Descriptor(opening: "open(/proc/thread-self/ns/net)") {
    unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
  }
}

/// Moves the calling thread, and no other, into the namespace of `handle`; threads it starts begin there.
///
/// The corresponding C call is `setns`. Call it on a ``DedicatedThread`` only.
package func enterNetworkNamespace(_ handle: borrowing Descriptor) throws(SystemCallError) {
  let fd = handle.rawValue
  try retrying("setns(CLONE_NEWNET)") { clinux_setns(fd, CInt(CLINUX_CLONE_NEWNET)) }
}

/// Whether the interface is up and carries packets, in the calling thread's namespace.
///
/// The corresponding C call is `ioctl(SIOCGIFFLAGS)`.
package func isInterfaceRunning(_ name: String) throws(SystemCallError) -> Bool {
  let any = try Descriptor(opening: "socket(AF_INET)") {
    socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
  }
  // SAFETY: the name is a C string for the length of the call; the shim copies at most IFNAMSIZ - 1 bytes of it.
  let flags = try retrying("ioctl(SIOCGIFFLAGS)") { unsafe clinux_interface_flags(any.rawValue, name) }
  let wanted = CInt(IFF_UP | IFF_RUNNING)
  return flags & wanted == wanted
}
