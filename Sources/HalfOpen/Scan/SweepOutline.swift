// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// What a sweep is to do, whichever engine does it.
struct SweepOutline: Sendable {
  let targets: TargetSet
  let configuration: SweepConfiguration
  let seed: UInt64
  let order: ProbeOrder
  /// The part of the order that is ours.
  let positions: Range<UInt64>

  init(targets: TargetSet, configuration: SweepConfiguration, seed: UInt64) throws(CheckError) {
    guard targets.count > 0 else {
      throw .invalid("job: no target is left to probe", advice: "see what was excluded or left out as reserved")
    }
    guard configuration.rate > 0, configuration.retries >= 0, configuration.retries <= 15 else {
      throw .invalid("rate or retries", advice: "the rate is above 0, retries are 0 to 15")
    }
    guard (1...64).contains(configuration.senders ?? 1) else {
      throw .invalid("number of sending threads", advice: "give 1 to 64")
    }
    self.targets = targets
    self.configuration = configuration
    self.seed = seed
    order = ProbeOrder(count: targets.count, seed: seed)
    positions = configuration.shard.positions(of: targets.count)
  }

  /// The hash of what makes the job; a checkpoint of another is refused.
  var fingerprint: UInt64 {
    SipHash(key: (0x6861_6c66_6f70_656e, 0x7377_6565_706a_6f62)).hash(
      targets.fingerprint, seed, positions.lowerBound, positions.upperBound, UInt64(configuration.retries),
      configuration.allStates ? 1 : 0)
  }
}
