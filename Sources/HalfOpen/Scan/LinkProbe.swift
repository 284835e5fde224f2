// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// A template of packets that begin with their IP header.
protocol PacketTemplate: Sendable {
  var source: IPAddress { get }
  var length: Int { get }
  func write(into buffer: inout MutableSpan<UInt8>, at offset: Int)
  func patch(
    into buffer: inout MutableSpan<UInt8>, at offset: Int, destination: IPAddress, sourcePort: UInt16,
    destinationPort: UInt16, sequence: SequenceNumber, identification: UInt16)
}

extension ProbeTemplate: PacketTemplate {}
extension ResetTemplate: PacketTemplate {}

/// A template of whole Ethernet frames: SYNs, or RSTs. What never changes is written into a slot once; a frame then costs
/// the stores of what does, the next hop's hardware address first.
struct LinkProbe<Packet: PacketTemplate>: Sendable {
  private let header: EthernetHeader
  private let packet: Packet

  /// - Parameter mac: our hardware address on the interface.
  init(_ packet: Packet, from mac: MACAddress) {
    header = EthernetHeader(
      destination: .zero, source: mac, type: packet.source.family == .v4 ? .ipv4 : .ipv6)
    self.packet = packet
  }

  /// The frame's length in bytes.
  var length: Int { header.length + packet.length }

  /// Writes the frame without addresses, ports and sequence number.
  func write(into slot: inout MutableSpan<UInt8>) {
    header.emit(into: &slot)
    packet.write(into: &slot, at: header.length)
  }

  /// Turns what `write` or an earlier patch left into the frame of these values.
  ///
  /// The kernel fills in no IPv4 identification on this way: it is taken from the sequence number, so that it is another
  /// for each target (RFC 6864 lets it be anything in a packet that is never cut).
  @inline(__always)
  func patch(
    into slot: inout MutableSpan<UInt8>, to mac: MACAddress, destination: IPAddress, sourcePort: UInt16,
    destinationPort: UInt16, sequence: SequenceNumber
  ) {
    EthernetHeader.patch(destination: mac, into: &slot)
    packet.patch(
      into: &slot, at: EthernetHeader.untaggedLength, destination: destination, sourcePort: sourcePort,
      destinationPort: destinationPort, sequence: sequence,
      identification: UInt16(truncatingIfNeeded: sequence.rawValue >> 16))
  }
}
