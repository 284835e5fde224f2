// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// Puts all addresses in the place of a name (`--all-addresses`), a bounded number of names at a time.
final class AddressExpander: TargetSource {
  private static let lookups = 256
  private let channel = Channel<[TargetItem]>(bound: 16)
  private let base: any TargetSource
  private let task: Task<Void, Never>

  init(_ base: any TargetSource, family: IPFamily?, timeout: Duration) {
    self.base = base
    let channel = channel
    task = Task {
      await withTaskGroup(of: Void.self) { group in
        var running = 0
        while let items = await base.next() {
          for item in items {
            guard case .target(let target) = item, case .name(let name) = target.host else {
              await channel.send([item])
              continue
            }
            if running == AddressExpander.lookups {
              await group.next()
              running -= 1
            }
            running += 1
            group.addTask {
              await channel.send(await Self.resolve(name, ports: target.ports, family: family, timeout: timeout))
            }
          }
        }
      }
      channel.close()
    }
  }

  func next() async -> [TargetItem]? { await channel.next() }

  func close() {
    task.cancel()
    base.close()
    channel.close()
  }

  private static func resolve(
    _ name: String, ports: PortSet, family: IPFamily?, timeout: Duration
  ) async -> [TargetItem] {
    do throws(CheckError) {
      let hosts = try await NameResolver.shared.resolve(name, family: family, deadline: .now.advanced(by: timeout))
      return hosts.map { .resolved($0, ports: ports, name: name) }
    } catch {
      return [
        .fault(FaultLine(time: realtimeNanoseconds(), target: name, port: ports.ranges.first?.lowerBound, error: error))
      ]
    }
  }
}
