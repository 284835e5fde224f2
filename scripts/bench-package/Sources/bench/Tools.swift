// SPDX-License-Identifier: Apache-2.0

import CMeasure
import Foundation

/// The scanners that are here.
struct Tools {
  let ours: [Tool]
  private(set) var peers: [Tool] = []
  /// Those that are not, and why.
  private(set) var missing: [String] = []

  init() throws {
    let environment = ProcessInfo.processInfo.environment
    guard let command = environment["HALFOPEN_COMMAND"] else {
      throw Failure(description: "HALFOPEN_COMMAND does not name the command; start it by scripts/bench")
    }
    let help = Tools.said([command, "scan", "--help"])
    let version = Tools.said([command, "--version"]).split(separator: "\n").first.map(String.init) ?? ""
    ours = ["ip", "link", "xdp"].filter { help.contains($0) }
      .map { Tool(kind: .ours, transmit: $0, path: command, version: "halfopen \(version)") }
    for (kind, path) in [
      (Tool.Kind.masscan, Tools.find("masscan")), (.zmap, environment["HALFOPEN_ZMAP"] ?? Tools.find("zmap")),
      (.nmap, Tools.find("nmap")),
    ] {
      guard let path, access(path, X_OK) == 0 else {
        missing.append("\(kind.rawValue) is not here")
        continue
      }
      // The machine's own configuration of zmap is not what is measured.
      let configuration = kind == .zmap ? ["-C", "/dev/null"] : []
      let line =
        Tools.said([path] + configuration + ["--version"]).split(separator: "\n").first { !$0.isEmpty }.map(String.init)
        ?? ""
      let version = line.split(separator: "(").first.map { $0.trimmingCharacters(in: .whitespaces) } ?? line
      peers.append(Tool(kind: kind, path: path, version: version))
    }
  }

  var versions: String { (peers.map(\.version) + missing).joined(separator: "; ") }

  private static func find(_ name: String) -> String? {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"].map { "\($0)/\(name)" }
      .first { access($0, X_OK) == 0 }
  }

  static func said(_ words: [String]) -> String {
    guard let scratch = try? Scratch(), let pid = try? startMeasured(words, output: scratch.file("said")) else {
      return ""
    }
    var spent = spent()
    spawned_await(pid, 5, &spent)
    return (try? String(contentsOfFile: scratch.file("said"), encoding: .utf8)) ?? ""
  }
}

/// Files of a run, gone at its end.
struct Scratch: ~Copyable {
  let path: String

  init() throws {
    var template = Array("/tmp/halfopen-bench.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure(description: "no directory in /tmp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }
}
