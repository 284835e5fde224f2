// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// Sends `request` to a Unix stream socket and reads the answer up to the end. Blocks, for at most two seconds a read.
///
/// The corresponding C functions are `connect`, `write` and `read` on AF_UNIX.
package func askUnixSocket(at path: String, _ request: String) throws(SystemCallError) -> String {
  let stream = try Descriptor(opening: "socket(AF_UNIX)") {
    socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
  }
  var form = sockaddr_un()
  form.sun_family = sa_family_t(AF_UNIX)
  guard path.utf8.count < MemoryLayout.size(ofValue: form.sun_path) else {
    throw SystemCallError(call: "connect(AF_UNIX)", errno: .fileNameTooLong)
  }
  // SAFETY: the path fits, with the zero byte that the structure was born with behind it.
  unsafe withUnsafeMutableBytes(of: &form.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
  var patience = timeval(tv_sec: 2, tv_usec: 0)
  let size = socklen_t(MemoryLayout<timeval>.size)
  // SAFETY: `patience` and `form` outlive the calls that read them.
  try retrying("setsockopt(SO_RCVTIMEO)") {
    unsafe setsockopt(stream.rawValue, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
  }
  try retrying("connect(AF_UNIX)") {
    unsafe withUnsafePointer(to: &form) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(stream.rawValue, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
  try writeAll(Array(request.utf8), to: stream)
  return String(decoding: try readAll(stream), as: UTF8.self)
}
