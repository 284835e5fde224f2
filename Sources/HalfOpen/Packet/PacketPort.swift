// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// What the packet engine's state machine needs of the world: a kernel, or a test.
///
/// Sending is by batch: what is sent leaves at the next `flush` of the loop, which reports failures by tag.
protocol PacketPort: AnyObject {
  /// The way to a target, with a capture open on it: no answer may come before somebody listens.
  func path(to target: SocketAddress, zone: String?) throws(CheckError) -> Path

  /// Sends a SYN with sequence number `sequence`.
  func sendSYN(_ flow: Flow, path: Path, sequence: SequenceNumber, scope: UInt32, tag: UInt64)

  /// Sends a bare RST with sequence number `sequence`.
  func sendReset(_ flow: Flow, path: Path, sequence: SequenceNumber, scope: UInt32, tag: UInt64)

  /// Whether the path's next hop does not answer: `failed` for certain, `incomplete` so far.
  func neighbour(of path: Path) -> NeighbourAnswer

  /// Packets that captures have lost since they were opened. May be a little old, never older than the last `flush`.
  func captureDrops() -> UInt64

  /// Reserves more source ports, none when there are no more to be had.
  func reservePorts(_ count: Int) -> [UInt16]

  /// Outgoing RSTs on an interface need to be seen, or no longer.
  func watchResets(on interface: UInt32, _ watch: Bool)
}

/// What is known of a next hop.
enum NeighbourAnswer: Sendable {
  case fine
  case incomplete
  case failed
}
