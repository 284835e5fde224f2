// SPDX-License-Identifier: Apache-2.0

import CMeasure
import Foundation

/// The part `latency`: from the start of a program to its first SYN at the far end, by the kernel's stamp there; what the
/// command weighs and what it is linked with.
struct LatencyPart {
  private struct Side {
    var name: String
    var words: [String]
    /// The bar, in milliseconds.
    var limit: Double?
  }

  struct Run: Encodable {
    var side: String
    /// In milliseconds, by round.
    var first: [Double] = []
    var end: [Double] = []
  }

  private struct Document: Encodable {
    var conditions: Conditions
    var runs: [Run]
  }

  private let options: Options
  private let tools: Tools
  private let programs = Programs()

  init(_ options: Options) throws {
    self.options = options
    tools = try Tools()
  }

  func run() throws {
    let lab = try Lab(.open)
    var document = Document(conditions: Conditions(), runs: [])
    let sides = sides(lab).filter { side in options.only.map { side.name.contains($0) } ?? true }
    document.runs = sides.map { Run(side: $0.name) }
    let rounds = max(options.rounds, 11)
    // The first finds its files on the disk, the others in memory.
    for round in 0...rounds {
      for (index, side) in sides.enumerated() {
        progress("\(side.name), round \(round)")
        let (first, end) = try measure(side, lab)
        guard round > 0 else { continue }
        document.runs[index].first.append(first)
        document.runs[index].end.append(end)
      }
    }
    progress("")
    print("\(document.conditions.text); \(tools.versions); medians of \(rounds).\n")
    var table = Table(["program", "to its first SYN ms", "to its end ms", "bar ms", ""])
    for (side, run) in zip(sides, document.runs) {
      let verdict = side.limit.map { median(run.first) < $0 ? "pass" : "**miss**" }
      table.add([
        side.name, spread(run.first, 1), spread(run.end, 0), side.limit.map { "< \(fixed($0, 0))" } ?? "",
        verdict ?? "",
      ])
    }
    print(table.markdown, terminator: "")
    print("\nLoad at the end \(fixed(Conditions.loadAverage())).\n")
    try weigh()
    if let file = options.output { try json(document).write(to: URL(fileURLWithPath: file)) }
  }

  private func measure(_ side: Side, _ lab: Lab) throws -> (first: Double, end: Double) {
    let socket = try lab.far.runBlocking { arrivals_open(Lab.interface) }
    guard socket >= 0 else { throw Failure(description: "nothing can be captured on \(Lab.interface)") }
    // What the program before left the kernel to tidy up would be waited for by the next one's capture.
    Thread.sleep(forTimeInterval: 0.15)
    let (start, pid) = try lab.near.runBlocking {
      (realtime_now(), try startMeasured(side.words, output: "/dev/null"))
    }
    var spent = spent()
    spawned_await(pid, 30, &spent)
    let end = realtime_now()
    let first = arrivals_first(socket)
    guard first > 0 else { throw Failure(description: "\(side.name) sent nothing and ended with \(spent.status)") }
    return (Double(first - start) / 1e6, Double(end - start) / 1e6)
  }

  private func sides(_ lab: Lab) -> [Side] {
    guard let command = tools.ours.first?.path else { return [] }
    let host = "10.64.0.8"
    let check = [command, "check", "\(host):80", "-q"]
    let scan = [command, "scan", host, "-p", "80", "-o", "jsonl=/dev/null", "--no-checkpoint", "--no-progress", "-q"]
    var sides = [
      Side(name: "C: one SYN", words: [programs.first, Lab.interface, host]),
      Side(name: "C: a capture's ring, then one SYN", words: [programs.first, Lab.interface, host, "ring"]),
      Side(name: "halfopen check", words: check, limit: 20),
      Side(name: "halfopen check --backend connect", words: check + ["--backend", "connect"]),
      Side(name: "halfopen scan", words: scan, limit: 50),
    ]
    for tool in tools.ours {
      sides.append(
        Side(name: "halfopen scan --transmit \(tool.transmit)", words: scan + ["--transmit", tool.transmit]))
    }
    sides.append(Side(name: "halfopen scan --backend connect", words: scan + ["--backend", "connect"]))
    let job = Job(name: "", ground: .open, hosts: host, ports: "80", hostCount: 1, portCount: 1)
    for tool in tools.peers where options.effort != .quick {
      sides.append(
        Side(
          name: tool.name,
          words: tool.command(job, .init(rate: 1000, retries: 0, cooldown: 1), lab, output: "/dev/null")))
    }
    return sides
  }

  private func weigh() throws {
    guard let command = tools.ours.first?.path, let data = try? Data(contentsOf: URL(fileURLWithPath: command)) else {
      return
    }
    let scratch = try Scratch()
    let stripped = scratch.file("stripped")
    _ = Tools.said(["/usr/bin/strip", "-o", stripped, command])
    let small = (try? FileManager.default.attributesOfItem(atPath: stripped))?[.size] as? Int
    let libraries = Tools.said(["/usr/bin/ldd", command]).split(separator: "\n")
      .compactMap { $0.split(whereSeparator: \.isWhitespace).first }
    let megabytes = { (count: Int) in fixed(Double(count) / 1e6) }
    print("halfopen: \(megabytes(data.count)) MB\(small.map { ", \(megabytes($0)) MB stripped" } ?? "").")
    print("Linked with: \(libraries.joined(separator: ", ")).")
  }
}
