// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What part `check` found: a table, bars, JSON.
struct CheckReport: Encodable {
  struct Row: Encodable {
    var name: String
    var title: String
    var concurrency: Int
    var samples: [Sample]
    var allocationsPerCheck: Double?
    var allocatedBytesPerCheck: Double?

    init(side: Side, samples: [Sample], allocations: Sample?) {
      name = side.name
      title = side.title
      concurrency = side.concurrency
      self.samples = samples
      allocationsPerCheck = allocations?.allocations
      allocatedBytesPerCheck = allocations?.bytes
    }

    func median(_ value: (Sample) -> Double?) -> Double? {
      let sorted = samples.compactMap(value).sorted()
      return sorted.isEmpty ? nil : sorted[sorted.count / 2]
    }
    var rate: Double { median { $0.rate } ?? 0 }
    var cpu: Double { median { $0.cpu } ?? 0 }
    var others: Double { samples.reduce(0) { $0 + $1.others } }
  }

  struct Counters: Encodable {
    var embryonicResets: Int
    var cookies: Int
    var delayedACKs: Int
  }

  struct Limits: Encodable {
    var rounds: Int
    var seconds: Double
    var checks: Int
  }

  struct Bar: Encodable {
    var text: String
    var value: Double
    var limit: Double
    var atLeast: Bool
    var passed: Bool { atLeast ? value >= limit : value <= limit }

    enum CodingKeys: CodingKey { case text, value, limit, atLeast, passed }
    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(text, forKey: .text)
      try container.encode(value, forKey: .value)
      try container.encode(limit, forKey: .limit)
      try container.encode(atLeast, forKey: .atLeast)
      try container.encode(passed, forKey: .passed)
    }
  }

  let sides: [Row]
  let counters: Counters
  let conditions: Conditions
  let limits: Limits
  let bars: [Bar]

  init(sides: [Row], counters: Counters, conditions: Conditions, limits: Limits) {
    self.sides = sides
    self.counters = counters
    self.conditions = conditions
    self.limits = limits
    bars = CheckReport.bars(Dictionary(uniqueKeysWithValues: sides.map { ($0.name, $0) }))
  }

  /// The bars of the speed requirement. CPU is of all threads of the process; the rate is one engine's, with its one
  /// thread, beside the twin's one thread.
  private static func bars(_ rows: [String: Row]) -> [Bar] {
    var bars: [Bar] = []
    func bar(
      _ text: String, _ side: String, _ other: String?, _ limit: Double, atLeast: Bool, _ value: (Row) -> Double?
    ) {
      guard let row = rows[side], let left = value(row) else { return }
      guard let other else { return bars.append(Bar(text: text, value: left, limit: limit, atLeast: atLeast)) }
      guard let twin = rows[other], let right = value(twin), right > 0 else { return }
      bars.append(Bar(text: text, value: left / right, limit: limit, atLeast: atLeast))
    }
    for path in ["bulk", "await"] {
      for concurrency in [64, 512] {
        let (side, twin) = ("connect-\(path)-\(concurrency)", "twin-connect-\(concurrency)")
        let what = "connect \(path == "bulk" ? "stream" : "awaited") \(concurrency)"
        bar("\(what): CPU a check, of (a)'s", side, twin, 1.15, atLeast: false) { $0.cpu }
        bar("\(what): checks/s, of (a)'s", side, twin, 0.9, atLeast: true) { $0.rate }
      }
    }
    bar("packet stream 512: checks/s, of (a)'s", "packet-bulk-512", "twin-connect-512", 2, atLeast: true) { $0.rate }
    bar("packet stream 512: CPU a check, of (a)'s", "packet-bulk-512", "twin-connect-512", 0.5, atLeast: false) {
      $0.cpu
    }
    for engine in ["connect", "packet"] {
      let side = "\(engine)-await-1"
      bar("\(engine) single: p50, of (b)'s", side, "twin-handed-1", 1.5, atLeast: false) { $0.median { $0.p50 } }
      bar("\(engine) single: p50, of (a)'s", side, "twin-connect-1", 2.6, atLeast: false) { $0.median { $0.p50 } }
    }
    for engine in ["connect", "packet"] {
      bar("\(engine) awaited 64: allocations a check", "\(engine)-await-64", nil, 4, atLeast: false) {
        $0.allocationsPerCheck
      }
      bar("\(engine) stream 512: allocations a check", "\(engine)-bulk-512", nil, 0.01, atLeast: false) {
        $0.allocationsPerCheck
      }
    }
    let others = rows.values.reduce(0) { $0 + $1.others }
    bars.append(Bar(text: "checks that did not come back open", value: others, limit: 0, atLeast: false))
    return bars
  }

  var markdown: String {
    var text = """
      \(conditions.text); medians of \(limits.rounds), sides in turn, each at most \(limits.checks) \
      checks and \(fixed(limits.seconds)) s. Kernel: EmbryonicRsts \(counters.embryonicResets), SyncookiesSent \
      \(counters.cookies), DelayedACKs \(counters.delayedACKs). Times in µs.

      | side | at a time | checks/s | CPU/check | engine's thread | whole machine | p50 | p99 | allocations | not open |
      |:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|

      """
    func optional(_ value: Double?) -> String { value.map { fixed($0) } ?? "" }
    for row in sides {
      let cells: [String] = [
        row.title, "\(row.concurrency)", grouped(row.rate), fixed(row.cpu),
        row.allocationsPerCheck == nil ? "" : fixed(row.median { $0.loop } ?? 0), fixed(row.median { $0.machine } ?? 0),
        optional(row.median { $0.p50 }), optional(row.median { $0.p99 }),
        row.allocationsPerCheck.map { String(format: "%.3f", $0) } ?? "", "\(Int(row.others))",
      ]
      text += "| \(cells.joined(separator: " | ")) |\n"
    }
    text += "\n| bar | measured | limit | |\n|:--|--:|--:|:--|\n"
    for bar in bars {
      let limit = "\(bar.atLeast ? "≥" : "≤") \(String(format: "%g", bar.limit))"
      text +=
        "| \(bar.text) | \(String(format: "%.3f", bar.value)) | \(limit) | \(bar.passed ? "pass" : "**miss**") |\n"
    }
    return text
  }
}
