// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// Answers for a source address that is not the host's own, as its kernel would: who asks the link for it learns our
/// hardware address. Without that no reply to a probe comes back.
///
/// The kernel takes the replies for somebody else's: where it forwards packets it sends them on, so that is better off.
struct AddressDefender: Sendable {
  let addresses: Set<IPAddress>
  let mac: MACAddress

  /// Where questions for the addresses go beside the broadcast address: the interface has to let these groups in.
  var groups: [MACAddress] {
    addresses.compactMap { address in
      guard case .v6(let v6) = address else { return nil }
      return MACAddress(multicast: v6.solicitedNodeMulticast)
    }
  }

  /// Writes the answer to a frame, if it asks for one of the addresses.
  /// - Parameter out: has room for `NeighborFrame.capacity` bytes.
  /// - Returns: the answer's length, 0 for none.
  func answer(_ frame: Frame, into out: inout MutableSpan<UInt8>) -> Int {
    switch frame.transport {
    case .arp(let packet) where packet.operation == .request:
      // Our own question, or what says so.
      guard packet.senderMAC != mac, addresses.contains(.v4(packet.targetIP)) else { return 0 }
      return NeighborFrame.emitAnswer(
        that: .v4(packet.targetIP), isAt: mac, to: .v4(packet.senderIP), at: packet.senderMAC, into: &out)
    case .neighbor(let question) where question.kind == .solicitation:
      guard let network = frame.network, addresses.contains(.v6(question.target)), let asker = frame.link.source,
        asker != mac
      else { return 0 }
      return NeighborFrame.emitAnswer(
        that: .v6(question.target), isAt: mac, to: network.source, at: question.linkAddress ?? asker, into: &out)
    default: return 0
    }
  }
}
