// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// Everything about a sweep by packets that does not change while it runs.
final class SweepJob: Sendable {
  let targets: TargetSet
  let configuration: SweepConfiguration
  let seed: UInt64
  let order: ProbeOrder
  /// The part of the order that is ours.
  let positions: Range<UInt64>
  let cookie = SweepCookie()
  /// Source ports: one a pass, or fewer where there were no more.
  let ports: [UInt16]
  let paths: RouteMap
  /// How the packets of each path leave.
  let transmit: TransmitChoice
  /// The hash of what makes the job; a checkpoint of another is refused.
  let fingerprint: UInt64
  private let reservation: SourcePorts
  /// Added to our clock where packets tell it, which else would tell how long the host has been up.
  private let clockOffset = UInt32.random(in: .min ... .max)

  init(_ outline: SweepOutline) throws(CheckError) {
    (targets, configuration, seed) = (outline.targets, outline.configuration, outline.seed)
    (order, positions, fingerprint) = (outline.order, outline.positions, outline.fingerprint)
    paths = try RouteMap(targets: targets, configuration: configuration)
    if paths.all.isEmpty, let fault = paths.faults.first { throw fault.error }
    transmit = try TransmitChoice(paths: paths.all, configuration: configuration)
    let passes = configuration.retries + 1
    var reservation = try SourcePorts(range: configuration.sourcePorts, count: max(16, passes))
    ports = reservation.reserve(passes)
    self.reservation = reservation
    guard !ports.isEmpty else {
      throw CheckError(
        .noLocalPorts, subject: "no source port is free for the sweep", advice: "choose some with --source-port")
    }
  }

  /// Threads that send.
  var senders: Int { configuration.senders(processors: processorCount()) }

  /// The port that probes of a pass leave from.
  func port(of pass: Int) -> UInt16 { ports[min(pass, ports.count - 1)] }

  /// What packets tell as the time: milliseconds.
  func timestamp(at now: Instant) -> UInt32 {
    UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ clockOffset
  }

  /// How long ago a packet that an answer echoes was sent, in nanoseconds; nil where it can't be ours.
  func age(ofEcho echo: UInt32, at now: Instant) -> Int64? {
    let age = Int64(Int32(bitPattern: timestamp(at: now) &- echo))
    return (0...60_000).contains(age) ? age * 1_000_000 : nil
  }

  /// Which position an answer is for.
  var matcher: ReplyMatcher {
    ReplyMatcher(
      targets: targets, order: order, positions: positions, cookie: cookie, ports: ports,
      passes: configuration.retries + 1, zones: paths.zones)
  }
}

extension SweepConfiguration {
  /// Threads that send, on a host with so many processors.
  func senders(processors: Int) -> Int {
    if let senders { return senders }
    guard rate.isFinite else { return 1 }
    // As many as are awake at the rate: see `SweepState.nextTurn(ofHelper:upTo:now:into:)`.
    let needed = 1 + Int(min(rate / SweepState.ratePerThread, 63))
    return max(1, min(needed, processors))
  }
}
