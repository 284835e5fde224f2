// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

extension SweepResult {
  /// A verdict that no packet gave: silence, or a next hop that does not answer.
  init(
    unanswered element: TargetSet.Element, in targets: TargetSet, state: CheckResult.State, reason: Reason,
    transmissions: Int, backend: CheckResult.Backend, flags: CheckResult.Flags = [], time: Int64
  ) {
    self.init(
      time: time, port: element.port, zone: targets.zoneName(element.zone),
      verdict: CheckResult(
        address: element.address, state: state, reason: reason, transmissions: transmissions, handshake: .none,
        backend: backend, flags: flags))
  }
}
