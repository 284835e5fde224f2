// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// How the packets of each path leave, and why so.
struct TransmitChoice: Sendable {
  enum Way: String, Hashable, Sendable {
    /// A raw IP socket: the kernel routes, filters and finds the next hop.
    case ip
    /// Whole frames into the interface, past all of that.
    case link
  }

  /// By path.
  let ways: [Way]
  /// By path, in a sentence.
  let reasons: [String]

  /// Some packets leave in frames of ours.
  var hasLinks: Bool { ways.contains(.link) }

  /// - Throws: `CheckError` where `link` is asked for and a path's interface has no frames, or nothing to send to.
  init(paths: [RouteMap.Path], configuration: SweepConfiguration) throws(CheckError) {
    var ways: [Way] = []
    var reasons: [String] = []
    for path in paths {
      let (way, reason) = try TransmitChoice.choose(path, configuration)
      ways.append(way)
      reasons.append(reason)
    }
    (self.ways, self.reasons) = (ways, reasons)
  }

  private static func choose(
    _ path: RouteMap.Path, _ configuration: SweepConfiguration
  ) throws(CheckError) -> (Way, String) {
    let obstacle = obstacle(path, configuration)
    switch configuration.transmit {
    case .ip: return (.ip, "it was asked for")
    case .link:
      guard let obstacle else { return (.link, "it was asked for") }
      throw CheckError(
        .unsupported, subject: "--transmit link on \(path.interfaceName): \(obstacle)",
        advice: "use --transmit ip or auto")
    case .auto:
      if let obstacle { return (.ip, obstacle) }
      if configuration.mark != nil { return (.ip, "a firewall mark acts on what the kernel routes") }
      return (.link, "whole frames, past the kernel's routing, queues and filters")
    }
  }

  private static func obstacle(_ path: RouteMap.Path, _ configuration: SweepConfiguration) -> String? {
    if path.isLoopback || path.reach.nextHop == .nobody { return "nothing leaves through a link" }
    if path.hardwareAddress == nil { return "its packets have no hardware addresses" }
    if case .gateway(let gateway) = path.reach.nextHop, gateway.family != path.source.family,
      configuration.gatewayMAC == nil
    {
      return "its gateway has an address of the other family"
    }
    return nil
  }
}
