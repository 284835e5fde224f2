// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// What names a check among the replies: the target and our port. Our address follows from them.
struct Flow: Hashable, Sendable {
  var address: IPAddress
  var port: UInt16
  var localPort: UInt16
}

/// A target: an address and a port.
struct Target: Hashable, Sendable {
  var address: IPAddress
  var port: UInt16
}

/// How to reach a target, settled before its first SYN.
struct Path: Hashable, Sendable {
  /// Our address.
  var source: IPAddress
  /// The way out.
  var interface: UInt32
  /// Whose ARP or neighbour entry decides whether a packet leaves; nil where none is needed.
  var nextHop: IPAddress?
  /// The kernel takes `source` for its own, so it resets what it does not know.
  var sourceIsLocal: Bool
}
