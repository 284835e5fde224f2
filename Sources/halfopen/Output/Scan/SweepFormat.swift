// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import SystemPackage

/// The forms in which a sweep's results are written: docs/output-formats.md.
enum SweepFormat: String, CaseIterable, Hashable, Sendable {
  case jsonl
  case text
  case csv
  case ipPort = "ip-port"
  case masscanList = "masscan-list"
  case masscanJSON = "masscan-json"
  case nmapXML = "nmap-xml"

  /// Reads a format's name; `json` is another for `jsonl`.
  init?(_ name: String) { self.init(rawValue: name == "json" ? "jsonl" : name) }
}

/// Where results go, and how: the `FORMAT=PATH` of `-o`.
struct SweepOutput: Hashable, Sendable, ExpressibleByArgument {
  var format: SweepFormat
  /// `-` is the standard output.
  var path: String

  init(_ format: SweepFormat, _ path: String) {
    self.format = format
    self.path = path
  }

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[1].isEmpty, let format = SweepFormat(String(parts[0])) else { return nil }
    self.init(format, String(parts[1]))
  }

  var isStandardOutput: Bool { path == "-" }
  /// How messages name it.
  var shown: String { isStandardOutput ? "standard output" : path }

  static let formats = SweepFormat.allCases.map(\.rawValue).joined(separator: ", ")

  /// The first place that two outputs share, or an output and another file of the scan. Nil where each has its own.
  static func shared(_ outputs: [SweepOutput], and files: [String]) -> String? {
    var seen: Set<String> = []
    let places = outputs.map(\.shown) + outputs.filter { $0.format == .nmapXML }.map { NmapFile.spool(of: $0.path) }
    return (places + files).first { !seen.insert(FilePath($0).lexicallyNormalized().string).inserted }
  }
}
