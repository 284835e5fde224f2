// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire

/// One entry of the policy database: of ip-rule(8)'s selectors only the destination. See rtnetlink(7), RTM_NEWRULE.
package struct PolicyRule: Hashable, Sendable {
  /// The lower, the earlier it is asked.
  package var priority: UInt32
  /// nil for every destination.
  package var destination: IPAddress?
  package var prefixLength: UInt8
}

extension PolicyRule {
  /// Reads the payload of an RTM_NEWRULE message: `struct fib_rule_hdr` and attributes.
  /// - Returns: nil for a family that is not IP.
  package init?(netlink bytes: Span<UInt8>) throws(NetlinkFormatError) {
    guard bytes.count >= 12 else { throw NetlinkFormatError(.truncated, at: bytes.count) }
    let family = bytes[0]
    prefixLength = bytes[1]
    guard family.isInternet else { return nil }
    var (destination, priority) = (IPAddress?.none, UInt32(0))
    try bytes.forEachNetlinkAttribute(from: 12) { (kind, value) throws(NetlinkFormatError) in
      switch Int(kind) {
      case FRA_DST: destination = try value.netlinkAddress(family: family)
      case FRA_PRIORITY: priority = try value.hostNumber()
      default: break
      }
    }
    (self.destination, self.priority) = (destination, priority)
  }
}
