// SPDX-License-Identifier: Apache-2.0

import Foundation
import HalfOpenTesting

/// The part `peer`: how many SYNs a second a scripted peer answers, by the count of the interface that the answers
/// arrive at.
struct PeerPart {
  private let options: Options
  private let programs = Programs()

  private static let goal = 100_000.0
  private static let behaviors: [(name: String, behavior: Behavior)] = [
    ("closed: RST+ACK", .closed), ("open: SYN-ACK, and the kernel's RST comes back", .open),
    ("ICMP 3/13 from a router", [.icmp(type: 3, code: 13)]),
  ]

  init(_ options: Options) { self.options = options }

  func run() throws {
    print("| behind | the hosts are | SYNs answered a second, median of \(options.rounds) | worst | unanswered |")
    print("|:--|:--|--:|--:|--:|")
    var slow: [String] = []
    for link in ScriptedPeer.Link.allCases {
      for (name, behavior) in Self.behaviors {
        let samples = try (0..<options.rounds).map { _ in try measure(link, behavior) }
        let rates = samples.map(\.rate).sorted()
        let lost = samples.map(\.unanswered).reduce(0, +)
        print("| \(link) | \(name) | \(Int(rates[rates.count / 2])) | \(Int(rates[0])) | \(lost) |")
        if rates[rates.count / 2] < Self.goal || lost > 0 { slow.append("\(link), \(name)") }
      }
    }
    print("")
    print(slow.isEmpty ? "All above \(Int(Self.goal)), none lost." : "Below \(Int(Self.goal)), or lost: \(slow)")
  }

  private func measure(_ link: ScriptedPeer.Link, _ behavior: Behavior) throws -> (rate: Double, unanswered: Int) {
    let namespace = try NetworkNamespace()
    let peer = try ScriptedPeer(in: namespace, link: link, rules: [PeerRule("10.7.0.0/16", behavior)])
    let count = options.checks
    // A tenth of it first, for warmth.
    _ = try namespace.command(programs.twins, "syns", "\(count / 10)", peer.interface)
    let line = try namespace.command(programs.twins, "syns", "\(count)", peer.interface)
    let fields = line.split(whereSeparator: \.isWhitespace).compactMap { $0.split(separator: "=").last }
    guard fields.count == 3, let answered = Int(fields[1]), let seconds = Double(fields[2]), seconds > 0 else {
      throw Failure(description: "twins said '\(line)'")
    }
    return (Double(answered) / seconds, max(0, count - answered))
  }
}
