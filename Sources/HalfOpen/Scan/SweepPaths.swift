// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// The ways to a sweep's targets.
struct SweepPaths: Sendable {
  private(set) var all: [SweepPath] = []
  /// The place in the target set's zones, by interface.
  private(set) var zones: [UInt32: Int] = [:]
  private let scopes: [UInt32]

  init(targets: TargetSet, configuration: SweepConfiguration) throws(CheckError) {
    let routes = try Routes(
      CheckerConfiguration(interface: configuration.interface, source: configuration.source, mark: configuration.mark))
    scopes = []
    let element = targets[0]
    let path = try routes.path(to: SocketAddress(element.address, port: 0), zone: nil, now: .now)
    let link = routes.link(path.interface)
    all = [
      SweepPath(
        source: path.source, interface: path.interface, interfaceName: link?.name ?? "",
        isLoopback: link?.isLoopback ?? false, gateway: path.nextHop, sourceIsLocal: path.sourceIsLocal)
    ]
  }

  subscript(index: Int) -> SweepPath { all[index] }

  func path(to element: TargetSet.Element) -> Int? { 0 }
  func scope(of element: TargetSet.Element) -> UInt32 { 0 }

  /// Those that packets leave by, each once.
  var interfaces: [UInt32] { Set(all.map(\.interface)).sorted() }
  func sources(of interface: UInt32) -> Set<IPAddress> {
    Set(all.filter { $0.interface == interface }.map(\.source))
  }
  func name(of interface: UInt32) -> String { all.first { $0.interface == interface }?.interfaceName ?? "\(interface)" }
  func isLoopback(_ interface: UInt32) -> Bool { all.contains { $0.interface == interface && $0.isLoopback } }
  func isLocal(_ source: IPAddress) -> Bool { all.first { $0.source == source }?.sourceIsLocal ?? false }
}
