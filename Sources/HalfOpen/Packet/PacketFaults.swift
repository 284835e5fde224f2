// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import SystemPackage

extension CheckError {
  static func unsent(_ flow: Flow, _ errno: Errno) -> CheckError {
    let subject = "sending a SYN to \(flow.address) port \(flow.port)"
    switch errno {
    case .notPermitted:
      return CheckError(
        .notPermitted, subject: subject, advice: "a firewall of this host drops it: look at `nft list ruleset`",
        errno: errno, call: "sendmmsg")
    case .noBufferSpace, .resourceTemporarilyUnavailable:
      return CheckError(
        .sendFailed, subject: subject, advice: "the interface's queue is full: lower the rate", errno: errno,
        call: "sendmmsg")
    default: return CheckError(SystemCallError(call: "sendmmsg", errno: errno), subject: subject)
    }
  }

  static func noPort(_ flow: Flow, ports: Int) -> CheckError {
    guard ports > 0 else {
      return CheckError(
        .noLocalPorts, subject: "checking \(flow.address) port \(flow.port): no source port could be reserved",
        advice: "choose other source ports: all of these are in use")
    }
    return CheckError(
      .noLocalPorts, subject: "checking \(flow.address) port \(flow.port): all \(ports) source ports were busy with it",
      advice: "allow more source ports, more time or less concurrency")
  }
}
