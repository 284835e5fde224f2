// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import HalfOpen
import HalfOpenWire

/// `halfopen check`.
struct CheckCommand: ParsableCommand, Executable {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Tell whether TCP ports answer, without completing the handshake.",
    discussion: """
      ENDPOINT is host:port or [v6]:port, also with several ports: host:22,80,8000-8010. A time is 500ms, 2s, 1.5s or \
      1m; a bare number is seconds.

      Exit codes: 0 all as expected, 1 some not, 64 usage, 66 input unreadable, 68 no name resolved, 69 no route, link \
      or source address, 74 output not written, 75 some results missing, 77 no permission, 130 interrupted.
      """)

  @Argument(help: ArgumentHelp("What to check.", valueName: "endpoint"))
  var endpoints: [String] = []

  @Option(
    help: ArgumentHelp("Read endpoints from a file, or '-' for standard input; repeatable.", valueName: "FILE"),
    completion: .file())
  var targets: [String] = []

  @Option(
    name: [.customShort("p", allowingJoined: true), .customLong("ports")],
    help: ArgumentHelp("Ports of endpoints that name none; '-' for all.", valueName: "PORTS"))
  var ports: String?

  @Option(
    name: [.customShort("t", allowingJoined: true), .customLong("timeout")],
    help: ArgumentHelp("From the start of a check to its verdict, name lookup included.", valueName: "TIME"))
  var timeout = DurationArgument(.seconds(1))

  @Option(help: ArgumentHelp("SYNs within the timeout, 1 to 16.", valueName: "N"))
  var attempts = 2

  @Option(help: ArgumentHelp("Checks at a time.", valueName: "N"))
  var concurrency = 512

  @Option(help: ArgumentHelp("Checks started a second, or 'max'.", valueName: "PPS"))
  var rate: RateArgument = .unlimited

  @Option(help: "half-open, or full: complete the handshake, which the application notices.")
  var mode: CheckOptions.Mode = .halfOpen

  @OptionGroup(title: "ENGINE") var engine: EngineOptions

  @Flag(help: "Check every address of a name, not only the first.")
  var allAddresses = false

  @Option(help: ArgumentHelp("Check so many times and print statistics; 0 goes on until Ctrl-C.", valueName: "N"))
  var count: Int?

  @Option(help: ArgumentHelp("From one round of --count or --until to the next (default: 1s).", valueName: "TIME"))
  var interval: DurationArgument?

  @Option(help: "Check again and again until every endpoint is so.")
  var until: Expectation?

  @Option(help: ArgumentHelp("How long --until may take (default: 60s).", valueName: "TIME"))
  var maxTime: DurationArgument?

  @Option(help: "What the exit code takes for right (default: open).")
  var expect: Expectation?

  @Option(help: "text, or jsonl (one JSON record a line; also 'json').")
  var format: OutputFormat = .text

  @Flag(name: .shortAndLong, help: "Print only errors; the exit code tells.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Print the evidence, the engine and why it was chosen.")
  var verbose = false

  func validate() throws {
    guard !endpoints.isEmpty || !targets.isEmpty else {
      throw ValidationError("nothing to check; name an endpoint, as in `halfopen check example.com:443`")
    }
    guard (1...16).contains(attempts) else { throw ValidationError("--attempts \(attempts): give 1 to 16") }
    guard (1...1_000_000).contains(concurrency) else {
      throw ValidationError("--concurrency \(concurrency): give 1 to 1000000")
    }
    guard timeout.duration > .zero else { throw ValidationError("--timeout has to be above zero") }
    if let count, count < 0 { throw ValidationError("--count \(count): give 0 (no end) or more") }
    if targets.filter({ $0 == "-" }).count > 1 { throw ValidationError("standard input can be read only once") }
    if mode == .full, engine.backend == .packet {
      throw ValidationError("--mode full needs the connect engine; drop --backend packet")
    }
    try validateRepetition()
    _ = try plan()
  }

  private func validateRepetition() throws {
    if count != nil, until != nil { throw ValidationError("--count and --until exclude each other") }
    if until != nil, expect != nil { throw ValidationError("--until says what is expected; drop --expect") }
    if interval != nil, count == nil, until == nil {
      throw ValidationError("--interval goes with --count or --until; add `--count 10`")
    }
    if maxTime != nil, until == nil { throw ValidationError("--max-time goes with --until; add `--until open`") }
    if maxTime?.duration == .zero { throw ValidationError("--max-time has to be above zero") }
  }

  /// The whole of what was asked for, read and checked.
  func plan() throws -> CheckPlan {
    let defaults = try ports.map { text in
      do throws(InputError) {
        return try PortSet(text)
      } catch {
        throw ValidationError("--ports: invalid \(error.what); \(error.advice)")
      }
    }
    let parsed = try endpoints.map { text in
      switch Target.parse(text, ports: defaults) {
      case .success(let target): target
      case .failure(let error): throw ValidationError("invalid \(error.what); \(error.advice)")
      }
    }
    let interval = interval?.duration ?? .seconds(1)
    let repetition: CheckPlan.Repetition =
      if let count {
        .rounds(count == 0 ? nil : count, interval: interval)
      } else if let until {
        .until(until, within: maxTime?.duration ?? .seconds(60), interval: interval)
      } else {
        .once
      }
    return CheckPlan(
      targets: parsed, files: targets, ports: defaults,
      options: CheckOptions(timeout: timeout.duration, attempts: attempts, mode: mode, family: engine.family),
      concurrency: concurrency, rate: rate, allAddresses: allAddresses, repetition: repetition,
      expectation: until ?? expect ?? .open, format: format, isQuiet: quiet, isVerbose: verbose)
  }

  func execute(_ interruption: Interruption) async -> Int32 {
    guard let plan = try? plan() else { return ExitCode.internalError }
    return await CheckRun(plan: plan, engine: engine, interruption: interruption).run()
  }
}

/// What a port is expected to be.
enum Expectation: String, CaseIterable, ExpressibleByArgument, Sendable {
  case open, closed

  func isMet(by state: CheckResult.State) -> Bool {
    switch self {
    case .open: state == .open
    case .closed: state == .closed
    }
  }
}

/// How results are written.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument, Sendable {
  case text, jsonl

  init?(argument: String) {
    guard let format = OutputFormat(rawValue: argument == "json" ? "jsonl" : argument) else { return nil }
    self = format
  }
}

extension CheckOptions.Mode: ExpressibleByArgument {}

/// A `halfopen check`, ready to run.
struct CheckPlan: Sendable {
  enum Repetition: Hashable, Sendable {
    case once
    /// Nil goes on until it is interrupted.
    case rounds(Int?, interval: Duration)
    case until(Expectation, within: Duration, interval: Duration)
  }

  var targets: [Target]
  var files: [String]
  var ports: PortSet?
  var options: CheckOptions
  var concurrency: Int
  var rate: RateArgument
  var allAddresses: Bool
  var repetition: Repetition
  var expectation: Expectation
  var format: OutputFormat
  var isQuiet: Bool
  var isVerbose: Bool

  /// A socket's queue holds the answers to a few dozen checks, and is there at once.
  var replyBuffer: CheckerConfiguration.ReplyBuffer {
    let isCounted = files.isEmpty && !allAddresses
    let total = isCounted ? targets.reduce(0) { $0 + $1.ports.count } : .max
    return min(total, concurrency) <= 64 ? .socket : .ring
  }
}
