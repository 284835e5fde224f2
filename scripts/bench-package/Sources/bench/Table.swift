// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A Markdown table.
struct Table {
  private let columns: [String]
  private var rows: [[String]] = []

  /// - Parameter columns: the first is to the left, the others to the right.
  init(_ columns: [String]) { self.columns = columns }

  mutating func add(_ cells: [String]) { rows.append(cells) }

  var markdown: String {
    let lines = [columns, [":--"] + columns.dropFirst().map { _ in "--:" }] + rows
    return lines.map { "| \($0.joined(separator: " | ")) |\n" }.joined()
  }
}

/// What a run of the bench happened under.
struct Conditions: Encodable {
  var date = ISO8601DateFormatter().string(from: Date())
  var kernel =
    (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8))?
    .trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
  var processors = ProcessInfo.processInfo.processorCount
  var processor = Conditions.model()
  /// Over the last minute: what was there before, if taken at the start.
  var load = Conditions.loadAverage()

  var text: String { "\(date), Linux \(kernel), \(processors) x \(processor), load \(fixed(load)) before" }

  private static func model() -> String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last?.trimmingCharacters(in: .whitespaces) ?? "unknown"
  }

  static func loadAverage() -> Double {
    let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? ""
    return text.split(separator: " ").first.flatMap { Double($0) } ?? 0
  }
}

func fixed(_ value: Double, _ places: Int = 1) -> String { String(format: "%.\(places)f", value) }

func grouped(_ value: Double) -> String {
  var digits = "\(Int(value.rounded()))"
  var index = digits.count - 3
  while index > 0 {
    digits.insert(",", at: digits.index(digits.startIndex, offsetBy: index))
    index -= 3
  }
  return digits
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
}

/// `12.3 (11.9–14.0)`, or the one value there is.
func spread(_ values: [Double], _ places: Int = 2) -> String {
  guard values.count > 1, let least = values.min(), let most = values.max() else {
    return fixed(values.first ?? 0, places)
  }
  return "\(fixed(median(values), places)) (\(fixed(least, places))–\(fixed(most, places)))"
}

func progress(_ text: String) {
  guard isatty(2) == 1 else { return }
  FileHandle.standardError.write(Data("\r\u{1b}[K\(text)".utf8))
}

func json(_ value: some Encodable) throws -> Data {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  return try encoder.encode(value)
}
