// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// What has run out for the moment, where a failed call means that. The check waits for it until its deadline.
enum ConnectShortage {
  case descriptors
  case ports

  init?(_ error: SystemCallError) {
    switch error.errno {
    case _ where error.isLackOfDescriptors: self = .descriptors
    // Epoll's watches of the user (epoll_ctl(2)).
    case .noSpace: self = .descriptors
    // From bind it means that the address is not ours.
    case .addressNotAvailable where "\(error.call)" == "connect": self = .ports
    case .addressInUse, .resourceTemporarilyUnavailable: self = .ports
    default: return nil
    }
  }
}

extension CheckError {
  /// The fault that a failed call for a check means.
  init(connecting request: CheckRequest, _ error: SystemCallError) {
    let subject = "connecting to \(request.endpoint)"
    let call = "\(error.call)"
    switch (call, error.errno) {
    case ("connect", .permissionDenied):
      self.init(
        .noRoute, subject: subject, advice: "a prohibit route or a local policy forbids it; look at `ip route get`",
        errno: error.errno, call: call)
    case ("connect", .invalidArgument):
      let isLinkLocal = request.target.address.isLinkLocal && request.target.scope == 0 && request.zone == nil
      self.init(
        .noRoute, subject: subject,
        advice: isLinkLocal
          ? "a link-local address needs its interface, as in [fe80::1%eth0]:80"
          : "a blackhole route leads there; look at `ip route get`",
        errno: error.errno, call: call)
    case ("if_nametoindex", _):
      self.init(
        .linkDown, subject: "\(subject): no interface '\(request.zone ?? "")'",
        advice: "use one that `ip link` shows", errno: error.errno, call: call)
    default: self.init(error, subject: subject)
    }
  }

  static func noInterface(_ name: String) -> CheckError {
    CheckError(.linkDown, subject: "no interface '\(name)'", advice: "use one that `ip link` shows")
  }

  static func tooManyFiles(_ request: CheckRequest) -> CheckError {
    CheckError(
      .tooManyFiles, subject: "connecting to \(request.endpoint): no file descriptor was free before the deadline",
      advice: "raise `ulimit -n`, lower the concurrency or allow more time", errno: .tooManyOpenFiles, call: "socket")
  }

  static func noLocalPorts(_ request: CheckRequest) -> CheckError {
    CheckError(
      .noLocalPorts, subject: "connecting to \(request.endpoint): no source port was free before the deadline",
      advice: "widen the source ports (ip_local_port_range), lower the concurrency or allow more time",
      errno: .addressNotAvailable, call: "connect")
  }
}

extension CheckRequest {
  var endpoint: Endpoint { Endpoint(target.address, zone: zone, port: target.port) }
}
