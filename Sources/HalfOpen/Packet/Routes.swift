// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// The way to each target, as the kernel tells it; remembered for a second.
final class Routes {
  private struct Key: Hashable {
    var address: IPAddress
    var interface: UInt32
  }

  private struct Cached<Value> {
    var value: Value
    var until: Instant
  }

  private static var routeLife: Int64 { 1_000_000_000 }
  private static var neighbourLife: Int64 { 100_000_000 }
  private static var capacity: Int { 8192 }

  private var netlink: Netlink
  private let configuration: CheckerConfiguration
  private var paths: [Key: Cached<Path>] = [:]
  private var neighbours: [Key: Cached<NeighbourAnswer>] = [:]
  private var links: [UInt32: Link] = [:]
  private let sourceIsLocal: Bool

  init(_ configuration: CheckerConfiguration) throws(CheckError) {
    self.configuration = configuration
    do throws(SystemCallError) {
      var netlink = try Netlink()
      var isLocal = true
      if let source = configuration.source {
        isLocal = (try? netlink.route(RouteQuery(to: source)))?.isLocal ?? false
      }
      sourceIsLocal = isLocal
      self.netlink = netlink
    } catch {
      throw CheckError(error, subject: "asking the kernel for routes")
    }
    if let name = configuration.interface { _ = try index(of: name) }
  }

  /// The index of an interface by name, which must be up.
  func index(of name: String) throws(CheckError) -> UInt32 {
    guard let index = interfaceIndex(name), let link = link(index) else {
      throw CheckError(
        .linkDown, subject: "interface \(name): there is none", advice: "see `ip link` for those there are")
    }
    guard link.isUp else {
      throw CheckError(.linkDown, subject: "interface \(name) is down", advice: "try `ip link set \(name) up`")
    }
    return index
  }

  func path(to target: SocketAddress, zone: String?, now: Instant) throws(CheckError) -> Path {
    var interface = target.scope
    if let name = zone ?? configuration.interface { interface = try index(of: name) }
    let key = Key(address: target.address, interface: interface)
    if let cached = paths[key], cached.until > now { return cached.value }
    let path = try look(key)
    if paths.count >= Routes.capacity { paths.removeAll(keepingCapacity: true) }
    paths[key] = Cached(value: path, until: now.advanced(byNanoseconds: Routes.routeLife))
    return path
  }

  func neighbour(of path: Path, now: Instant) -> NeighbourAnswer {
    guard let nextHop = path.nextHop else { return .fine }
    let key = Key(address: nextHop, interface: path.interface)
    if let cached = neighbours[key], cached.until > now { return cached.value }
    var answer = NeighbourAnswer.fine
    if let found = (try? netlink.neighbour(nextHop, interfaceIndex: path.interface)) ?? nil {
      if found.state.contains(.failed) { answer = .failed }
      if found.state.contains(.incomplete) { answer = .incomplete }
    }
    if neighbours.count >= Routes.capacity { neighbours.removeAll(keepingCapacity: true) }
    neighbours[key] = Cached(value: answer, until: now.advanced(byNanoseconds: Routes.neighbourLife))
    return answer
  }

  func forget() {
    paths.removeAll(keepingCapacity: true)
    neighbours.removeAll(keepingCapacity: true)
    links.removeAll(keepingCapacity: true)
  }

  /// Addresses of this host outside of loopback interfaces.
  func addresses() -> [IPAddress] {
    let all = (try? netlink.addresses()) ?? []
    return all.filter { link($0.interfaceIndex)?.isLoopback == false }.map(\.address)
  }

  func link(_ index: UInt32) -> Link? {
    if let known = links[index] { return known }
    for link in (try? netlink.links()) ?? [] { links[link.index] = link }
    return links[index]
  }

  private func look(_ key: Key) throws(CheckError) -> Path {
    let source = configuration.source
    let query = RouteQuery(
      to: key.address, from: sourceIsLocal ? source : nil, interfaceIndex: key.interface, mark: configuration.mark ?? 0)
    let answer: RouteAnswer
    do throws(SystemCallError) {
      answer = try netlink.route(query)
    } catch {
      throw .noRoute(to: key.address, error)
    }
    guard answer.type != .broadcast, answer.type != .multicast else {
      throw CheckError(
        .noRoute, subject: "\(key.address) is the address of many hosts", advice: "TCP needs one host's: see `ip route`"
      )
    }
    guard let own = source ?? answer.source else {
      throw CheckError(
        .noRoute, subject: "no source address for \(key.address)", advice: "give one with --source-ip, or see `ip addr`"
      )
    }
    var nextHop: IPAddress?
    if !answer.isLocal, let link = link(answer.interfaceIndex), link.flags.isDisjoint(with: [.loopback, .noARP]) {
      nextHop = answer.gateway ?? key.address
    }
    return Path(source: own, interface: answer.interfaceIndex, nextHop: nextHop, sourceIsLocal: sourceIsLocal)
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
