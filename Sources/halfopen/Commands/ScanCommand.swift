// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import HalfOpen
import HalfOpenWire

/// `halfopen scan`.
struct ScanCommand: ParsableCommand, Executable {
  static let configuration = CommandConfiguration(
    commandName: "scan",
    abstract: "Sweep many addresses and ports, and give a verdict for each.",
    discussion: """
      TARGET is an address, 192.0.2.0/24, 192.0.2.1-192.0.2.9 or a name, IPv6 likewise, each also with ports of its own: \
      192.0.2.0/24:80,443, [2001:db8::/120]:443. Reserved ranges are left out of a target that does not lie inside one.

      SIGUSR1 and SIGUSR2 change the rate by 5 % up and down. Exit codes: 0 done, 64 usage, 66 input unreadable, 68 no \
      name resolved, 69 no route or link, 74 output not written, 75 some results missing, 77 no permission, 130 and 143 \
      interrupted (a checkpoint is written).
      """)

  @Argument(help: ArgumentHelp("What to probe.", valueName: "target"))
  var hosts: [String] = []

  @OptionGroup(title: "TARGETS") var selection: ScanSelection
  @OptionGroup(title: "PACE") var pace: ScanPace
  @OptionGroup(title: "ENGINE") var engine: EngineOptions
  @OptionGroup(title: "PACKETS") var packets: ScanPackets
  @OptionGroup(title: "OUTPUT") var output: ScanOutput

  func validate() throws {
    if output.resume != nil {
      guard hosts.isEmpty, selection.isEmpty, output.outputs.isEmpty, output.checkpoint == nil, !output.noCheckpoint
      else {
        throw ValidationError(
          "--resume has targets, ports, outputs and checkpoint from the first run; give only what changes, as --rate")
      }
    } else if hosts.isEmpty, selection.targets.isEmpty {
      throw ValidationError("nothing to probe; name a target, as in `halfopen scan 192.0.2.0/24 -p 80,443`")
    }
    if selection.targets.filter({ $0 == "-" }).count > 1 {
      throw ValidationError("standard input can be read only once")
    }
    _ = try selection.portSet()
    if engine.captureInterface.contains("any") {
      throw ValidationError("--capture-interface any is for check; name the interfaces that replies may come by")
    }
    let isPlain = packets.transmit == .auto && packets.tcpOptions == .mss && packets.ttl == 64 && packets.senders == nil
    if engine.backend == .connect, !isPlain || packets.gatewayMAC != nil {
      throw ValidationError(
        "--transmit, --senders, --tcp-options, --ttl and --gateway-mac need the packet engine; drop them or --backend "
          + "connect")
    }
    if engine.mark != nil, packets.transmit == .link || packets.transmit == .xdp {
      throw ValidationError(
        "--mark is for packets that the kernel routes; drop it or --transmit \(packets.transmit.rawValue)")
    }
  }

  func execute(_ interruption: Interruption) async -> Int32 {
    await ScanRun(interruption).run(self, arguments: Array(CommandLine.arguments.dropFirst(2)))
  }
}

/// Which targets.
struct ScanSelection: ParsableArguments {
  @Option(
    name: [.customShort("p", allowingJoined: true), .customLong("ports")],
    help: ArgumentHelp("Ports of targets that name none: 22,80,8000-8100, or '-' for all.", valueName: "PORTS"))
  var ports: String?

  @Option(help: ArgumentHelp("The N most common ports.", valueName: "N"))
  var topPorts: Int?

  @Option(
    name: [.customLong("targets"), .customLong("iL", withSingleDash: true)],
    help: ArgumentHelp("Read targets from a file, or '-' for standard input; repeatable.", valueName: "FILE"),
    completion: .file())
  var targets: [String] = []

  @Option(help: ArgumentHelp("Leave out an address, range, name or host:port; repeatable.", valueName: "TARGET"))
  var exclude: [String] = []

  @Option(
    help: ArgumentHelp("Leave out what a file lists; repeatable.", valueName: "FILE"), completion: .file())
  var excludeFile: [String] = []

  @Option(help: ArgumentHelp("Never probe these ports.", valueName: "PORTS"))
  var excludePort: String?

  @Flag(help: "Probe every address of a name, not only the first.")
  var allAddresses = false

  @Flag(help: "Go ahead with more than 16777216 targets.")
  var yes = false

  @Option(help: ArgumentHelp("Do part i of n; else JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID say.", valueName: "i/n"))
  var shard: String?

  @Option(help: ArgumentHelp("The order follows from it: the same seed, the same order.", valueName: "N"))
  var seed: UInt64?

  func validate() throws {
    if ports != nil, topPorts != nil { throw ValidationError("-p and --top-ports exclude each other") }
    if let topPorts, !(1...65535).contains(topPorts) {
      throw ValidationError("--top-ports \(topPorts): give 1 to 65535")
    }
    if let shard { _ = try reading("--shard") { () throws(InputError) in try Shard(shard) } }
    _ = try excludedPorts()
  }

  /// Nothing was said of targets, but for what has a default.
  var isEmpty: Bool {
    ports == nil && topPorts == nil && targets.isEmpty && exclude.isEmpty && excludeFile.isEmpty && excludePort == nil
      && !allAddresses && shard == nil && seed == nil
  }

  /// The ports of targets that name none; nil where each has to.
  func portSet() throws -> PortSet? {
    if let topPorts { return CommonPorts.top(topPorts) }
    guard let ports else { return nil }
    return try reading("--ports") { () throws(InputError) in try PortSet(ports) }
  }

  func excludedPorts() throws -> PortSet {
    guard let excludePort else { return .none }
    return try reading("--exclude-port") { () throws(InputError) in try PortSet(excludePort) }
  }

  private func reading<Value>(_ option: String, _ body: () throws(InputError) -> Value) throws -> Value {
    do throws(InputError) { return try body() } catch {
      throw ValidationError("\(option): invalid \(error.what); \(error.advice)")
    }
  }
}

/// How fast and how often.
struct ScanPace: ParsableArguments {
  @Option(
    help: ArgumentHelp("Packets a second, as in 20000, or 'max': as fast as replies are not lost.", valueName: "PPS"))
  var rate: RateArgument = .perSecond(1000)

  @Option(help: ArgumentHelp("How often a silent target is probed again, 0 to 15.", valueName: "N"))
  var retries = 1

  @Option(help: ArgumentHelp("Wait for late answers (default: as the round trips ask for).", valueName: "TIME"))
  var cooldown: DurationArgument?

  @Option(help: ArgumentHelp("Stop sending after so long.", valueName: "TIME"))
  var maxTime: DurationArgument?

  @Option(help: ArgumentHelp("Stop after so many results.", valueName: "N"))
  var maxResults: UInt64?

  func validate() throws {
    guard (0...15).contains(retries) else { throw ValidationError("--retries \(retries): give 0 to 15") }
    if maxTime?.duration == .zero { throw ValidationError("--max-time has to be above zero") }
    if maxResults == 0 { throw ValidationError("--max-results has to be above zero") }
  }

  var packetsPerSecond: Double {
    switch rate {
    case .unlimited: .infinity
    case .perSecond(let rate): rate
    }
  }
}

/// What the packets look like and how they leave.
struct ScanPackets: ParsableArguments {
  @Option(help: "How SYNs leave: ip through the kernel's routing, link past it, xdp past most of the kernel.")
  var transmit: SweepConfiguration.Transmit = .auto

  @Option(
    help: ArgumentHelp(
      "Threads that send, 1 to 64 (default: one more for each 200,000 packets a second of the rate).", valueName: "N"))
  var senders: Int?

  @Option(help: "The TCP options of a SYN.")
  var tcpOptions: TCPOptionLayout = .mss

  @Option(help: ArgumentHelp("Time to live or hop limit.", valueName: "N"))
  var ttl: UInt8 = 64

  @Option(
    name: .customLong("gateway-mac"),
    help: ArgumentHelp("Send frames for the gateway there, unasked.", valueName: "MAC"))
  var gatewayMAC: String?

  func validate() throws {
    if let gatewayMAC, MACAddress(gatewayMAC) == nil {
      throw ValidationError("--gateway-mac '\(gatewayMAC)' is no address; give one such as 02:00:5e:10:00:01")
    }
    if let senders, !(1...64).contains(senders) { throw ValidationError("--senders \(senders): give 1 to 64") }
    guard ttl > 0 else { throw ValidationError("--ttl 0: such a packet goes nowhere; give 1 to 255") }
  }
}

/// Where results go, and what is told meanwhile.
struct ScanOutput: ParsableArguments {
  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp(
      "Write results there; repeatable (default: text=-). Formats: \(SweepOutput.formats); PATH - is standard output.",
      valueName: "FORMAT=PATH"))
  var outputs: [SweepOutput] = []

  @Flag(help: "Give a verdict for every target, the silent too; else for the open.")
  var allStates = false

  @Option(
    help: ArgumentHelp(
      "Where to keep how far it is (default: beside the first output file, for a job of over a minute).",
      valueName: "FILE"),
    completion: .file())
  var checkpoint: String?

  @Flag(help: "Keep no checkpoint.")
  var noCheckpoint = false

  @Option(help: ArgumentHelp("Go on from a checkpoint; it knows the rest.", valueName: "FILE"), completion: .file())
  var resume: String?

  @Option(help: ArgumentHelp("Record every packet sent and matched.", valueName: "FILE"), completion: .file())
  var pcap: String?

  @Option(
    help: ArgumentHelp(
      "Become this user once everything is open, to write the files (default: who called sudo).", valueName: "NAME"))
  var user: String?

  @Flag(help: "Print the plan and the first packets, and send nothing.")
  var dryRun = false

  @Flag(help: "Print no progress.")
  var noProgress = false

  @Flag(name: .shortAndLong, help: "Print only errors.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Print the ways, the engine and why they were chosen.")
  var verbose = false

  func validate() throws {
    if checkpoint != nil, noCheckpoint { throw ValidationError("--checkpoint and --no-checkpoint exclude each other") }
    if let shared = SweepOutput.shared(outputs, and: [checkpoint, pcap].compactMap { $0 }) {
      throw ValidationError("two outputs go to \(shared); give each a place of its own")
    }
  }
}

extension SweepConfiguration.Transmit: ExpressibleByArgument {}
extension TCPOptionLayout: ExpressibleByArgument {}
