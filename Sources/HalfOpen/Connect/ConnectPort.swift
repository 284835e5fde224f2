// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
package import HalfOpenWire
package import SystemPackage

/// What a `ConnectLoop` needs of the system. Sockets are known by the loop's slots.
package protocol ConnectPort: ~Copyable {
  /// Sockets that are open.
  var openSockets: Int { get }

  /// Whether another may be opened.
  var hasRoom: Bool { get }

  /// Makes a socket and sends its SYN. Whatever fails, the slot is closed.
  /// - Returns: just before the SYN.
  mutating func open(_ slot: Int, _ request: CheckRequest) throws(SystemCallError) -> Instant

  /// What there is to see right behind `open`, before `watch`: on the same host the answer has often come. Nil where
  /// nothing has, or where it was not worth a look.
  mutating func firstLook(_ slot: Int) -> ConnectEvidence?

  /// Reports what happens to a socket from now on under `tag`, and what has happened already.
  mutating func watch(_ slot: Int, tag: UInt64) throws(SystemCallError)

  /// Takes down all that a socket knows.
  /// - Parameter isError: an error was reported; without, the error queue is looked into only if the state says so.
  mutating func evidence(_ slot: Int, isError: Bool) -> ConnectEvidence

  /// Ends a socket, by RST where there is a connection. Harmless for a closed slot.
  /// - Returns: just behind it.
  mutating func close(_ slot: Int) -> Instant

  /// The address that an open socket sends from.
  func ownAddress(_ slot: Int) -> IPAddress?

  /// Whether a connected socket is its own peer.
  func isOwnPeer(_ slot: Int, _ target: SocketAddress) -> Bool

  /// Whether the next hop on the way to a request's target was asked for its hardware address and has not answered.
  mutating func isNextHopSilent(_ request: CheckRequest, now: Instant) -> Bool
}

/// What a socket knew at one moment.
package struct ConnectEvidence: Sendable {
  /// The most telling entry of the error queue.
  package var queued: QueuedError?
  /// SO_ERROR, nil for none. After an entry it is none, since reading the queue clears it.
  package var pending: Errno?
  package var info: TCPInfo
  /// Before the rest was taken.
  package var taken: Instant

  package init(queued: QueuedError? = nil, pending: Errno? = nil, info: TCPInfo, taken: Instant) {
    self.queued = queued
    self.pending = pending
    self.info = info
    self.taken = taken
  }
}
