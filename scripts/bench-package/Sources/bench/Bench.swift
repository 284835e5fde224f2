// SPDX-License-Identifier: Apache-2.0

import Foundation

/// scripts/bench calls this inside of a network namespace of its own.
@main
struct Bench {
  static func main() async {
    let words = Array(CommandLine.arguments.dropFirst())
    do {
      if words.first == "side" {
        guard let run = SideRun(Array(words.dropFirst())) else { throw Failure(description: "wrong words") }
        try await run.run()
      } else {
        let options = try Options(words)
        switch options.part {
        case .check, .connect: try CheckPart(options).run()
        case .rate: try RatePart(options).run()
        case .peer: try PeerPart(options).run()
        case .trace: try await TracePart(options).run()
        case .sweep: try SweepPart(options).run()
        case .tx: try TransmitPart(options).run()
        case .pace: try PacePart(options).run()
        case .memory: try MemoryPart(options).run()
        case .latency: try LatencyPart(options).run()
        }
      }
    } catch {
      FileHandle.standardError.write(Data("bench: \(error)\n".utf8))
      exit(1)
    }
  }
}

struct Options {
  enum Part: String, CaseIterable { case check, connect, rate, peer, trace, sweep, tx, pace, memory, latency }
  enum Effort { case quick, usual, full }

  var part = Part.check
  var effort = Effort.usual
  var rounds = 5
  var seconds = 2.0
  var checks = 200_000
  var output: String?
  var only: String?

  init(_ words: [String]) throws {
    var rest = words[...]
    func value(_ word: String) throws -> String {
      guard let value = rest.popFirst() else { throw Failure(description: "\(word) needs a value") }
      return value
    }
    while let word = rest.popFirst() {
      switch word {
      case "--full": effort = .full
      case "--quick":
        effort = .quick
        rounds = 3
        seconds = 0.7
        checks = 50_000
      case "--rounds": rounds = max(1, Int(try value(word)) ?? rounds)
      case "-o": output = try value(word)
      case "--only": only = try value(word)
      default:
        guard let part = Part(rawValue: word) else {
          let parts = Part.allCases.map(\.rawValue).joined(separator: "|")
          throw Failure(
            description:
              "unknown '\(word)': scripts/bench [\(parts)] [--quick|--full] [--rounds N] [--only NAME] [-o FILE]")
        }
        self.part = part
      }
    }
  }
}
