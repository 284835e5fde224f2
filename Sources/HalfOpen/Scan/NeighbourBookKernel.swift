// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

extension NeighbourBook {
  /// Takes over what the kernel knows of an interface's neighbours. Those it has given up are asked for like all others.
  mutating func seed(_ neighbours: [Neighbour], on interface: UInt32, now: Instant) {
    for neighbour in neighbours where neighbour.interfaceIndex == interface && neighbour.state.isUsable {
      guard let mac = neighbour.macAddress else { continue }
      seed(neighbour.address, mac, isPermanent: neighbour.state.contains(.permanent), now: now)
    }
  }
}
