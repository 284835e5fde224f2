// SPDX-License-Identifier: Apache-2.0

import CMeasure
@preconcurrency import Glibc

/// `micro [NAME...] [--check FILE] [--rounds N]` measures the parts that a packet passes; `micro scale [--quick]` sweeps
/// 2^32 targets without a wire. scripts/bench calls this inside of a network namespace of its own, its loopback up.
@main
struct Micro {
  static func main() async {
    var words = CommandLine.arguments.dropFirst()
    do {
      if words.first == "scale" {
        try ScaleRun.all(isQuick: words.contains("--quick"))
        return
      }
      var (names, rounds, limits): ([String], Int, Limits?) = ([], 5, nil)
      while let word = words.popFirst() {
        switch word {
        case "micro": break
        case "--quick": rounds = 3
        case "--rounds": rounds = max(1, words.popFirst().flatMap { Int($0) } ?? rounds)
        case "--only": if let name = words.popFirst() { names.append(name) }
        case "--check":
          guard let path = words.popFirst() else { throw Failure("--check needs the file of the limits") }
          limits = try Limits(path)
        default:
          guard !word.hasPrefix("-") else { throw Failure("unknown '\(word)'") }
          names.append(word)
        }
      }
      try await measure(names, rounds: rounds, limits: limits)
    } catch {
      fputs("micro: \(error)\n", stderr)
      exit(1)
    }
  }

  private static func measure(_ names: [String], rounds: Int, limits: Limits?) async throws {
    let all = try Benchmark.packets() + Benchmark.sweep() + Benchmark.results()
    let engines = EngineBenchmark.all
    func isChosen(_ name: String) -> Bool { names.isEmpty || names.contains { name.contains($0) } }
    var lines: [(name: String, measured: Measured)] = []
    for one in all where isChosen(one.name) { lines.append((one.name, one.measure(rounds: rounds))) }
    for one in engines where isChosen(one.name) { lines.append((one.name, try await one.measure(rounds: rounds))) }
    guard !lines.isEmpty else { throw Failure("no benchmark has a name with \(names.joined(separator: " or "))") }
    print("| part | ns each, median (least–most) | allocations in 1000 | system calls in 1000 |")
    print("|:--|--:|--:|--:|")
    for (name, measured) in lines {
      let taken = measured.taken
      print("| \(name) | \(measured.times) | \(fixed(taken.allocations, 2)) | \(fixed(taken.calls, 2)) |")
    }
    try limits?.check(lines.map { ($0.name, $0.measured.taken) }, isWhole: names.isEmpty)
  }
}

struct Failure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// What a thousand operations may take, by benchmark: a line each, `ALLOCATIONS CALLS NAME`.
struct Limits {
  private let path: String
  private var values: [String: Taken] = [:]

  init(_ path: String) throws {
    self.path = path
    guard let file = fopen(path, "r") else { throw Failure("can't read the limits in '\(path)'") }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 512)
    while fgets(&buffer, CInt(buffer.count), file) != nil {
      let line = String(decoding: buffer.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard !line.isEmpty, !line.hasPrefix("#") else { continue }
      let parts = line.split(separator: " ", maxSplits: 2)
      guard parts.count == 3, let allocations = Double(parts[0]), let calls = Double(parts[1]) else {
        throw Failure("'\(line)' in \(path) is not two limits and the name of a benchmark")
      }
      values[String(parts[2])] = Taken(allocations: allocations, calls: calls)
    }
  }

  /// - Throws: where one is above its limit or has none, or a limit has no benchmark.
  func check(_ measured: [(name: String, taken: Taken)], isWhole: Bool) throws {
    var faults: [String] = []
    for (name, taken) in measured {
      guard let limit = values[name] else {
        faults.append("'\(name)' has no limits: give it some")
        continue
      }
      for (what, count, limit) in [
        ("allocations", taken.allocations, limit.allocations), ("system calls", taken.calls, limit.calls),
      ] where count > limit {
        faults.append("'\(name)' takes \(fixed(count, 2)) \(what) in 1000 operations, and may take \(fixed(limit, 2))")
      }
    }
    let names = Set(measured.map(\.name))
    for name in values.keys.sorted() where isWhole && !names.contains(name) {
      faults.append("no benchmark is named '\(name)'")
    }
    guard faults.isEmpty else { throw Failure("above \(path):\n  \(faults.joined(separator: "\n  "))") }
    print("\nNone above its limits in \(path).")
  }
}
