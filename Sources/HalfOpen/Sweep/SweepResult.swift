// SPDX-License-Identifier: Apache-2.0

public import HalfOpenWire

/// One target's verdict in a sweep, with the packet behind it.
public struct SweepResult: Hashable, Sendable {
  /// What the answering packet said beside what the verdict holds.
  public struct Reply: Hashable, Sendable {
    /// Our address that was answered.
    public var localAddress: IPAddress
    /// Our port that was answered.
    public var localPort: UInt16
    /// The identification of an IPv4 header, 0 for IPv6.
    public var identification: UInt16
    /// The segment's sequence number; for an ICMP error that of the quoted SYN.
    public var sequence: SequenceNumber
    /// The segment's acknowledgment number, 0 for an ICMP error.
    public var acknowledgment: SequenceNumber
    /// It came when every probe had been sent.
    public var isAfterSending: Bool

    /// A reply by parts.
    public init(
      localAddress: IPAddress, localPort: UInt16, identification: UInt16, sequence: SequenceNumber,
      acknowledgment: SequenceNumber, isAfterSending: Bool
    ) {
      self.localAddress = localAddress
      self.localPort = localPort
      self.identification = identification
      self.sequence = sequence
      self.acknowledgment = acknowledgment
      self.isAfterSending = isAfterSending
    }
  }

  /// When the answer was captured, or silence was called: wall time in nanoseconds since 1970.
  public var time: Int64
  /// The port that was probed. The address is the verdict's.
  public var port: UInt16
  /// The interface of a scoped IPv6 target.
  public var zone: String?
  /// State, reason and evidence, as a check has them.
  public var verdict: CheckResult
  /// Nil for silence, for a next hop that does not answer, and from the connect engine.
  public var reply: Reply?

  /// A result by parts.
  public init(time: Int64, port: UInt16, zone: String? = nil, verdict: CheckResult, reply: Reply? = nil) {
    self.time = time
    self.port = port
    self.zone = zone
    self.verdict = verdict
    self.reply = reply
  }
}
