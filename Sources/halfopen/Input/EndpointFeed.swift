// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenWire
import Synchronization

/// The endpoints of the sources one after the other, ports spread out, no faster than the pacer lets them through.
///
/// Holds one chunk of targets however many there are. Faults go to `onFault` and do not end it.
struct EndpointFeed: AsyncSequence, Sendable {
  typealias Element = Endpoint
  typealias Failure = Never

  let sources: [any TargetSource]
  let family: IPFamily?
  let names: NameTable
  let pacer: Pacer?
  let onFault: @Sendable (FaultLine) async -> Void

  func makeAsyncIterator() -> Iterator { Iterator(feed: self) }

  struct Iterator: AsyncIteratorProtocol {
    private let feed: EndpointFeed
    private var source = 0
    private var items: ArraySlice<TargetItem> = []
    private var host: (host: Endpoint.Host, name: String?)?
    private var ports = PortSet([]).makeIterator()
    private var ordinal = 0

    fileprivate init(feed: EndpointFeed) { self.feed = feed }

    mutating func next() async -> Endpoint? {
      while !Task.isCancelled {
        if let host, let port = ports.next() {
          guard await feed.pacer?.start() ?? true else { return nil }
          if let name = host.name { feed.names.note(name, for: ordinal) }
          ordinal += 1
          return Endpoint(host: host.host, port: port)
        }
        host = nil
        if let item = items.popFirst() {
          await take(item)
        } else {
          guard source < feed.sources.count else { return nil }
          if let chunk = await feed.sources[source].next() { items = chunk[...] } else { source += 1 }
        }
      }
      return nil
    }

    private mutating func take(_ item: TargetItem) async {
      switch item {
      case .fault(let fault): await feed.onFault(fault)
      case .resolved(let host, let ports, let name):
        self.host = (host, name)
        self.ports = ports.makeIterator()
      case .target(let target):
        if case .address(let address, _) = target.host, let family = feed.family, family != address.family {
          await feed.onFault(.wrongFamily(target, family))
        } else {
          host = (target.host, nil)
          ports = target.ports.makeIterator()
        }
      }
    }
  }
}

extension FaultLine {
  fileprivate static func wrongFamily(_ target: Target, _ family: IPFamily) -> FaultLine {
    .badInput(
      "\(target.host)", "invalid target \(target.host): not an \(family) address",
      advice: "drop \(family == .v4 ? "-4" : "-6") or the target")
  }
}

/// The names that endpoints under way came from, by their position.
final class NameTable: Sendable {
  private let names = Mutex<[Int: String]>([:])

  func note(_ name: String, for ordinal: Int) { names.withLock { $0[ordinal] = name } }
  func take(_ ordinal: Int) -> String? { names.withLock { $0.isEmpty ? nil : $0.removeValue(forKey: ordinal) } }
}
