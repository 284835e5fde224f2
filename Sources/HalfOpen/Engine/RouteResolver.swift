// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// How a destination is reached.
struct Reach: Hashable, Sendable {
  /// Who gets the frames.
  enum NextHop: Hashable, Sendable {
    /// Nobody in particular: the destination is this host, or the link has no hardware addresses.
    case nobody
    /// The destination itself, which is on the link.
    case destination
    case gateway(IPAddress)
  }

  /// Our address.
  var source: IPAddress
  /// The way out.
  var interface: UInt32
  var nextHop: NextHop
  /// The kernel takes `source` for its own, so it resets what it does not know.
  var sourceIsLocal: Bool
}

/// Asks the kernel for the way to an address, by the rules that hold for a checker's or sweep's packets.
struct RouteResolver: ~Copyable {
  var netlink: Netlink
  private let interface: String?
  private let source: IPAddress?
  private let sourceIsLocal: Bool
  private let mark: UInt32
  private var links: [UInt32: Link] = [:]

  /// - Parameters:
  ///   - interface: the only way out, where one is settled.
  ///   - source: our address for targets of its family, where it is settled. Need not be the host's.
  ///   - mark: the packets' mark.
  init(interface: String?, source: IPAddress?, mark: UInt32?) throws(CheckError) {
    var netlink = try RouteResolver.open()
    var isLocal = true
    if let source { isLocal = (try? netlink.route(RouteQuery(to: source)))?.isLocal ?? false }
    self.netlink = netlink
    self.interface = interface
    self.source = source
    sourceIsLocal = isLocal
    self.mark = mark ?? 0
  }

  private static func open() throws(CheckError) -> Netlink {
    do throws(SystemCallError) { return try Netlink() } catch {
      throw CheckError(error, subject: "asking the kernel for routes")
    }
  }

  /// The index of an interface by name, which must be up.
  mutating func index(of name: String) throws(CheckError) -> UInt32 {
    guard let index = interfaceIndex(name), let link = link(index) else {
      throw CheckError(
        .linkDown, subject: "interface \(name): there is none", advice: "see `ip link` for those there are")
    }
    guard link.isUp else {
      throw CheckError(.linkDown, subject: "interface \(name) is down", advice: "try `ip link set \(name) up`")
    }
    return index
  }

  /// The way out for targets of a zone, or without one; 0 where the route decides.
  mutating func wayOut(zone: String?) throws(CheckError) -> UInt32 {
    guard let name = zone ?? interface else { return 0 }
    return try index(of: name)
  }

  mutating func link(_ index: UInt32) -> Link? {
    if let known = links[index] { return known }
    for link in (try? netlink.links()) ?? [] { links[link.index] = link }
    return links[index]
  }

  mutating func forgetLinks() { links.removeAll(keepingCapacity: true) }

  /// - Parameter wayOut: the interface's index where it is settled, else 0.
  mutating func reach(_ address: IPAddress, wayOut: UInt32) throws(CheckError) -> Reach {
    let source = source?.family == address.family ? source : nil
    let query = RouteQuery(
      to: address, from: sourceIsLocal ? source : nil, interfaceIndex: wayOut, mark: mark)
    let answer: RouteAnswer
    do throws(SystemCallError) {
      answer = try netlink.route(query)
    } catch {
      throw .noRoute(to: address, error)
    }
    guard answer.type != .broadcast, answer.type != .multicast else {
      throw CheckError(
        .noRoute, subject: "\(address) is the address of many hosts", advice: "TCP needs one host's: see `ip route`")
    }
    guard let own = source ?? answer.source else {
      throw CheckError(
        .noRoute, subject: "no source address for \(address)", advice: "give one with --source-ip, or see `ip addr`")
    }
    var nextHop = Reach.NextHop.nobody
    if !answer.isLocal, let link = link(answer.interfaceIndex), link.flags.isDisjoint(with: [.loopback, .noARP]) {
      nextHop = answer.gateway.map { .gateway($0) } ?? .destination
    }
    return Reach(
      source: own, interface: answer.interfaceIndex, nextHop: nextHop, sourceIsLocal: source == nil || sourceIsLocal)
  }
}

extension CheckError {
  static func noRoute(to address: IPAddress, _ error: SystemCallError) -> CheckError {
    let subject = "no route to \(address)"
    switch error.errno {
    case .permissionDenied:
      return CheckError(
        .noRoute, subject: subject, advice: "a prohibit route forbids it: see `ip route get \(address)`",
        errno: error.errno, call: "\(error.call)")
    case .invalidArgument:
      return CheckError(
        .noRoute, subject: subject, advice: "a blackhole route swallows it: see `ip route get \(address)`",
        errno: error.errno, call: "\(error.call)")
    default:
      return CheckError(
        .noRoute, subject: subject, advice: "see `ip route get \(address)`", errno: error.errno, call: "\(error.call)")
    }
  }
}
