// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// A template of packets that begin with their IP header.
protocol PacketTemplate {
  var length: Int { get }
  func write(into buffer: inout MutableSpan<UInt8>, at offset: Int)
  func patch(
    into buffer: inout MutableSpan<UInt8>, at offset: Int, destination: IPAddress, sourcePort: UInt16,
    destinationPort: UInt16, sequence: SequenceNumber, identification: UInt16, timestamp: UInt32?)
}

extension ProbeTemplate: PacketTemplate {}

extension ResetTemplate: PacketTemplate {
  func patch(
    into buffer: inout MutableSpan<UInt8>, at offset: Int, destination: IPAddress, sourcePort: UInt16,
    destinationPort: UInt16, sequence: SequenceNumber, identification: UInt16, timestamp: UInt32?
  ) {
    patch(
      into: &buffer, at: offset, destination: destination, sourcePort: sourcePort, destinationPort: destinationPort,
      sequence: sequence, identification: identification)
  }
}

/// A packet made once more for who wants to see it.
struct PacketCopy {
  let bytes: [UInt8]

  init(_ template: some PacketTemplate, _ flow: Flow, sequence: SequenceNumber) {
    var bytes = [UInt8](repeating: 0, count: template.length)
    var span = bytes.mutableSpan
    template.write(into: &span, at: 0)
    template.patch(
      into: &span, at: 0, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
      sequence: sequence, identification: 0, timestamp: nil)
    self.bytes = bytes
  }
}
