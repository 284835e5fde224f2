// SPDX-License-Identifier: Apache-2.0

/// Which source port a check may use, and who waits for one.
///
/// One check at a time for each port and target. A port is handed out again as late as possible, so that a late reply
/// meets nobody.
struct PortBook {
  private struct Line {
    /// Checks on the wire.
    var onWire = 0
    /// By tag. Those that end while they wait stay in line until it is their turn.
    var waiting = Queue<UInt64>()
  }

  /// The check on the wire for each flow, by slot.
  private var flows = FlowTable()
  /// The line of each target that has one, by the flow with port 0.
  private var lineOfTarget = FlowTable()
  private var lines: [Line] = []
  private var freeLines: [Int] = []
  private var waiting = 0
  private(set) var ports: [UInt16] = []
  private var cursor = 0

  mutating func add(_ more: [UInt16]) { ports.append(contentsOf: more) }

  /// The slot of the check on the wire for a reply's flow.
  func slot(of flow: Flow) -> Int? { flows.find(flow) }

  /// A port for a check of `target`, noted as `slot`'s; nil when all are taken.
  mutating func take(for target: Target, slot: Int) -> Flow? {
    let usable = ports.count
    guard usable > 0 else { return nil }
    let line = line(for: target)
    guard lines[line].onWire < usable else { return nil }
    var flow = Flow(address: target.address, port: target.port, localPort: 0)
    for _ in 0..<usable {
      cursor = cursor &+ 1 < usable ? cursor &+ 1 : 0
      flow.localPort = ports[cursor]
      // A target that is one of our ports would hear itself: a SYN from a port to the same.
      guard flow.localPort != target.port, flows.insert(flow, slot) else { continue }
      lines[line].onWire += 1
      return flow
    }
    tidy(line, target)
    return nil
  }

  /// Whether a check of `target` is on the wire.
  func isBusy(_ target: Target) -> Bool { lineOfTarget.find(target.key).map { lines[$0].onWire > 0 } ?? false }

  /// Checks on the wire, and targets that are remembered: none of either when nothing is in flight.
  var counts: (flows: Int, targets: Int) { (flows.count, lineOfTarget.count) }

  /// Gives a flow back.
  mutating func release(_ flow: Flow) {
    let target = Target(address: flow.address, port: flow.port)
    guard flows.remove(flow) != nil, let line = lineOfTarget.find(target.key) else { return }
    lines[line].onWire -= 1
    tidy(line, target)
  }

  /// Lines a check up for `target`. The tag may die before its turn: `nextWaiting` leaves that to the caller.
  mutating func wait(for target: Target, tag: UInt64) {
    lines[line(for: target)].waiting.append(tag)
    waiting += 1
  }

  /// The first in line for `target`, taken out of the line.
  mutating func nextWaiting(for target: Target) -> UInt64? {
    guard waiting > 0, let line = lineOfTarget.find(target.key) else { return nil }
    let tag = lines[line].waiting.popFirst()
    if tag != nil { waiting -= 1 }
    tidy(line, target)
    return tag
  }

  private mutating func line(for target: Target) -> Int {
    if let line = lineOfTarget.find(target.key) { return line }
    let line = freeLines.popLast() ?? lines.count
    if line == lines.count { lines.append(Line()) }
    _ = lineOfTarget.insert(target.key, line)
    return line
  }

  /// Forgets a target that nobody checks and nobody waits for.
  private mutating func tidy(_ line: Int, _ target: Target) {
    guard lines[line].onWire <= 0, lines[line].waiting.isEmpty else { return }
    lines[line] = Line()
    lineOfTarget.remove(target.key)
    freeLines.append(line)
  }
}

extension Target {
  fileprivate var key: Flow { Flow(address: address, port: port, localPort: 0) }
}
