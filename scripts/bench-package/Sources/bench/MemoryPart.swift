// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The part `memory`: what a sweep of 2^24 targets keeps resident.
struct MemoryPart {
  struct Run: Encodable {
    var name: String
    var measured: Measured
  }

  private struct Document: Encodable {
    var conditions: Conditions
    var runs: [Run]
  }

  private let options: Options
  private let tools: Tools

  init(_ options: Options) throws {
    self.options = options
    tools = try Tools()
  }

  func run() throws {
    var document = Document(conditions: Conditions(), runs: [])
    print("\(document.conditions.text).\n")
    let targets = 1 << 24
    let limit = Double(targets) / 4 + 32 * 1_048_576
    guard let tool = tools.ours.first(where: { $0.transmit == "link" }) ?? tools.ours.first else { return }
    var table = Table([
      "sweep", "resident halfway MiB", "at the end MiB", "peak MiB", "limit MiB", "", "wall s", "probes",
    ])
    var sweeps: [(name: String, ground: Lab.Ground, extra: [String])] = [
      ("2^24 targets, none answers", .blackHole, [])
    ]
    if options.effort != .quick {
      sweeps.append(("2^24 targets, none answers, --all-states", .blackHole, ["--all-states"]))
    }
    if options.effort == .full { sweeps.append(("2^24 targets, all answer by RST", .closedNetwork, [])) }
    for sweep in sweeps where options.only.map({ sweep.name.contains($0) }) ?? true {
      progress(sweep.name)
      let lab = try Lab(sweep.ground)
      let words =
        [
          tool.path, "scan", "10.0.0.0/8", "--exclude", Lab.ownNetwork, "-p", "81", "--yes", "--transmit",
          tool.transmit, "--rate", "max",
          "--retries", "0", "-o", "jsonl=/dev/null", "--no-checkpoint", "--no-progress", "-q",
        ] + sweep.extra
      let measured = try lab.measure(words, seconds: 300).checked(sweep.name)
      document.runs.append(Run(name: sweep.name, measured: measured))
      table.add([
        sweep.name, fixed(measured.residentHalfway / 1_048_576), fixed(measured.residentAtEnd / 1_048_576),
        fixed(measured.peak / 1_048_576), fixed(limit / 1_048_576), measured.peak <= limit ? "pass" : "**miss**",
        fixed(measured.wall) + (measured.wasEnded ? " (ended)" : ""), "\(measured.packets)",
      ])
    }
    progress("")
    print(table.markdown, terminator: "")
    print("\nLoad at the end \(fixed(Conditions.loadAverage())).")
    if let file = options.output { try json(document).write(to: URL(fileURLWithPath: file)) }
  }
}
