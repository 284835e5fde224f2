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

  struct Conditions: Encodable {
    var rounds: Int
    var seconds: Double
    var checks: Int
    var date = ISO8601DateFormatter().string(from: Date())
    var kernel =
      (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
    var processors = ProcessInfo.processInfo.processorCount
    var processor = Conditions.model()
    /// Over the last minute, with the bench itself.
    var load = Conditions.loadAverage()

    private static func model() -> String {
      let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
      let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
      return line?.split(separator: ":").last?.trimmingCharacters(in: .whitespaces) ?? "unknown"
    }
    private static func loadAverage() -> Double {
      let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? ""
      return text.split(separator: " ").first.flatMap { Double($0) } ?? 0
    }
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
  let bars: [Bar]

  init(sides: [Row], counters: Counters, conditions: Conditions) {
    self.sides = sides
    self.counters = counters
    self.conditions = conditions
    bars = CheckReport.bars(Dictionary(uniqueKeysWithValues: sides.map { ($0.name, $0) }))
  }

  var json: Data {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      return try encoder.encode(self)
    }
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
      \(conditions.date), Linux \(conditions.kernel), \(conditions.processors) x \(conditions.processor), load \
      \(fixed(conditions.load)); medians of \(conditions.rounds), sides in turn, each at most \(conditions.checks) \
      checks and \(fixed(conditions.seconds)) s. Kernel: EmbryonicRsts \(counters.embryonicResets), SyncookiesSent \
      \(counters.cookies), DelayedACKs \(counters.delayedACKs). Times in µs.

      | side | at a time | checks/s | CPU/check | engine's thread | whole machine | p50 | p99 | allocations | not open |
      |:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|

      """
    for row in sides {
      let cells = [
        row.title, "\(row.concurrency)", grouped(row.rate), fixed(row.cpu),
        row.allocationsPerCheck == nil ? "" : fixed(row.median { $0.loop } ?? 0), fixed(row.median { $0.machine } ?? 0),
        row.median { $0.p50 }.map(fixed) ?? "", row.median { $0.p99 }.map(fixed) ?? "",
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

private func fixed(_ value: Double) -> String { String(format: "%.1f", value) }

private func grouped(_ value: Double) -> String {
  var digits = "\(Int(value.rounded()))"
  var index = digits.count - 3
  while index > 0 {
    digits.insert(",", at: digits.index(digits.startIndex, offsetBy: index))
    index -= 3
  }
  return digits
}
