// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// A listening TCP socket of the kernel's, for those who need a port that answers.
package struct KernelListener: ~Copyable, Sendable {
  private let descriptor: Descriptor
  /// Where it listens, with the port the kernel chose where 0 was asked for.
  package let address: SocketAddress

  /// The corresponding C calls are `socket`, `bind` and `listen`.
  /// - Parameter backlog: the accept queue takes one more than this (listen(2)).
  package init(_ wanted: SocketAddress, backlog: CInt) throws(SystemCallError) {
    let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    let owner = try Descriptor(opening: "socket(SOCK_STREAM)") { socket(wanted.family, kind, 0) }
    let fd = owner.rawValue
    var one: CInt = 1
    // SAFETY: four bytes of `one` are read by each call.
    try retrying("setsockopt(SO_REUSEADDR)") { unsafe setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 4) }
    if wanted.family == AF_INET6 {
      try retrying("setsockopt(IPV6_V6ONLY)") { unsafe setsockopt(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &one, 4) }
    }
    try retrying("bind") { unsafe wanted.withSockaddr { unsafe bind(fd, $0, $1) } }
    try retrying("listen") { Glibc.listen(fd, backlog) }
    var storage = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    // SAFETY: the kernel writes at most `length` bytes, the storage's size.
    try retrying("getsockname") {
      unsafe withUnsafeMutablePointer(to: &storage) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(fd, $0, &length) }
      }
    }
    address = SocketAddress(native: storage) ?? wanted
    descriptor = owner
  }

  package var rawValue: CInt { descriptor.rawValue }

  /// Takes one connection from the accept queue; nil where none waits.
  ///
  /// The corresponding C function is `accept4`.
  package func accept() throws(SystemCallError) -> Descriptor? {
    do {
      return try Descriptor(opening: "accept4") {
        clinux_accept4(descriptor.rawValue, nil, nil, CInt(SOCK_CLOEXEC.rawValue))
      }
    } catch  where error.errno == .resourceTemporarilyUnavailable {
      return nil
    }
  }
}
