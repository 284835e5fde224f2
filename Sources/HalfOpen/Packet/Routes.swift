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

  private var resolver: RouteResolver
  private var paths: [Key: Cached<Path>] = [:]
  private var neighbours: [Key: Cached<NeighbourAnswer>] = [:]

  init(_ configuration: CheckerConfiguration) throws(CheckError) {
    resolver = try RouteResolver(
      interface: configuration.interface, source: configuration.source, mark: configuration.mark)
    // An interface that can't be used is a fault of all checks.
    _ = try resolver.wayOut(zone: nil)
  }

  /// The index of an interface by name, which must be up.
  func index(of name: String) throws(CheckError) -> UInt32 { try resolver.index(of: name) }

  func path(to target: SocketAddress, zone: String?, now: Instant) throws(CheckError) -> Path {
    let wayOut = try resolver.wayOut(zone: zone)
    let key = Key(address: target.address, interface: wayOut == 0 ? target.scope : wayOut)
    if let cached = paths[key], cached.until > now { return cached.value }
    let path = Path(try resolver.reach(key.address, wayOut: key.interface), to: key.address)
    if paths.count >= Routes.capacity { paths.removeAll(keepingCapacity: true) }
    paths[key] = Cached(value: path, until: now.advanced(byNanoseconds: Routes.routeLife))
    return path
  }

  func neighbour(of path: Path, now: Instant) -> NeighbourAnswer {
    guard let nextHop = path.nextHop else { return .fine }
    let key = Key(address: nextHop, interface: path.interface)
    if let cached = neighbours[key], cached.until > now { return cached.value }
    var answer = NeighbourAnswer.fine
    if let found = (try? resolver.netlink.neighbour(nextHop, interfaceIndex: path.interface)) ?? nil {
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
    resolver.forgetLinks()
  }

  /// Addresses of this host outside of loopback interfaces.
  func addresses() -> [IPAddress] {
    let all = (try? resolver.netlink.addresses()) ?? []
    return all.filter { link($0.interfaceIndex)?.isLoopback == false }.map(\.address)
  }

  func link(_ index: UInt32) -> Link? { resolver.link(index) }
}

extension Path {
  fileprivate init(_ reach: Reach, to address: IPAddress) {
    let nextHop: IPAddress? =
      switch reach.nextHop {
      case .nobody: nil
      case .destination: address
      case .gateway(let gateway): gateway
      }
    self.init(
      source: reach.source, interface: reach.interface, nextHop: nextHop, sourceIsLocal: reach.sourceIsLocal)
  }
}
