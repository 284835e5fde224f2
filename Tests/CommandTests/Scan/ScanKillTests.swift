// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenLinux
import HalfOpenTesting
import HalfOpenWire
import TestSupport
import Testing

/// The real command against the real kernel, ended in every way that leaves it no time.
@Suite(.requiresRawSocket, .requiresNetworkNamespace, .timeLimit(.minutes(10))) struct ScanKillTests {
  private let folder: ScratchFolder
  private let hostsNetwork: HostsNetwork
  private var network: NetworkNamespace { hostsNetwork.namespace }

  /// Every host answers on port 80 and refuses port 81, but each fourth one is silent.
  init() throws {
    folder = try ScratchFolder()
    hostsNetwork = try HostsNetwork(silent: "ip daddr & 0.0.0.3 == 0.0.0.3 tcp flags syn")
  }

  private func file(_ name: String) -> String { folder.file(name) }

  /// Killed at random moments and resumed each time: every target has its right verdict in every output.
  @Test(arguments: [UInt64(4)]) func killedAndResumedItLosesNothing(seed: UInt64) async throws {
    let kills = LongRun.count(short: 4, long: 20)
    let outputs = ["jsonl", "csv", "text", "masscan-list", "masscan-json", "nmap-xml"]
    let ends = try await network.run { [network, folder] in
      var random = SeededRandom(seed: seed)
      var words =
        [
          Sample.binary, "scan", "10.9.0.0-10.9.\(kills - 1).255", "-p", "80,81", "--all-states", "--rate", "200",
          "--seed", "9", "--retries", "2",
        ]
        + ["--checkpoint", folder.file("checkpoint")] + outputs.flatMap { ["-o", "\($0)=\(folder.file($0))"] }
      var ends: [String] = []
      for _ in 0..<kills {
        let process = try network.start(words)
        // The first at any time, the others when there is something to lose.
        let patience = Instant.now.advanced(by: .seconds(60))
        while !ends.isEmpty, !isRegularFile(folder.file("checkpoint")), .now < patience { usleep(1_000) }
        usleep(UInt32.random(in: 50_000..<2_500_000, using: &random))
        process.send(signal: SIGKILL)
        ends.append("\(process.waitForExit(timeout: .seconds(30)) ?? -1)")
        for name in ["jsonl", "csv"] where !isWholeUpToItsLastLine((try? folder.text(name)) ?? "", name) {
          ends.append("a torn line in \(name)")
        }
        // Killed before there was a checkpoint, it begins anew.
        if isRegularFile(folder.file("checkpoint")) {
          words = [Sample.binary, "scan", "--resume", folder.file("checkpoint"), "--rate", "200"]
        }
      }
      let last = try network.start([Sample.binary, "scan", "--resume", folder.file("checkpoint"), "--rate", "1500"])
      ends.append("\(last.waitForExit(timeout: .seconds(120)) ?? -1) \(last.errors.contains(" (incomplete)"))")
      return ends
    }
    #expect(ends.dropLast() == Array(repeating: "137", count: kills)[...])
    // A busy machine may lose packets, and say so; the truth below is the same.
    #expect(["0 false", "75 false"].contains(ends.last ?? ""), "\(ends)")
    let end = try await runTool("/usr/bin/python3", "-c", ScanKillTests.judge, folder.path, "\(kills * 256)")
    #expect(end.output == "True True True True True\n", "\(end.output) \(end.errors)")
    #expect(folder.contents() == outputs.sorted())
  }

  /// Judges every output by the truth: each target there, with the right verdict, in what strict readers read.
  private static let judge = """
    import csv, json, re, sys, xml.etree.ElementTree as tree
    folder = sys.argv[1]
    truth = {}
    for number in range(int(sys.argv[2])):
      address = "10.9.%d.%d" % (number // 256, number % 256)
      for port in (80, 81):
        truth[address, port] = "no-answer" if number % 4 == 3 else "open" if port == 80 else "closed"
    def found(pairs):
      seen = {}
      for address, port, state in pairs: seen.setdefault((address, int(port)), set()).add(state)
      return seen
    def right(seen, truth): return seen == {key: {state} for key, state in truth.items()}
    answered = {key: state for key, state in truth.items() if state != "no-answer"}
    records = [json.loads(line) for line in open(folder + "/jsonl")]
    jsonl = found((one["ip"], one["port"], one["state"]) for one in records if one["type"] == "result")
    words = {"synack": "open", "rst": "closed", "no-answer": "no-answer"}
    rows = found((row["saddr"], row["sport"], words[row["classification"]]) for row in csv.DictReader(open(folder + "/csv")))
    lines = [line.split() for line in open(folder + "/masscan-list") if line[0] != "#"]
    masscan = found((one["ip"], one["ports"][0]["port"], one["ports"][0]["status"]) for one in json.load(open(folder + "/masscan-json")))
    hosts = tree.parse(folder + "/nmap-xml").getroot().findall("host")
    nmap = {"open": "open", "closed": "closed", "filtered": "no-answer"}
    xml = [(host.find("address").get("addr"), int(port.get("portid")), nmap[port.find("state").get("state")])
      for host in hosts for port in host.find("ports").findall("port")]
    print(right(jsonl, truth) and records[-1]["complete"], right(rows, truth), right(found((one[3], one[2], one[0]) for one in lines), answered),
      right(masscan, answered), len(xml) == len(truth) and right(found(xml), truth))
    """
}

/// What follows the last newline may be anything; each line before is one of its kind.
private func isWholeUpToItsLastLine(_ text: String, _ format: String) -> Bool {
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
  return lines.allSatisfy { line in
    format == "jsonl" ? line.hasPrefix("{\"type\":\"") && line.hasSuffix("}") : line.count { $0 == "," } == 26
  }
}
