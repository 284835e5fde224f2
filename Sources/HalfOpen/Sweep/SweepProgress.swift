// SPDX-License-Identifier: Apache-2.0

/// How far a sweep is, and in the end what it came to. All counts are from its start, those before a resume included.
public struct SweepProgress: Hashable, Sendable {
  /// What a sweep is doing.
  public enum Phase: Hashable, Sendable {
    /// Nothing has been sent yet.
    case starting
    /// Sending: 0 is the first pass, the others repeat to the silent.
    case sending(pass: Int)
    /// Everything is sent; late answers are waited for.
    case coolingDown
    /// Silent targets are named.
    case reporting
    /// Over.
    case ended
  }

  /// What it is doing.
  public var phase = Phase.starting
  /// All targets of this sweep, or of its shard.
  public var targets: UInt64 = 0
  /// Targets that have been probed at least once.
  public var probed: UInt64 = 0
  /// SYNs sent.
  public var sent: UInt64 = 0
  /// Packets that answered a probe, duplicates and late ones included.
  public var received: UInt64 = 0
  /// Targets that answered with a SYN-ACK.
  public var open: UInt64 = 0
  /// Targets that answered with a RST.
  public var closed: UInt64 = 0
  /// Targets that an ICMP error, or a next hop that does not answer, says can't be reached.
  public var unreachable: UInt64 = 0
  /// Targets that are silent, known at the end.
  public var noAnswer: UInt64 = 0
  /// Targets that could not be probed: no route leads there.
  public var errors: UInt64 = 0
  /// Further answers to a target that has its verdict.
  public var duplicates: UInt64 = 0
  /// Answers that came when their target had been called silent.
  public var late: UInt64 = 0
  /// Packets that look like answers and do not fit any probe.
  public var unmatched: UInt64 = 0
  /// Packets that the capture lost.
  public var captureDropped: UInt64 = 0
  /// SYNs that the kernel refused in the end.
  public var sendFailures: UInt64 = 0
  /// RSTs that we sent, and not the kernel.
  public var resetsSent: UInt64 = 0
  /// Packets a second asked for; infinite for as fast as replies are not lost.
  public var rateAsked: Double = 0
  /// Packets a second to which losses have driven the sweep back, nil while it is not.
  public var rateLimit: Double?
  /// Time spent, in all runs of a resumed sweep.
  public var elapsed: Duration = .zero
  /// Time spent sending.
  public var sendingTime: Duration = .zero
  /// Every target has its verdict.
  public var isComplete = false

  /// Nothing, yet.
  public init() {}

  /// Packets a second while there was something to send, 0 before the first.
  public var rate: Double {
    let (seconds, attoseconds) = sendingTime.components
    let time = Double(seconds) + Double(attoseconds) * 1e-18
    return time > 0 ? Double(sent) / time : 0
  }
}
