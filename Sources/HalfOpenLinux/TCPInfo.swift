// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// What the kernel says of a TCP socket: the part of `struct tcp_info` that a handshake is judged by.
package struct TCPInfo: Hashable, Sendable {
  /// The states of net/tcp_states.h that matter here.
  package enum State: UInt8, Sendable {
    case established = 1
    case synSent = 2
    case synReceived = 3
    case closed = 7
    case closeWait = 8
    /// Any other: what comes after the end of a connection.
    case other = 0
  }

  package var state: State
  /// Segments sent, the SYN included (RFC 4898, tcpEStatsPerfSegsOut).
  package var segmentsOut: UInt32
  /// Segments sent again: in a handshake, SYNs.
  package var retransmissions: UInt32
  /// From the SYN to its SYN-ACK, smoothed over one sample; 0 where it could not be measured.
  package var roundTripMicroseconds: UInt32
  /// Since the last segment with an ACK: in a handshake, the SYN-ACK.
  package var millisecondsSinceAnswer: UInt32
  /// What the peer advertised. Linux 5.4; without it, the largest there is.
  package var sendWindow: UInt32
  /// The largest segment that may be sent.
  package var sendMSS: UInt32
  /// Timestamps, selective ACK or window scale were agreed on.
  package var hasOptions: Bool

  package init(
    state: State, segmentsOut: UInt32 = 1, retransmissions: UInt32 = 0, roundTripMicroseconds: UInt32 = 0,
    millisecondsSinceAnswer: UInt32 = 0, sendWindow: UInt32 = .max, sendMSS: UInt32 = 1460, hasOptions: Bool = true
  ) {
    self.state = state
    self.segmentsOut = segmentsOut
    self.retransmissions = retransmissions
    self.roundTripMicroseconds = roundTripMicroseconds
    self.millisecondsSinceAnswer = millisecondsSinceAnswer
    self.sendWindow = sendWindow
    self.sendMSS = sendMSS
    self.hasOptions = hasOptions
  }

  /// The corresponding C call is `getsockopt(TCP_INFO)`.
  init(of socket: CInt) throws(SystemCallError) {
    var info = clinux_tcp_info()
    var length = socklen_t(MemoryLayout<clinux_tcp_info>.size)
    // SAFETY: the kernel writes at most `length` bytes, and says how many.
    try retrying("getsockopt(TCP_INFO)") { unsafe getsockopt(socket, CInt(IPPROTO_TCP), TCP_INFO, &info, &length) }
    let knowsWindow = length >= socklen_t(MemoryLayout<clinux_tcp_info>.offset(of: \.tcpi_snd_wnd) ?? .max) &+ 4
    self.init(
      state: State(rawValue: info.tcpi_state) ?? .other, segmentsOut: info.tcpi_segs_out,
      retransmissions: info.tcpi_total_retrans,
      roundTripMicroseconds: info.tcpi_rtt, millisecondsSinceAnswer: info.tcpi_last_ack_recv,
      sendWindow: knowsWindow ? info.tcpi_snd_wnd : .max, sendMSS: info.tcpi_snd_mss,
      hasOptions: info.tcpi_options & 0b111 != 0)
  }
}
