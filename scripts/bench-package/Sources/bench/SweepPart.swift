// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The part `sweep`: ours beside masscan, zmap and nmap, in turn, against hosts of which the truth is known.
struct SweepPart {
  /// A tool's turn at a job.
  private struct Side {
    var tool: Tool
    var pace: Tool.Pace
    var seconds: Double
    /// Once is enough where a run takes minutes.
    var rounds: Int
  }

  struct Run: Encodable {
    var job: String
    var tool: String
    var rate: Int?
    var retries: Int
    var cooldown: Double?
    var measured: Measured
    var tally: Findings
    /// SYNs at the far end.
    var probes: Int
    var embryonicResets: Int
    /// Wall time without N/rate and the cooldown.
    var rest: Double?
  }

  private struct Document: Encodable {
    var conditions: Conditions
    var versions: String
    var runs: [Run]
  }

  private let options: Options
  private let tools: Tools

  init(_ options: Options) throws {
    self.options = options
    tools = try Tools()
  }

  func run() throws {
    var document = Document(conditions: Conditions(), versions: tools.versions, runs: [])
    print("\(document.conditions.text); \(tools.versions).\n")
    for job in jobs {
      guard options.only.map({ job.name.contains($0) }) ?? true else { continue }
      let (sides, skipped) = sides(job)
      let lab = try Lab(job.ground, loss: job.loss)
      var runs: [[Run]] = sides.map { _ in [] }
      for round in 1...options.rounds {
        for (index, side) in sides.enumerated() where round <= side.rounds {
          progress("\(job.name): \(side.tool.name), round \(round)")
          runs[index].append(try measure(side, job, lab))
        }
      }
      progress("")
      print(table(job, runs), terminator: "")
      for text in skipped { print("\n\(text)") }
      print("")
      document.runs += runs.flatMap { $0 }
    }
    if let file = options.output { try json(document).write(to: URL(fileURLWithPath: file)) }
  }

  /// What nmap gets, in seconds.
  private static let longest = 1800.0

  private var jobs: [Job] {
    var lossy: [Job] = []
    for loss in [0.01, 0.05] {
      var job = Job.mixed
      job.name = "131,072 hosts x 1 port, mixed, \(fixed(loss * 100, 0)) % lost each way"
      job.loss = loss
      lossy.append(job)
    }
    if options.effort == .quick { return [.mixed, .allOpen, .closedPorts, .mixed6, lossy[1]] }
    return [.mixed, .allOpen, .closedPorts, .silentPorts, .block, .mixed6] + lossy
  }

  /// Who runs, how, and who does not.
  private func sides(_ job: Job) -> ([Side], [String]) {
    var sides: [Side] = []
    var skipped: [String] = []
    let isQuick = options.effort == .quick
    func add(
      _ tool: Tool, _ rate: Int?, _ retries: Int?, _ cooldown: Int?, rounds: Int? = nil, seconds: Double = 200
    ) {
      let pace = Tool.Pace(rate: rate, retries: retries, cooldown: cooldown)
      sides.append(Side(tool: tool, pace: pace, seconds: seconds, rounds: rounds ?? options.rounds))
    }
    if job.loss > 0 {
      for tool in tools.ours { add(tool, 50_000, 3, nil) }
      return (sides, ["Missed, as the loss has it: \(SweepPart.expectation(job, retries: 3))."])
    }
    let rates: [Int?] =
      switch job.ground {
      case .mixed where isQuick && !job.isIPv6: [200_000, nil]
      case .mixed where !isQuick: [50_000, 200_000, nil]
      case .closedPorts, .silentPorts, .block: isQuick ? [nil] : [100_000, nil]
      default: [nil]
      }
    for rate in rates {
      for tool in tools.ours { add(tool, rate, 0, nil) }
      for tool in tools.peers where tool.kind != .nmap && !cannot(tool, job) {
        add(tool, rate, 0, 2)
        if options.effort == .full { add(tool, rate, nil, nil, rounds: 1) }
      }
    }
    if !isQuick || job.ground == .closedPorts { for tool in tools.ours { add(tool, rates.last ?? nil, nil, nil) } }
    for tool in tools.peers where !cannot(tool, job) {
      if tool.kind == .nmap {
        if let reason = slow(job) {
          skipped.append("nmap left out: \(reason).")
        } else {
          add(tool, nil, nil, nil, rounds: 1, seconds: SweepPart.longest)
        }
      } else if options.effort == .full {
        add(tool, rates.last ?? nil, 1, 2, rounds: 1)
      }
    }
    for tool in tools.peers where cannot(tool, job) {
      skipped.append("\(tool.name) left out: it has no \(job.isIPv6 ? "IPv6" : "more than one port in a run").")
    }
    return (sides, skipped)
  }

  private func cannot(_ tool: Tool, _ job: Job) -> Bool {
    tool.kind == .zmap && (job.isIPv6 || (job.portCount > 1 && tool.isOneProbeOneHost))
  }

  private func slow(_ job: Job) -> String? {
    job.ground != .closedPorts && options.effort != .full ? "it takes minutes; --full runs it" : nil
  }

  private func measure(_ side: Side, _ job: Job, _ lab: Lab) throws -> Run {
    let scratch = try Scratch()
    let output = scratch.file("output")
    let (syns, resets) = (try lab.syns(), try lab.embryonicResets())
    let measured = try lab.measure(
      side.tool.command(job, side.pace, lab, output: output), errors: scratch.file("errors"), seconds: side.seconds,
      trickles: side.tool.kind == .masscan)
    let tally = side.tool.tally(job, output: output)
    if measured.exitCode != 0 && measured.packets < 100 {
      let said = (try? String(contentsOfFile: scratch.file("errors"), encoding: .utf8)) ?? ""
      throw Failure(description: "\(side.tool.name) ended with \(measured.exitCode): \(said.suffix(500))")
    }
    let probes = try lab.syns() - syns
    // Ours waits twice the longest round trip and at least 0.3 s, or not at all where everything has answered.
    let isComplete = tally.open + tally.closed + tally.unreachable == job.count
    let cooldown =
      side.tool.cooldown(side.pace)
      ?? (side.tool.kind == .ours
        ? isComplete ? 0 : min(8, max(0.3, 2 * Tool.longestRoundTrip(output: output))) : nil)
    var rest: Double?
    if let cooldown { rest = measured.wall - (side.pace.rate.map { Double(probes) / Double($0) } ?? 0) - cooldown }
    return Run(
      job: job.name, tool: side.tool.name, rate: side.pace.rate, retries: side.tool.retries(side.pace),
      cooldown: cooldown, measured: measured, tally: tally, probes: probes,
      embryonicResets: try lab.embryonicResets() - resets, rest: rest)
  }

  private func table(_ job: Job, _ runs: [[Run]]) -> String {
    let truth = job.truth().reduce(into: [Verdict: Int]()) { $0[$1, default: 0] += 1 }
    var text = "### \(job.name)\n\n"
    text +=
      "Open \(truth[.open] ?? 0), closed \(truth[.closed] ?? 0), unreachable \(truth[.unreachable] ?? 0), silent "
      + "\(truth[.silent] ?? 0). Load at the end \(fixed(Conditions.loadAverage())).\n\n"
    var table = Table([
      "tool", "rate", "retries", "cooldown s", "open", "closed", "unreachable", "missed", "false", "duplicate",
      "wall s",
      "less N/rate and cooldown s", "CPU s", "machine s", "CPU/probe ns", "probes", "EmbryonicRsts", "peak MB", "runs",
    ])
    for runs in runs {
      guard let first = runs.first else { continue }
      func sum(_ value: (Run) -> Int) -> String { runs.map { "\(value($0))" }.reduced }
      func middle(_ value: (Run) -> Double) -> Double { median(runs.map(value)) }
      table.add([
        first.tool, first.rate.map { grouped(Double($0)) } ?? "max", "\(first.retries)",
        first.cooldown == nil ? "" : fixed(middle { $0.cooldown ?? 0 }), sum { $0.tally.open },
        sum { $0.tally.closed }, sum { $0.tally.unreachable }, sum { $0.tally.missed }, sum { $0.tally.wrong },
        sum { $0.tally.duplicates },
        spread(runs.map(\.measured.wall)) + (runs.contains { $0.measured.wasEnded } ? " (ended)" : ""),
        first.rest == nil ? "" : fixed(middle { $0.rest ?? 0 }, 2), fixed(middle { $0.measured.cpu }, 2),
        fixed(middle { $0.measured.busy }, 2), grouped(middle { $0.measured.cpu * 1e9 / Double(max(1, $0.probes)) }),
        "\(Int(middle { Double($0.probes) }))", "\(Int(middle { Double($0.embryonicResets) }))",
        fixed(middle { $0.measured.peak / 1e6 }), "\(runs.count)",
      ])
    }
    return text + table.markdown
  }

  /// Each of r+1 attempts has to get there and back: (1-(1-p)²)^(r+1) of those that answer are missed.
  private static func expectation(_ job: Job, retries: Int) -> String {
    let answering = Double(job.truth().reduce(0) { $0 + ($1 == .silent ? 0 : 1) })
    let chance = pow(1 - pow(1 - job.loss, 2), Double(retries + 1))
    let mean = answering * chance
    let most = mean + 4 * mean.squareRoot() + 1
    return "\(fixed(mean, 2)) of \(Int(answering)) expected, \(Int(most)) at most (four standard deviations and one)"
  }
}

extension [String] {
  /// One of them where all are the same, else the least and the most.
  fileprivate var reduced: String {
    let values = compactMap { Int($0) }.sorted()
    guard let least = values.first, let most = values.last else { return "" }
    return least == most ? "\(least)" : "\(least)–\(most)"
  }
}
