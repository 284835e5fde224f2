// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpen
import HalfOpenTesting
import HalfOpenWire
import TestSupport
import Testing

/// The built binary, on loopback in a namespace without a route out.
@Suite(.requiresNetworkNamespace, .serialized) struct CommandLineTests {
  private let network: NetworkNamespace
  private let listener: LocalListener
  private let closed: UInt16 = 1

  init() throws {
    network = try NetworkNamespace()
    listener = try LocalListener(in: network, on: .v4(.loopback))
  }

  private var open: String { "127.0.0.1:\(listener.port)" }

  private func halfopen(_ arguments: String..., prefix: [String] = [], input: String = "") throws -> CommandOutput {
    try network.capture(prefix + [Sample.binary] + arguments, input: input)
  }

  private static let withoutRights = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]

  private static let withoutAny = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

  @Test(arguments: ["auto", "connect", "packet"]) func openIsZeroAndClosedIsOne(backend: String) throws {
    let good = try halfopen("check", open, "--backend", backend)
    #expect(good.exitCode == 0, "\(good.errors)")
    #expect(good.output.hasPrefix("\(open)  open         syn-ack "))
    let bad = try halfopen("check", "127.0.0.1:\(closed)", "--backend", backend)
    #expect(bad.exitCode == 1, "\(bad.errors)")
    #expect(bad.output.contains("closed       reset"))
    #expect(try halfopen("check", "127.0.0.1:\(closed)", "--expect", "closed", "-q").exitCode == 0)
  }

  /// The number of a closed descriptor must not go to a socket, which would take the output for its own.
  @Test func closedStandardDescriptorsAreNobodyElses() throws {
    let script = #""$0" check "$1" --backend connect >&-"#
    let output = try network.capture(["sh", "-c", script, Sample.binary, open])
    #expect(output.exitCode == 74)
    #expect(output.errors.contains("Bad file descriptor"), "\(output.errors)")
    let input = try network.capture(["sh", "-c", #""$0" check --targets - <&-"#, Sample.binary])
    #expect(input.exitCode == 66)
    #expect(input.errors.contains("Bad file descriptor"), "\(input.errors)")
  }

  @Test(arguments: ["auto", "connect", "packet"]) func withoutDescriptorsItSaysWhatToDo(backend: String) throws {
    var verdicts = 0
    for limit in [4, 5, 8, 11, 12, 14, 17, 20, 22, 24, 64] {
      let end = try halfopen(
        "check", open, "--backend", backend, "-t", "10s", prefix: ["prlimit", "--nofile=\(limit):\(limit)", "--"])
      if end.exitCode == 0 {
        verdicts += 1
        continue
      }
      #expect(end.exitCode == 75, "\(limit) descriptors: \(end.errors)")
      #expect(end.errors.split(separator: "\n").count == 1, "\(limit) descriptors: \(end.errors)")
      #expect(end.errors.hasPrefix("halfopen: ") && end.errors.contains("raise `ulimit -n`"), "\(end.errors)")
    }
    #expect(verdicts > 0)
  }

  @Test func missingPermissionHasTheLineToRun() throws {
    let end = try halfopen("check", open, "--mark", "7", prefix: Self.withoutAny)
    #expect(end.exitCode == 77)
    #expect(end.errors.contains("sudo setcap cap_net_raw=ep "), "\(end.errors)")
  }

  @Test func packetEngineSendsFromAnAddressOfNobodys() throws {
    let end = try halfopen("check", open, "--source-ip", "192.0.2.9", "-t", "100ms")
    #expect(end.exitCode == 1, "\(end.errors)")
    let full = try halfopen("check", open, "--source-ip", "192.0.2.9", "--mode", "full")
    #expect(full.exitCode == 69, "\(full.errors)")
  }

  @Test func usageIs64() throws {
    for arguments in [["check"], ["check", "nowhere"], ["chek"], ["check", open, "--no-such-option"]] {
      let end = try network.capture([Sample.binary] + arguments)
      #expect(end.exitCode == 64)
      #expect(end.output.isEmpty && !end.errors.isEmpty)
    }
  }

  @Test func inputThatCannotBeReadIs66() throws {
    #expect(try halfopen("check", "--targets", "/nonexistent").exitCode == 66)
    #expect(try halfopen("check", "--targets", "/tmp").exitCode == 66)
    #expect(try halfopen("check", "--targets", "-", input: "# nothing\n").exitCode == 66)
    let mistake = try halfopen("check", "--targets", "-", input: "\n  bad\n")
    #expect(mistake.exitCode == 66)
    #expect(mistake.errors.contains("standard input:2:3: invalid endpoint 'bad': no port"))
  }

  @Test func aNameThatDoesNotResolveIs68() throws {
    let end = try halfopen("check", "nosuch.invalid:80")
    #expect(end.exitCode == 68)
    #expect(end.errors.contains("'nosuch.invalid'"))
  }

  @Test func noRouteIs69() throws {
    #expect(try halfopen("check", "192.0.2.1:80").exitCode == 69)
    #expect(try halfopen("check", "192.0.2.1:80", open).exitCode == 75)
    #expect(try halfopen("check", open, "--interface", "nosuch0").exitCode == 69)
  }

  @Test func aFullDiskIs74() throws {
    let end = try network.capture(["sh", "-c", "exec \"$0\" check \(open) >/dev/full", Sample.binary])
    #expect(end.exitCode == 74)
    #expect(end.errors.contains("No space left"))
  }

  @Test func aClosedPipeIs74() throws {
    let end = try network.capture([
      "bash", "-c", "\"$0\" check 127.0.0.1:- --backend connect | head -n 1 >/dev/null; exit ${PIPESTATUS[0]}",
      Sample.binary,
    ])
    #expect(end.exitCode == 74)
    #expect(end.errors.contains("Broken pipe"))
  }

  @Test func withoutRightsThePacketEngineIs77AndSaysHowToGrantThem() throws {
    let end = try halfopen("check", open, "--backend", "packet", prefix: Self.withoutRights)
    #expect(end.exitCode == 77)
    #expect(end.errors.contains("sudo setcap cap_net_raw=ep /"))
    #expect(end.errors.contains("/halfopen"))
  }

  @Test func withoutRightsAutoUsesTheConnectEngineAndSaysSoWhenVerbose() throws {
    let end = try halfopen("check", open, prefix: Self.withoutRights)
    #expect(end.exitCode == 0)
    #expect(end.errors.isEmpty)
    let verbose = try halfopen("check", open, "-v", prefix: Self.withoutRights)
    #expect(verbose.errors.contains("using the connect engine: no CAP_NET_RAW"))
    #expect(verbose.errors.contains("sudo setcap cap_net_raw=ep /"))
  }

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)]) func aSignalPrintsTheStatistics(
    signal: CInt, code: Int
  ) async throws {
    let process = try network.start([
      Sample.binary, "check", open, "--count", "0", "--interval", "5ms", "--format", "jsonl",
    ])
    try await eventually { process.output.split(separator: "\n").count >= 3 }
    process.send(signal: signal)
    #expect(process.waitForExit(timeout: .seconds(10)) == code)
    let lines = process.output.split(separator: "\n")
    #expect(lines.dropLast().last?.hasPrefix(#"{"type":"statistics","#) == true)
    #expect(lines.last?.hasSuffix(#""complete":false}"#) == true)
  }

  /// Killed between the SYN-ACK and its close, it leaves the last word to the kernel, which the zero linger makes a RST.
  @Test(.timeLimit(.minutes(1))) func aKilledCheckStillEndsInARST() async throws {
    let world = try NetworkNamespace()
    let peer = try ScriptedPeer(in: world, rules: [PeerRule("198.51.100.0/24", .open)])
    // It is stopped before the first answer comes through.
    try world.loadRules(
      "table inet closed { chain in { type filter hook input priority 0; tcp flags & (syn|ack) == syn|ack drop; }; }")
    let process = try world.start([
      Sample.binary, "check", "198.51.100.7:80", "--backend", "connect", "-t", "60s", "--attempts", "5",
    ])
    try await eventually { peer.counts.syns >= 1 }
    process.send(signal: SIGSTOP)
    try world.command("nft", "delete", "table", "inet", "closed")
    let replies = peer.counts.replies
    try await eventually { peer.counts.replies > replies }
    process.send(signal: SIGKILL)
    try await eventually { peer.counts.resets + peer.counts.resetAcks >= 1 }
    #expect(process.output.isEmpty)
  }

  @Test func aSignalEndsARunThatWaitsForInput() async throws {
    let process = try network.start([
      "bash", "-c", "exec \"$0\" check --targets - < <(echo \(open); exec sleep 60)", Sample.binary,
    ])
    try await eventually { !process.output.isEmpty }
    #expect(process.output.contains("open"), "results come while the input is open")
    process.send(signal: SIGINT)
    #expect(process.waitForExit(timeout: .seconds(10)) == 130)
  }

  @Test func targetsComeFromFilesAndPortsFromTheirOption() throws {
    let end = try halfopen(
      "check", "--targets", "-", "-p", "\(listener.port)", "--format", "json", input: "127.0.0.1 # one\n")
    #expect(end.exitCode == 0)
    #expect(end.output.split(separator: "\n").count == 2)
    #expect(end.output.contains(#""ip":"127.0.0.1","port":\#(listener.port),"protocol":"tcp","state":"open""#))
  }

  @Test func namesFromHostsAreResolved() throws {
    let end = try halfopen("check", "localhost:\(listener.port)", "-4", "--all-addresses", "--format", "jsonl")
    #expect(end.exitCode == 0)
    #expect(end.output.contains(#""ip":"127.0.0.1","host":"localhost""#))
  }

  @Test func doctorSaysWhatACheckWouldUse() throws {
    let good = try halfopen("doctor", open)
    #expect(good.exitCode == 0)
    for word in ["capability", "backend", "route", "local, lo", "source", "conntrack", "reset"] {
      #expect(good.output.contains(word))
    }
    let lost = try halfopen("doctor", "192.0.2.1")
    #expect(lost.exitCode == 69)
    #expect(lost.output.contains("FAIL  route"))
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func completionsAreGenerated(shell: String) throws {
    let end = try halfopen("--generate-completion-script", shell)
    #expect(end.exitCode == 0)
    #expect(end.output.contains("--all-addresses") || end.output.contains("all-addresses"))
  }

  @Test func theVersionIsTold() throws {
    let end = try halfopen("--version")
    #expect(end.exitCode == 0)
    #expect(end.output.hasPrefix("halfopen 0."))
  }
}
