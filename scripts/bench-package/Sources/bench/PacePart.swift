// SPDX-License-Identifier: Apache-2.0

import CMeasure
import Foundation

/// The part `pace`: when packets arrive, by the kernel's stamps at the far end, and what holding a rate costs.
struct PacePart {
  struct Run: Encodable {
    var side: String
    var rate: Int
    var measured: Measured
    var windows: Windows
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
    var document = Document(conditions: Conditions(), runs: [])
    let lab = try Lab(.blackHole)
    print("\(document.conditions.text).\n")
    var table = Table([
      "sender", "rate", "arrived", "windows within", "least in a window", "most in a window", "windows above",
      "mean/s", "longest gap ms", "CPU ms", "CPU/packet ns", "stamps lost",
    ])
    for rate in [1, 100, 10_000, 300_000] {
      let seconds = rate == 1 ? 20 : options.effort == .quick && rate != 300_000 ? 5 : 10
      let count = rate * seconds
      let ours = options.effort == .quick ? Array(tools.ours.suffix(1)) : tools.ours
      var sides: [(name: String, words: [String])] = []
      for tool in ours where options.only.map({ tool.name.contains($0) }) ?? true {
        sides.append((tool.name, words(tool, rate, count)))
      }
      if rate >= 10_000 {
        for path in ours.map(\.transmit) where path != "xdp" {
          sides.append(
            (
              "C, \(path), sleeps between batches",
              [
                programs.twins, "flood", path, "1", "\(count)", "\(rate)", Lab.interface, lab.gatewayMAC, Lab.source,
              ]
            ))
        }
      }
      for side in sides {
        progress("\(side.name) at \(rate)/s")
        let run = try measure(side.name, side.words, rate: rate, seconds: seconds, lab)
        document.runs.append(run)
        let (windows, measured) = (run.windows, run.measured)
        table.add([
          side.name, grouped(Double(rate)), "\(windows.packets) of \(count)", "\(fixed(windows.within * 100)) %",
          "\(windows.least)", "\(windows.most)", "\(windows.above)", fixed(windows.mean, 2), "\(windows.longestGap)",
          fixed(measured.cpu * 1000, 1), grouped(measured.cpu * 1e9 / Double(max(1, windows.packets))),
          "\(windows.lost)",
        ])
      }
    }
    progress("")
    print(table.markdown, terminator: "")
    print("\nLoad at the end \(fixed(Conditions.loadAverage())).")
    if let file = options.output { try json(document).write(to: URL(fileURLWithPath: file)) }
  }

  private func words(_ tool: Tool, _ rate: Int, _ count: Int) -> [String] {
    let last = count - 1
    let range = "10.0.0.0-10.\(last >> 16).\(last >> 8 & 255).\(last & 255)"
    return [
      tool.path, "scan", range, "-p", "80", "--transmit", tool.transmit, "--rate", "\(rate)", "--retries", "0",
      "--cooldown", "0s", "-o", "jsonl=/dev/null", "--no-checkpoint", "--no-progress", "-q",
    ]
  }

  private func measure(_ name: String, _ words: [String], rate: Int, seconds: Int, _ lab: Lab) throws -> Run {
    let scratch = try Scratch()
    let file = scratch.file("stamps")
    let twins = programs.twins
    let watcher = try lab.far.runBlocking {
      try startMeasured([twins, "stamps", Lab.interface, "\(seconds + 20)"], output: file)
    }
    Thread.sleep(forTimeInterval: 0.3)
    let measured: Measured
    do {
      measured = try lab.measure(words, seconds: Double(seconds) + 10).checked(name)
    } catch {
      var spent = spent()
      spawned_await(watcher, 0, &spent)
      throw error
    }
    Thread.sleep(forTimeInterval: 0.3)
    var spent = spent()
    spawned_await(watcher, 0, &spent)
    let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
    return Run(side: name, rate: rate, measured: measured, windows: Windows(text, rate: Double(rate)))
  }
}

/// What one-second windows, a tenth of a second apart, contain.
struct Windows: Codable {
  var packets = 0
  var lost = 0
  /// The part of the windows whose count is within max(1 packet, 1 %) of the rate.
  var within = 0.0
  /// How many have more.
  var above = 0
  var least = 0
  var most = 0
  /// Packets a second from the first to the last.
  var mean = 0.0
  /// Milliseconds without a packet.
  var longestGap = 0

  /// - Parameter text: lines of `MILLISECOND COUNT`, as `twins stamps` prints them.
  init(_ text: String, rate: Double) {
    var stamps: [(at: Int, count: Int)] = []
    for line in text.split(separator: "\n") {
      if line.hasPrefix("lost=") { lost = Int(line.dropFirst(5)) ?? 0 }
      let words = line.split(separator: " ").compactMap { Int($0) }
      if words.count == 2 { stamps.append((words[0], words[1])) }
    }
    guard let first = stamps.first, let last = stamps.last, last.at > first.at else { return }
    packets = stamps.reduce(0) { $0 + $1.count }
    longestGap = zip(stamps, stamps.dropFirst()).map { $1.at - $0.at }.max() ?? 0
    mean = Double(packets - first.count) * 1000 / Double(last.at - first.at)
    var sums = [0]
    var milliseconds = [Int](repeating: 0, count: last.at + 1)
    for stamp in stamps { milliseconds[stamp.at] = stamp.count }
    for count in milliseconds { sums.append(sums[sums.count - 1] + count) }
    let room = max(1, rate / 100)
    var counts: [Int] = []
    var begin = first.at
    while begin + 1000 <= last.at + 1 {
      counts.append(sums[begin + 1000] - sums[begin])
      begin += 100
    }
    guard !counts.isEmpty else { return }
    least = counts.min() ?? 0
    most = counts.max() ?? 0
    above = counts.count { Double($0) > rate + room }
    within = Double(counts.count { abs(Double($0) - rate) <= room }) / Double(counts.count)
  }
}
