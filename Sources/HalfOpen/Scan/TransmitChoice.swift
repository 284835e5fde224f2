// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// How the packets of each path leave, and why so.
struct TransmitChoice: Sendable {
  enum Way: String, Hashable, Sendable {
    /// A raw IP socket: the kernel routes, filters and finds the next hop.
    case ip
    /// Whole frames into the interface, past all of that.
    case link
    /// Whole frames into a queue of the interface, by a ring that the kernel shares.
    case xdp

    /// The packets need hardware addresses.
    var isFramed: Bool { self != .ip }
  }

  /// By path.
  let ways: [Way]
  /// By path, in a sentence.
  let reasons: [String]
  /// What was asked for and can't be had, and what is done instead.
  let fallbacks: [String]

  /// Some packets leave in frames of ours.
  var hasFrames: Bool { ways.contains { $0.isFramed } }

  /// - Parameter xdpObstacle: why the process can't open an AF_XDP socket; asked only where one is wanted.
  /// - Throws: `CheckError` where `link` is asked for and a path's interface has no frames, or nothing to send to.
  init(
    paths: [RouteMap.Path], configuration: SweepConfiguration,
    xdpObstacle: () -> SystemCallError? = { XDPSocket.obstacle() }
  ) throws(CheckError) {
    let xdpObstacle = configuration.transmit == .xdp ? xdpObstacle() : nil
    var ways: [Way] = []
    var reasons: [String] = []
    var fallbacks: [String] = []
    for path in paths {
      let (way, reason) = try TransmitChoice.choose(path, configuration, xdpObstacle)
      ways.append(way)
      reasons.append(reason)
      guard configuration.transmit == .xdp, way != .xdp else { continue }
      let text = TransmitChoice.fallback(path.interfaceName, to: way, reason)
      if !fallbacks.contains(text) { fallbacks.append(text) }
    }
    (self.ways, self.reasons, self.fallbacks) = (ways, reasons, fallbacks)
  }

  /// The words for a way that can't be had.
  static func fallback(_ interfaceName: String, to way: Way, _ reason: String) -> String {
    "--transmit xdp on \(interfaceName): \(reason); its packets leave by \(way.rawValue) instead"
  }

  /// What a failure to open an AF_XDP socket means.
  static func reason(_ error: SystemCallError) -> String {
    let cause: String? =
      switch error.errno {
      case .addressFamilyNotSupported: "the kernel was built without it"
      case .resourceBusy: "other sockets have every queue of it"
      case .noBufferSpace: "more memory would have to be locked than `ulimit -l` allows"
      default: nil
      }
    return "no AF_XDP socket (\(error)\(cause.map { ": \($0)" } ?? ""))"
  }

  private static func choose(
    _ path: RouteMap.Path, _ configuration: SweepConfiguration, _ xdpObstacle: SystemCallError?
  ) throws(CheckError) -> (Way, String) {
    let obstacle = obstacle(path, configuration)
    switch configuration.transmit {
    case .xdp:
      if let obstacle { return (.ip, obstacle) }
      if let xdpObstacle { return (.link, reason(xdpObstacle)) }
      return (.xdp, "it was asked for")
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
