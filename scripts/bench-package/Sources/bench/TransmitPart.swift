// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The part `tx`: how fast SYNs leave, into a black hole, by the far interface's count.
struct TransmitPart {
  private struct Side {
    var name: String
    /// Packets, and the words for so many.
    var words: (Lab) -> [String]
    var trickles = false
  }

  struct Run: Encodable {
    var side: String
    var measured: Measured
  }

  private struct Document: Encodable {
    var conditions: Conditions
    var versions: String
    var count: Int
    var runs: [Run]
  }

  private let options: Options
  private let tools: Tools
  private let programs = Programs()
  /// A power of two: the hosts of a prefix.
  private let bits: Int

  init(_ options: Options) throws {
    self.options = options
    tools = try Tools()
    bits = options.effort == .quick ? 20 : 22
  }

  func run() throws {
    let lab = try Lab(.blackHole)
    var document = Document(conditions: Conditions(), versions: tools.versions, count: 1 << bits, runs: [])
    let sides = sides().filter { side in options.only.map { side.name.contains($0) } ?? true }
    for round in 1...options.rounds {
      for side in sides {
        progress("\(side.name), round \(round)")
        let measured = try lab.measure(side.words(lab), seconds: 60, trickles: side.trickles).checked(side.name)
        document.runs.append(Run(side: side.name, measured: measured))
      }
    }
    progress("")
    print(
      "\(document.conditions.text); \(tools.versions); \(1 << bits) SYNs of 58 bytes, medians of \(options.rounds).\n")
    var table = Table([
      "sender", "kpps", "CPU/packet ns", "machine/packet ns", "far end's count, least", "of C's rate", "of C's CPU",
    ])
    func median(_ side: String, _ value: (Measured) -> Double) -> Double {
      bench.median(document.runs.filter { $0.side == side }.map { value($0.measured) })
    }
    let each = { (measured: Measured) in measured.cpu * 1e9 / Double(max(1, measured.packets)) }
    for side in sides {
      let own = document.runs.filter { $0.side == side.name }.map(\.measured)
      let twin = "C, \(side.name.contains("ip") ? "raw IP" : side.name.contains("xdp") ? "xdp" : "link"), 1 thread"
      let (rate, cpu) = (median(twin, \.rate), median(twin, each))
      table.add([
        side.name, spread(own.map { $0.rate / 1000 }, 0), grouped(median(side.name, each)),
        grouped(median(side.name) { $0.busy * 1e9 / Double(max(1, $0.packets)) }),
        "\(own.map(\.packets).min() ?? 0)", rate > 0 ? fixed(median(side.name, \.rate) / rate, 2) : "",
        cpu > 0 ? fixed(median(side.name, each) / cpu, 2) : "",
      ])
    }
    print(table.markdown, terminator: "")
    print("\nLoad at the end \(fixed(Conditions.loadAverage())).")
    if let file = options.output { try json(document).write(to: URL(fileURLWithPath: file)) }
  }

  private func sides() -> [Side] {
    let (bits, twins) = (bits, programs.twins)
    let hosts = "10.0.0.0/\(32 - bits)"
    func twin(_ path: String, _ threads: Int) -> Side {
      Side(name: "C, \(path == "ip" ? "raw IP" : path), \(threads) thread\(threads > 1 ? "s" : "")") { lab in
        [twins, "flood", path, "\(threads)", "\(1 << bits)", "0", Lab.interface, lab.gatewayMAC, Lab.source]
      }
    }
    var sides = ["link", "ip", "xdp"].flatMap { [twin($0, 1), twin($0, 2)] }
    for tool in tools.ours {
      for threads in [1, 2] {
        sides.append(
          Side(name: "\(tool.name), \(threads) thread\(threads > 1 ? "s" : "")") { _ in
            [
              tool.path, "scan", hosts, "-p", "80", "--transmit", tool.transmit, "--senders", "\(threads)", "--rate",
              "max", "--retries", "0", "--cooldown", "0s", "-o", "jsonl=/dev/null", "--no-checkpoint", "--no-progress",
              "-q",
            ]
          })
      }
    }
    for tool in tools.peers where tool.kind != .nmap {
      let job = Job(
        name: "", ground: .blackHole, hosts: hosts, ports: "80", hostCount: 1 << bits, portCount: 1)
      for threads in tool.kind == .zmap ? [1, 2] : [1] {
        let extra = tool.kind == .zmap ? ["-T", "\(threads)"] : []
        let name = tool.kind == .zmap ? "zmap, \(threads) thread\(threads > 1 ? "s" : "")" : tool.name
        sides.append(
          Side(
            name: name,
            words: { lab in
              tool.command(job, .init(rate: nil, retries: 0, cooldown: 1), lab, output: "/dev/null") + extra
            }, trickles: tool.kind == .masscan))
      }
    }
    return sides
  }
}
