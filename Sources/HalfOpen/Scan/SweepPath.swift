// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// One way that some of a sweep's targets are reached, settled before the first packet.
struct SweepPath: Hashable, Sendable {
  /// Our address.
  var source: IPAddress
  /// The way out.
  var interface: UInt32
  var interfaceName: String
  var isLoopback: Bool
  /// The router; nil where each target is its own next hop, or none is needed.
  var gateway: IPAddress?
  /// The kernel takes `source` for its own, so it resets what it does not know.
  var sourceIsLocal: Bool
}
