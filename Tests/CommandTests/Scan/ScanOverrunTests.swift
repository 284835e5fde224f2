// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenLinux
import HalfOpenTesting
import HalfOpenWire
import TestSupport
import Testing

/// The real command while more packets come than its capture holds.
@Suite(.requiresRawSocket, .requiresNetworkNamespace, .timeLimit(.minutes(5))) struct ScanOverrunTests {
  /// Stopped, it reads nothing, and a flood fills the ring many times over: that is told, and costs no verdict.
  @Test func aCaptureThatOverrunsIsToldOfAndCostsNoVerdict() async throws {
    let folder = try ScratchFolder()
    let network = try CableNetwork()
    let prefix: IPPrefix = "203.0.113.0/24"
    try network.server.addLocalPrefix(prefix)
    try network.client.addRoute(prefix, via: "192.0.2.2/32")
    let listener = try LocalListener(in: network.server, on: .v4(.unspecified), port: 80, backlog: 4096)
    let results = folder.file("results")
    let words = [
      Sample.binary, "scan", "203.0.113.0/24", "-p", "80-83", "--rate", "100", "--source-port", "20000", "--all-states",
      "--no-checkpoint", "--no-progress", "-o", "jsonl=\(results)",
    ]
    let process = try network.client.start(words)
    try await eventually("it has results") { (try? folder.text("results"))?.isEmpty == false }
    process.send(signal: SIGSTOP)
    try await network.server.run { try Self.flood(120_000) }
    process.send(signal: SIGCONT)
    let end = try await network.client.run { process.waitForExit(timeout: .seconds(120)) }
    #expect(end == 0, "\(process.errors)")
    #expect(process.errors.contains("the capture lost packets ("), "\(process.errors)")
    let lines = try folder.text("results").split(separator: "\n")
    let verdicts = lines.filter { $0.hasPrefix(#"{"type":"result""#) }
    let right = verdicts.filter {
      $0.contains(#""port":80,"#) ? $0.contains(#""state":"open""#) : $0.contains(#""state":"closed""#)
    }
    #expect(verdicts.count == 1024 && right.count == 1024)
    let summary = try #require(lines.last)
    #expect(summary.contains(#""complete":true"#) && !summary.contains(#""capture_dropped":0,"#), "\(summary)")
    withExtendedLifetime(listener) {}
  }

  /// Answers from nobody, which the capture's filter has to let through.
  private static func flood(_ count: Int) throws {
    let socket = try RawSocket(.v4)
    var batch = TransmitBatch(capacity: 64, packetCapacity: 128)
    let ours = "192.0.2.1".ip
    let template = ResetTemplate(source: "198.51.100.7".ip)
    for _ in 0..<count {
      batch.append(to: ours, length: template.length, tag: 0) { slot in
        template.write(into: &slot)
        template.patch(
          into: &slot, destination: ours, sourcePort: 80, destinationPort: 20_000, sequence: SequenceNumber(7))
      }
      if batch.isFull { batch.flush(on: socket) { _, _ in } }
    }
    batch.flush(on: socket) { _, _ in }
  }
}
