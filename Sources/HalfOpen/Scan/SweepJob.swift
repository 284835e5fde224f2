// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// Everything about a sweep that does not change while it runs.
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

  init(targets: TargetSet, configuration: SweepConfiguration, seed: UInt64) throws(CheckError) {
    guard targets.count > 0 else {
      throw .invalid("job: no target is left to probe", advice: "see what was excluded or left out as reserved")
    }
    guard configuration.rate > 0, configuration.retries >= 0, configuration.retries <= 15 else {
      throw .invalid("rate or retries", advice: "the rate is above 0, retries are 0 to 15")
    }
    self.targets = targets
    self.configuration = configuration
    self.seed = seed
    order = ProbeOrder(count: targets.count, seed: seed)
    positions = configuration.shard.positions(of: targets.count)
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
    let hash = SipHash(key: (0x6861_6c66_6f70_656e, 0x7377_6565_706a_6f62))
    fingerprint = hash.hash(
      targets.fingerprint, seed, positions.lowerBound, positions.upperBound, UInt64(configuration.retries),
      configuration.allStates ? 1 : 0)
  }

  /// The port that probes of a pass leave from.
  func port(of pass: Int) -> UInt16 { ports[min(pass, ports.count - 1)] }

  /// Which position an answer is for.
  var matcher: ReplyMatcher {
    ReplyMatcher(
      targets: targets, order: order, positions: positions, cookie: cookie, ports: ports,
      passes: configuration.retries + 1, zones: paths.zones)
  }
}
