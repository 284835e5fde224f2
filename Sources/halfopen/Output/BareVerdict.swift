// SPDX-License-Identifier: Apache-2.0

import HalfOpen

/// A verdict that came without a packet: all that a record says of it besides the target and the time.
struct BareVerdict: Equatable, Sendable {
  private let state: CheckResult.State
  private let reason: Reason
  private let transmissions: Int
  private let backend: CheckResult.Backend
  private let handshake: CheckResult.Handshake
  private let flags: CheckResult.Flags

  /// Nil where there is more to say.
  init?(_ result: CheckResult) {
    guard result.rtt == nil, result.answer == nil, result.icmp == nil else { return nil }
    (state, reason, transmissions) = (result.state, result.reason, result.transmissions)
    (backend, handshake, flags) = (result.backend, result.handshake, result.flags)
  }
}
