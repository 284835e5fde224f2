// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenLinux
import HalfOpenTesting
import HalfOpenWire
import TestSupport
import Testing

/// The real command where its files take no more, and what it writes beside results.
@Suite(.requiresRawSocket, .requiresNetworkNamespace, .timeLimit(.minutes(5))) struct ScanFaultTests {
  private let folder: ScratchFolder
  private let hostsNetwork: HostsNetwork
  private var network: NetworkNamespace { hostsNetwork.namespace }

  /// Every host of 10.9.0.0/16 answers on port 80 and refuses port 81.
  init() throws {
    folder = try ScratchFolder()
    hostsNetwork = try HostsNetwork()
  }

  private func scan(_ arguments: [String], prefix: [String] = []) async throws -> CommandOutput {
    try await network.capture(prefix + [Sample.binary, "scan"] + arguments, timeout: .seconds(120))
  }

  private func script(_ text: String) async throws -> CommandOutput {
    let words = ["unshare", "-m", "bash", "-c", text, Sample.binary, folder.path]
    return try await network.capture(words, timeout: .seconds(120))
  }

  private func hosts(_ name: String) throws -> Set<Substring> {
    Set(try folder.text(name).split(separator: "\n").compactMap { $0.split(separator: ":").first })
  }

  /// A disk with room for a part of the results. With more room a resume finishes, and what did not fit is there.
  @Test func aFullDiskLosesNothingThatWasFound() async throws {
    let end = try await script(
      """
      mount -t tmpfs -o size=96k none "$1" && cd "$1"
      "$0" scan 10.9.0.0/22 -p 80 --rate 2000 -o ip-port=a -o jsonl=b --checkpoint c --no-progress; echo $?
      ls; mount -o remount,size=64m "$1"
      "$0" scan --resume c -q; echo $?
      ls; cat a
      """)
    let lines = end.output.split(separator: "\n")
    #expect(Array(lines.prefix(7)) == ["74", "a", "b", "c", "0", "a", "b"], "\(lines.prefix(9)) \(end.errors)")
    #expect(Set(lines.dropFirst(7)).count == 1024)
    #expect(end.errors.contains("No space left on device"))
    #expect(end.errors.contains("not complete; to go on: halfopen scan --resume "), "\(end.errors)")
  }

  /// Nobody reads standard output any more: the other output has everything in the end.
  @Test func aClosedPipeStopsTheSweepWithACheckpoint() async throws {
    let end = try await script(
      """
      cd "$1"
      "$0" scan 10.9.0.0/22 -p 80 --rate 2000 -o text=- -o ip-port=a --checkpoint c --no-progress | head -n 2; echo ${PIPESTATUS[0]}
      ls; "$0" scan --resume c -q >/dev/null; echo $?; ls
      """)
    let lines = end.output.split(separator: "\n")
    #expect(lines.first?.hasPrefix("10.9.") == true)
    #expect(Array(lines.dropFirst(2)) == ["74", "a", "c", "0", "a"], "\(end.errors)")
    #expect(end.errors.contains("can't write standard output: Broken pipe"))
    #expect(try hosts("a").count == 1024)
  }

  /// There is nothing to save: the first signal is enough.
  @Test func aSignalEndsAScanThatReadsItsTargets() async throws {
    let words = ["bash", "-c", "exec \"$0\" scan --targets - -p 80 < <(echo 10.9.0.1; exec sleep 60)", Sample.binary]
    let process = try network.start(words)
    try await eventually("it reads its targets") {
      try network.command("sh", "-c", "cat /proc/\(process.pid)/task/*/comm; true").contains("halfopen-input")
    }
    process.send(signal: SIGINT)
    #expect(process.waitForExit(timeout: .seconds(20)) == 130)
  }

  /// A fault of ours is no verdict, but on record: once for all that have it, and not again by who resumes.
  @Test func whereNoRouteLeadsIsOnRecord() async throws {
    let job = ["10.9.0.0/31", "203.0.113.0/30", "-p", "80,81", "-o", "jsonl=\(folder.file("a"))", "--no-progress"]
    let end = try await scan(job)
    let notice = "no route to 203.0.113.0: netlink request: Network is unreachable; see `ip route get 203.0.113.0`"
    #expect(end.exitCode == 75 && end.errors.contains("\(notice): 8 targets from 203.0.113.0 to 203.0.113.3"))
    let lines = try folder.text("a").split(separator: "\n")
    let faults = lines.filter { $0.contains(#""type":"error""#) }
    #expect(lines.count == 4 && faults.count == 1)
    let members = #""target":"203.0.113.0/30","targets":8,"error":"no-route","errno":"ENETUNREACH","message":"no route"#
    #expect(faults.first?.contains(members) == true, "\(faults)")
    let partly = try await scan(job + ["--checkpoint", folder.file("c"), "--max-results", "1"])
    let rest = try await scan(["--resume", folder.file("c"), "--no-progress"])
    #expect(rest.exitCode == 75, "\(partly.errors) \(rest.errors)")
    #expect(try folder.text("a").split(separator: "\n").filter { $0.contains(#""type":"error""#) }.count == 1)
  }

  /// A part with nothing to do counts as done.
  @Test func aPartAnswersForItsOwnTargets() async throws {
    var codes: [Int] = []
    for part in 1...6 {
      let job = ["10.9.0.0/31", "203.0.113.1", "-p", "80", "--seed", "5", "--shard", "\(part)/6", "--no-progress"]
      codes.append(try await scan(job).exitCode)
    }
    #expect(codes.count { $0 == 0 } == 5 && codes.contains(69), "\(codes)")
  }

  /// Nothing leaves, nothing is written, and no right is needed.
  @Test(arguments: [[], ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]])
  func aDryRunSendsNothing(prefix: [String]) async throws {
    try writeFile(folder.file("a"), "results of before")
    let end = try await scan(
      ["10.9.0.0/24", "0.0.0.0/8", "0.0.0.0/7", "-p", "80,81", "--rate", "100", "--seed", "3", "--dry-run"]
        + ["-o", "csv=\(folder.file("a"))", "--retries", "2", "--shard", "2/65536", "--checkpoint", folder.file("c")],
      prefix: prefix)
    #expect(end.exitCode == 0, "\(end.errors)")
    let sent = try network.command("ip", "-s", "link", "show", "lo").split(separator: "\n").last
    #expect(sent?.split(separator: " ").prefix(2) == ["0", "0"])
    #expect(folder.contents() == ["a"])
    #expect(try folder.text("a") == "results of before")
    let plan = end.output
    #expect(plan.contains("targets  1024, part 2/65536 of 67109376, ports 80-81\n"), "\(plan)")
    #expect(plan.contains("order  from --seed 3\n"))
    #expect(plan.contains("probes  1024, at most 3072: again to the silent\n"))
    #expect(plan.contains("time  11 s to 31 s of sending"))
    #expect(plan.contains("way  lo from 10.9.0."))
    #expect(plan.contains("output  csv to \(folder.file("a"))\n"))
    #expect(plan.contains("checkpoint  \(folder.file("c"))\n"))
    #expect(plan.contains("engine  \(prefix.isEmpty ? "packet: " : "connect: CAP_NET_RAW is missing")"))
  }

  @Test func aPlanShowsTheFirstPackets() async throws {
    let words = ["10.9.0.0/28", "-p", "80", "--seed", "3", "--tcp-options", "linux"]
    let plan = try await scan(words + ["--dry-run"])
    let packets = plan.output.split(separator: "\n").filter { $0.contains("Flags [S]") }
    #expect(packets.count == 8)
    #expect(packets.allSatisfy { $0.contains("> 10.9.0.") && $0.contains("sackOK") }, "\(packets)")
    // The order is that of the run.
    let file = folder.file("run")
    _ = try await scan(words + ["--rate", "100", "--pcap", file, "-q"])
    let text = try await runTool("tcpdump", "-nn", "-t", "-r", file, "tcp[tcpflags] == tcp-syn")
    let order = text.output.split(separator: "\n").compactMap { $0.split(separator: " ").dropFirst(3).first }
    #expect(order.count == 16)
    #expect(Array(order.prefix(8)) == packets.compactMap { $0.split(separator: ">").last?.split(separator: " ").first })
  }

  @Test func aFallbackIsPlannedAndTold() async throws {
    let words = ["10.9.0.0/28", "-p", "80", "--transmit", "xdp"]
    let plan = try await scan(words + ["--dry-run"])
    #expect(plan.output.contains("by ip: nothing leaves through a link\n"), "\(plan.output)")
    let end = try await scan(words)
    #expect(end.exitCode == 0 && end.errors.contains("--transmit xdp on lo: nothing leaves through a link"))
  }

  /// Two sockets fit, however late the kernel gives back what a try at zero-copy held.
  @Test(.enabled(if: XDPSocket.obstacle() == nil)) func twoQueuesFitIntoTheLockedMemoryOfAnOrdinaryProcess()
    async throws
  {
    try network.command(
      "ip", "link", "add", "va", "numtxqueues", "2", "numrxqueues", "2", "type", "veth", "peer", "name", "vb",
      "numtxqueues", "2", "numrxqueues", "2")
    for words in ["address add 10.8.0.1/24 dev va", "link set va up", "link set vb up"] {
      try network.command(["ip"] + words.split(separator: " ").map(String.init))
    }
    // The kernel counts such memory by user: of two runs of the tests one waits.
    let lock = ["flock", "/tmp/halfopen-tests-memlock"]
    let prefix = ["prlimit", "--memlock=8388608", "setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock"]
    let words = [
      "10.8.0.0/28", "-p", "80", "--transmit", "xdp", "--senders", "2", "--gateway-mac", "02:00:00:00:00:99",
    ]
    let end = try await scan(words, prefix: lock + prefix)
    #expect(end.exitCode == 0 && !end.errors.contains("AF_XDP"), "\(end.errors)")
    let less = try await scan(words, prefix: lock + ["prlimit", "--memlock=1048576"] + prefix.dropFirst(2))
    #expect(less.exitCode == 0 && less.errors.contains("than `ulimit -l` allows"), "\(less.errors)")
  }

  /// Every SYN and what answered it, on a resume in a file of its own.
  @Test func aRecordingHasWhatWasSentAndMatched() async throws {
    let file = folder.file("run.pcap")
    let end = try await scan(
      ["10.9.0.0/26", "-p", "80,81", "--rate", "2000", "--pcap", file, "-o", "jsonl=\(folder.file("a"))"])
    #expect(end.exitCode == 0, "\(end.errors)")
    func count(_ filter: String) async throws -> Int {
      let text = try await runTool("tcpdump", "-nn", "-r", file, filter)
      return text.output.split(separator: "\n").count
    }
    #expect(try await count("tcp[tcpflags] == tcp-syn") == 128)
    #expect(try await count("tcp[tcpflags] == tcp-syn|tcp-ack and src port 80") == 64)
    #expect(try await count("tcp[tcpflags] == tcp-rst|tcp-ack and src port 81") == 64)
    // By its time each question comes before its answer. Two threads record, so by its place it may not.
    let all = try await runTool("tcpdump", "-nn", "-tt", "-r", file)
    var asked: [Substring: Double] = [:]
    let lines = all.output.split(separator: "\n").map { $0.split(separator: " ") }
    for words in lines where words[6] == "[S]," { asked[words[4].dropLast()] = Double(words[0]) }
    let late = lines.filter {
      ["[S.],", "[R.],"].contains($0[6]) && asked[$0[2], default: .infinity] > Double($0[0]) ?? 0
    }
    #expect(late.isEmpty, "\(late.prefix(3))")
    let refused = try await scan(["10.9.0.1", "-p", "80", "--backend", "connect", "--pcap", file])
    #expect(refused.exitCode == 64)
    #expect(refused.errors.contains("the connect engine sees no packets"), "\(refused.errors)")
  }

  @Test func aRecordingThatTakesNoMoreStopsTheSweep() async throws {
    let end = try await scan(
      ["10.9.0.0/22", "-p", "80", "--rate", "500", "--pcap", "/dev/full", "--checkpoint", folder.file("c")]
        + ["-o", "ip-port=\(folder.file("a"))", "--no-progress"])
    #expect(end.exitCode == 74)
    #expect(end.errors.contains("can't write the recording '/dev/full': "), "\(end.errors)")
    #expect(folder.contents() == ["a", "c"])
    let resumed = try await scan(["--resume", folder.file("c"), "--pcap", folder.file("p"), "--rate", "1500", "-q"])
    #expect(resumed.exitCode == 0, "\(resumed.errors)")
    #expect(try hosts("a").count == 1024)
  }
}
