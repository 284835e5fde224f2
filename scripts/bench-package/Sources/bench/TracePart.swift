// SPDX-License-Identifier: Apache-2.0

import Foundation
import HalfOpenTesting

/// The part `trace`: how long ten thousand recorded half-open checks take to be grouped into conversations, and each of
/// them to be asserted. Fails where that is a second.
struct TracePart {
  private let options: Options
  private let programs = Programs()

  private static let goal = Duration.seconds(1)
  private static let count = 10_000

  init(_ options: Options) { self.options = options }

  func run() async throws {
    let namespace = try NetworkNamespace()
    let peer = try ScriptedPeer(in: namespace, rules: [PeerRule("10.7.0.0/16", .open)])
    let trace = try await Trace.record(on: .interface(peer.interface), in: namespace) {
      _ = try namespace.command(programs.twins, "syns", "\(Self.count)", peer.interface)
    }
    let packets = trace.packets.map(\.bytes)
    var count = 0
    let times = try (0..<options.rounds).map { _ in
      try ContinuousClock().measure {
        var again = Trace(linkType: trace.linkType)
        for (index, packet) in packets.enumerated() { again.append(packet, time: trace.packets[index].time) }
        let conversations = try again.conversations
        try conversations.expectEach(
          .syn(length: 0).from(.client), .synAck(ack: 1, options: .exactly(.mss(1460))).from(.server),
          .rst(seq: 1, window: 0).from(.client).after(.zero ... .seconds(60)))
        count = conversations.count
      }
    }.sorted()
    guard count >= Self.count else { throw Failure(description: "\(count) conversations of \(Self.count)") }
    let (median, worst) = (times[times.count / 2], times[times.count - 1])
    print("| conversations | packets | grouped and asserted, median of \(times.count) | worst |")
    print("|--:|--:|--:|--:|")
    print("| \(count) | \(packets.count) | \(median) | \(worst) |")
    guard median < Self.goal else { throw Failure(description: "\(median) is not below \(Self.goal)") }
  }
}
