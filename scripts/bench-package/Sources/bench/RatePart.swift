// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The part `rate`: checks at a high rate across a veth, 512 at a time, beside the connect loop and raw senders in C,
/// with one thread and with two. Sides in turn, medians.
struct RatePart {
  private struct Side {
    var name: String
    /// What runs at the same time.
    var commands: [[String]]
  }

  private struct Row: Encodable {
    var side: String
    var samples: [Sample]
    var rate: Double { median(samples.map(\.rate)) }
    var cpu: Double { median(samples.map(\.cpu)) }
  }

  private struct Document: Encodable {
    var conditions: Conditions
    var seconds: Double
    var rows: [Row]
  }

  private struct Bar {
    var text: String
    var side: String
    var other: String
    /// Nil for what is only to be known.
    var least: Double?
  }

  private static let concurrency = 512
  private static let target = "10.64.0.1"
  private static let bars = [
    Bar(text: "stream, of raw C", side: "stream", other: "raw C", least: 0.85),
    Bar(text: "awaited, of the connect loop in C", side: "awaited", other: "connect loop in C", least: nil),
    Bar(
      text: "awaited, two engines, of the connect loop in C", side: "awaited, two engines",
      other: "connect loop in C", least: 2.4),
    Bar(text: "stream, two engines, of one", side: "stream, two engines", other: "stream", least: 1.7),
    Bar(text: "raw C, two processes, of one", side: "raw C, two processes", other: "raw C", least: nil),
    Bar(text: "raw C, of the connect loop in C", side: "raw C", other: "connect loop in C", least: nil),
  ]

  private let options: Options
  private let programs = Programs()

  init(_ options: Options) { self.options = options }

  func run() throws {
    let lab = try Lab(.open)
    let sides = sides().filter { side in options.only.map { side.name.contains($0) } ?? true }
    var document = Document(
      conditions: Conditions(), seconds: options.seconds, rows: sides.map { Row(side: $0.name, samples: []) })
    let before = try lab.embryonicResets()
    for round in 1...options.rounds {
      for (index, side) in sides.enumerated() {
        progress("round \(round) of \(options.rounds): \(side.name)")
        document.rows[index].samples.append(try measure(side, in: lab))
      }
    }
    progress("")
    print(
      """
      \(document.conditions.text); medians of \(options.rounds), sides in turn, each \(fixed(options.seconds)) s, \
      \(RatePart.concurrency) at a time. Far end: EmbryonicRsts \(try lab.embryonicResets() - before). Times in µs.

      """)
    var table = Table(["side", "checks/s", "CPU/check", "user", "engine's thread", "whole machine", "not open"])
    for row in document.rows {
      let each = { (value: (Sample) -> Double) in fixed(median(row.samples.map(value)), 2) }
      table.add([
        row.side, spread(row.samples.map { $0.rate / 1000 }, 1) + " k", each(\.cpu), each(\.user), each(\.loop),
        each(\.machine), fixed(row.samples.reduce(0) { $0 + $1.others }, 0),
      ])
    }
    print(table.markdown)
    printBars(document.rows)
    print("\nLoad at the end \(fixed(Conditions.loadAverage())).")
    if let file = options.output { try json(document).write(to: URL(fileURLWithPath: file)) }
  }

  private func printBars(_ rows: [Row]) {
    let rates = Dictionary(uniqueKeysWithValues: rows.map { ($0.side, $0.rate) })
    var table = Table(["bar", "measured", "limit", ""])
    for bar in RatePart.bars {
      guard let rate = rates[bar.side], let other = rates[bar.other], other > 0 else { continue }
      let verdict = bar.least.map { rate / other >= $0 ? "pass" : "**miss**" } ?? ""
      table.add([bar.text, fixed(rate / other, 3), bar.least.map { "≥ \($0)" } ?? "", verdict])
    }
    print(table.markdown, terminator: "")
  }

  private func sides() -> [Side] {
    // More than anybody does in the time.
    let length = ["\(RatePart.concurrency)", "\(Int(options.seconds * 1_000_000))", "\(options.seconds)", "80"]
    func twin(_ kind: String, _ number: Int) -> [String] {
      [programs.twins, kind] + length
        + [RatePart.target, Lab.source, Lab.interface, "\(10_000 + 8 * RatePart.concurrency * number)"]
    }
    func own(_ path: String, _ engines: Int) -> [String] {
      [programs.bench, "side", "packet", path] + length + ["target=\(RatePart.target)", "engines=\(engines)"]
    }
    return [
      Side(name: "connect loop in C", commands: [twin("connect", 0)]),
      Side(name: "raw C", commands: [twin("raw", 0)]),
      Side(name: "stream", commands: [own("bulk", 1)]),
      Side(name: "awaited", commands: [own("await", 1)]),
      Side(name: "raw C, two processes", commands: [twin("raw", 0), twin("raw", 1)]),
      Side(name: "stream, two engines", commands: [own("bulk", 2)]),
      Side(name: "awaited, two engines", commands: [own("await", 2)]),
    ]
  }

  private func measure(_ side: Side, in lab: Lab) throws -> Sample {
    let running = try lab.near.runBlocking { try side.commands.map { try Spawned($0) } }
    let samples = try running.map { program in
      let text = try program.finish()
      guard let sample = Sample(line: text) else { throw Failure(description: "\(side.name) said '\(text)'") }
      return sample
    }
    return Sample(atOnce: samples)
  }
}

extension Sample {
  /// Of programs that ran beside each other.
  fileprivate init(atOnce samples: [Sample]) {
    self = samples[0]
    guard samples.count > 1 else { return }
    let checks = samples.reduce(0) { $0 + $1.checks }
    func each(_ value: (Sample) -> Double) -> Double { samples.reduce(0) { $0 + value($1) * $1.checks } / checks }
    (cpu, user, loop) = (each(\.cpu), each(\.user), each(\.loop))
    // Each of them saw the whole machine.
    (machine, softirq) = (each(\.machine) / Double(samples.count), each(\.softirq) / Double(samples.count))
    rate = samples.reduce(0) { $0 + $1.rate }
    others = samples.reduce(0) { $0 + $1.others }
    self.checks = checks
  }
}
