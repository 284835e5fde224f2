// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire

/// The bytes of one request: header, a fixed part, attributes.
package struct NetlinkRequest: Sendable {
  package private(set) var bytes: [UInt8]
  /// The answer has several parts and an end of its own.
  package let isDump: Bool

  /// - Parameter fixed: what stands before the attributes, such as `struct rtmsg`, in the host's byte order.
  package init(type: UInt16, flags: UInt16, fixed: [UInt8]) {
    isDump = flags & netlinkDump == netlinkDump
    bytes = [UInt8](repeating: 0, count: 4)
    bytes.append(hostOrder: type)
    bytes.append(hostOrder: flags)
    bytes.append(contentsOf: repeatElement(0, count: 8))
    bytes += fixed
    finish()
  }

  /// Sequence number and port, which the session knows.
  package mutating func address(sequence: UInt32, port: UInt32) {
    bytes.replace(hostOrder: sequence, at: 8)
    bytes.replace(hostOrder: port, at: 12)
  }

  package mutating func append(_ attribute: UInt16, number: UInt32) {
    bytes.append(hostOrder: UInt16(8))
    bytes.append(hostOrder: attribute)
    bytes.append(hostOrder: number)
    finish()
  }

  package mutating func append(_ attribute: UInt16, address: IPAddress) {
    switch address {
    case .v4(let v4):
      bytes.append(hostOrder: UInt16(8))
      bytes.append(hostOrder: attribute)
      bytes.append(hostOrder: v4.rawValue.bigEndian)
    case .v6(let v6):
      bytes.append(hostOrder: UInt16(20))
      bytes.append(hostOrder: attribute)
      bytes.append(hostOrder: v6.high.bigEndian)
      bytes.append(hostOrder: v6.low.bigEndian)
    }
    finish()
  }

  private mutating func finish() {
    while bytes.count % 4 != 0 { bytes.append(0) }
    bytes.replace(hostOrder: UInt32(truncatingIfNeeded: bytes.count), at: 0)
  }
}

extension NetlinkRequest {
  package static var links: NetlinkRequest {
    // struct ifinfomsg
    dump(.init(RTM_GETLINK), fixed: [UInt8](repeating: 0, count: 16))
  }

  package static var addresses: NetlinkRequest {
    // struct ifaddrmsg
    dump(.init(RTM_GETADDR), fixed: [UInt8](repeating: 0, count: 8))
  }

  package static func routes(_ family: IPFamily) -> NetlinkRequest {
    // struct rtmsg: family, and zeros for "any"
    dump(.init(RTM_GETROUTE), fixed: [family.netlink] + [UInt8](repeating: 0, count: 11))
  }

  package static func rules(_ family: IPFamily) -> NetlinkRequest {
    // struct fib_rule_hdr
    dump(.init(RTM_GETRULE), fixed: [family.netlink] + [UInt8](repeating: 0, count: 11))
  }

  package static func neighbours(_ family: IPFamily) -> NetlinkRequest {
    // struct ndmsg
    dump(.init(RTM_GETNEIGH), fixed: [family.netlink] + [UInt8](repeating: 0, count: 11))
  }

  /// The question for one entry, by interface and address (Linux 5.0).
  package static func neighbour(_ address: IPAddress, interfaceIndex: UInt32) -> NetlinkRequest {
    var fixed: [UInt8] = [address.family.netlink, 0, 0, 0]
    fixed.append(hostOrder: interfaceIndex)
    fixed += [0, 0, 0, 0]
    var request = NetlinkRequest(type: .init(RTM_GETNEIGH), flags: .init(NLM_F_REQUEST), fixed: fixed)
    request.append(.init(NDA_DST), address: address)
    return request
  }

  /// The question which way a packet would go.
  package static func route(_ query: RouteQuery) -> NetlinkRequest {
    let bits = UInt8(truncatingIfNeeded: query.destination.bitWidth)
    let fixed: [UInt8] = [
      query.destination.family.netlink, bits, query.source == nil ? 0 : bits, 0,  // family, dst_len, src_len, tos
      0, 0, 0, 0,  // table, protocol, scope, type
      0, 0, 0, 0,  // flags
    ]
    var request = NetlinkRequest(type: .init(RTM_GETROUTE), flags: .init(NLM_F_REQUEST), fixed: fixed)
    request.append(.init(RTA_DST.rawValue), address: query.destination)
    if let source = query.source { request.append(.init(RTA_SRC.rawValue), address: source) }
    if query.interfaceIndex != 0 { request.append(.init(RTA_OIF.rawValue), number: query.interfaceIndex) }
    if query.mark != 0 { request.append(.init(RTA_MARK.rawValue), number: query.mark) }
    return request
  }

  private static func dump(_ type: UInt16, fixed: [UInt8]) -> NetlinkRequest {
    NetlinkRequest(type: type, flags: .init(NLM_F_REQUEST) | netlinkDump, fixed: fixed)
  }
}

/// NLM_F_DUMP.
private let netlinkDump = UInt16(NLM_F_ROOT | NLM_F_MATCH)

extension IPFamily {
  fileprivate var netlink: UInt8 { UInt8(self == .v4 ? AF_INET : AF_INET6) }
}

extension [UInt8] {
  fileprivate mutating func append<T: FixedWidthInteger>(hostOrder value: T) {
    #if _endian(little)
      for shift in stride(from: 0, to: T.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> T(shift))) }
    #else
      for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
        append(UInt8(truncatingIfNeeded: value >> T(shift)))
      }
    #endif
  }

  fileprivate mutating func replace(hostOrder value: UInt32, at offset: Int) {
    var field: [UInt8] = []
    field.append(hostOrder: value)
    replaceSubrange(offset..<offset + 4, with: field)
  }
}
