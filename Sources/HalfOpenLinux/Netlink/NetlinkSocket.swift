// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// Carries datagrams to and from the kernel. Tests put scripted bytes here.
package protocol NetlinkPort: ~Copyable {
  /// Our address in netlink; the kernel names it in its answers.
  var portID: UInt32 { get }
  mutating func send(_ bytes: borrowing [UInt8]) throws(SystemCallError)
  /// Waits for one datagram and puts its beginning into `buffer`.
  mutating func receive(into buffer: inout [UInt8]) throws(SystemCallError) -> NetlinkDatagram
}

/// What came with a datagram.
package struct NetlinkDatagram: Hashable, Sendable {
  /// The datagram's real length, more than the buffer's if it was cut off.
  package var length: Int
  /// 0 is the kernel; anybody may send to a netlink socket.
  package var sender: UInt32

  package init(length: Int, sender: UInt32 = 0) {
    self.length = length
    self.sender = sender
  }
}

/// A NETLINK_ROUTE socket that gives up after two seconds without an answer. See netlink(7).
package struct NetlinkSocket: NetlinkPort, ~Copyable {
  private let descriptor: Descriptor
  package let portID: UInt32

  package init() throws(SystemCallError) {
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let descriptor = try Descriptor(opening: "socket(AF_NETLINK)") { socket(AF_NETLINK, type, NETLINK_ROUTE) }
    let fd = descriptor.rawValue
    var timeout = timeval(tv_sec: 2, tv_usec: 0)
    // SAFETY: the kernel reads one timeval.
    try retrying("setsockopt(SO_RCVTIMEO)") {
      unsafe setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }
    var one: CInt = 1
    // Refused by kernels before 4.20, whose dumps then hold more than was asked for; the session skips that.
    // SAFETY: the kernel reads one int.
    _ = unsafe setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, socklen_t(MemoryLayout<CInt>.size))
    portID = try Self.bind(fd)
    self.descriptor = descriptor
  }

  package func send(_ bytes: borrowing [UInt8]) throws(SystemCallError) {
    // SAFETY: the kernel reads the array's bytes.
    try retryingSize("send(NETLINK_ROUTE)") { unsafe Glibc.send(descriptor.rawValue, copy bytes, bytes.count, 0) }
  }

  package func receive(into buffer: inout [UInt8]) throws(SystemCallError) -> NetlinkDatagram {
    var sender = sockaddr_nl()
    var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
    let room = buffer.count
    // SAFETY: the kernel writes at most `room` bytes into the buffer and `length` bytes into `sender`. With MSG_TRUNC it
    // returns the datagram's real length.
    let count = try retryingSize("recvfrom(NETLINK_ROUTE)") {
      unsafe withUnsafeMutablePointer(to: &sender) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe recvfrom(descriptor.rawValue, &buffer, room, CInt(MSG_TRUNC), $0, &length)
        }
      }
    }
    return NetlinkDatagram(length: count, sender: sender.nl_pid)
  }

  /// Lets the kernel choose the port: a process id would collide with a second socket or in a shared namespace.
  private static func bind(_ fd: CInt) throws(SystemCallError) -> UInt32 {
    var address = sockaddr_nl()
    address.nl_family = sa_family_t(AF_NETLINK)
    var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
    // SAFETY: `address` is a sockaddr_nl of `length` bytes, read by the one call and written by the other.
    try unsafe withUnsafeMutablePointer(to: &address) { pointer throws(SystemCallError) in
      try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic throws(SystemCallError) in
        try retrying("bind(AF_NETLINK)") { unsafe Glibc.bind(fd, generic, length) }
        try retrying("getsockname(AF_NETLINK)") { unsafe getsockname(fd, generic, &length) }
      }
    }
    return address.nl_pid
  }
}
