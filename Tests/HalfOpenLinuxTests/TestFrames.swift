// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenLinux

/// Frames of ours, as many as asked for or as come in time.
func readFrames(_ count: Int, from tap: borrowing PacketSocket) throws -> [[UInt8]] {
  var found: [[UInt8]] = []
  var batch = PacketBatch(capacity: 64, packetCapacity: 2048)
  while found.count < count {
    var entry = pollfd(fd: tap.rawValue, events: CShort(POLLIN), revents: 0)
    // SAFETY: one pollfd is read and written.
    guard unsafe poll(&entry, 1, 20_000) == 1 else { break }
    try tap.receive(into: &batch)
    for index in 0..<batch.count {
      let packet = batch.packet(index)
      let bytes = packet.indices.map { packet[$0] }
      // Neighbour discovery comes when it likes.
      if bytes.count > 17, bytes[12] == 0x88, bytes[13] == 0xb5 { found.append(bytes) }
    }
  }
  return found
}
