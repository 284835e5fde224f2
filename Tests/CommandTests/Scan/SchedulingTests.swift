// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HalfOpen
import HalfOpenLinux
import Testing

@testable import halfopen_command

/// docs/scheduling.md says what works.
@Suite struct SchedulingTests {
  private let text: String

  init() throws {
    let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    text = String(decoding: try readFile("/\(root)/docs/scheduling.md"), as: UTF8.self)
  }

  /// The first block of code in a language, line by line.
  private func block(_ language: String) throws -> [String] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let start = try #require(lines.firstIndex(of: "```\(language)"))
    let end = try #require(lines[start...].firstIndex(of: "```"))
    return Array(lines[(start + 1)..<end])
  }

  private func trimmed(_ line: String) -> Substring { line.drop { $0 == " " } }

  /// What stands behind `key` on the one line that begins with it.
  private func value(_ key: String, in lines: [String]) throws -> String {
    let found = lines.map(trimmed).filter { $0.hasPrefix(key) }
    #expect(found.count == 1, "\(key)")
    return String(try #require(found.first).dropFirst(key.utf8.count))
  }

  /// The parts that tasks see cover everything once.
  private func expectWhole(_ environments: [[String: String]]) throws {
    let parts = try environments.map { try #require(try Shard(environment: $0)) }
    #expect(Set(parts).count == parts.count)
    let ranges = parts.map { $0.positions(of: 1_000_003) }.sorted { $0.lowerBound < $1.lowerBound }
    #expect(ranges.first?.lowerBound == 0 && ranges.last?.upperBound == 1_000_003)
    #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
  }

  /// The command lines of a script are ones that the command takes, and name what all parts have to share.
  private func expectCommands(_ lines: [String]) throws {
    var count = 0
    for line in lines where line.contains("halfopen scan ") {
      let words = try #require(line.split(separator: "halfopen scan ").last).split(separator: ";")[0]
        .replacing("\"", with: "").split(separator: " ").map(String.init)
      let command = try ScanCommand.parse(words)
      #expect(command.output.resume != nil || command.selection.seed != nil)
      #expect(command.selection.shard == nil)
      count += 1
    }
    #expect(count == 2)
  }

  @Test func theKubernetesJobIsEveryPartOnce() throws {
    let lines = try block("yaml")
    let completions = try #require(Int(try value("completions: ", in: lines)))
    #expect(try value("completionMode: ", in: lines) == "Indexed")
    let name = try #require(lines.firstIndex { $0.hasSuffix("- name: HALFOPEN_SHARD_COUNT") })
    let count = trimmed(lines[name + 1])
    #expect(count == "value: \"\(completions)\"")
    try expectWhole(
      (0..<completions).map { ["JOB_COMPLETION_INDEX": "\($0)", "HALFOPEN_SHARD_COUNT": "\(completions)"] })
    #expect(lines.contains { $0.contains("$JOB_COMPLETION_INDEX") })
    try expectCommands(lines)
  }

  @Test func theSlurmArrayIsEveryPartOnce() throws {
    let lines = try block("sh")
    let bounds = try value("#SBATCH --array=", in: lines).split(separator: "-").compactMap { Int($0) }
    #expect(bounds.count == 2)
    let tasks = bounds[0]...bounds[1]
    // As slurmctld sets it for an array without a step (sbatch(1), OUTPUT ENVIRONMENT VARIABLES).
    try expectWhole(
      tasks.map {
        [
          "SLURM_ARRAY_TASK_ID": "\($0)", "SLURM_ARRAY_TASK_MIN": "\(tasks.lowerBound)",
          "SLURM_ARRAY_TASK_MAX": "\(tasks.upperBound)", "SLURM_ARRAY_TASK_COUNT": "\(tasks.count)",
          "SLURM_ARRAY_TASK_STEP": "1",
        ]
      })
    #expect(lines.contains { $0.contains("$SLURM_ARRAY_TASK_ID") })
    try expectCommands(lines)
  }

  /// Every variable that the page names is one that is read.
  @Test func namedVariablesAreRead() throws {
    let names = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }
      .filter { $0.hasPrefix("SLURM_ARRAY_") || $0.hasPrefix("JOB_COMPLETION") || $0.hasPrefix("HALFOPEN_") }
    #expect(Set(names) == ["JOB_COMPLETION_INDEX", "HALFOPEN_SHARD_COUNT", "SLURM_ARRAY_TASK_ID"])
  }
}
