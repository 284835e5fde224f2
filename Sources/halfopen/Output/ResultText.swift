// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// Aligned columns for people: endpoint, state, reason, round-trip time, then what else is worth knowing.
struct ResultText: Sendable {
  /// Grows with the longest endpoint so far.
  var endpointWidth: Int
  let usesColor: Bool
  let isVerbose: Bool
  /// A full handshake was asked for, and is worth no mention.
  let expectsFull: Bool

  private static let stateWidth = "unreachable".utf8.count
  private static let reasonWidth = "admin-prohibited".utf8.count
  private static let timeWidth = "1000.000 ms".utf8.count

  mutating func line(_ line: ResultLine) -> String {
    let label = line.label
    endpointWidth = max(endpointWidth, label.utf8.count)
    let result = line.result
    let state = result.state.rawValue
    var columns = [
      padded(label, endpointWidth),
      painted(state) + spaces(ResultText.stateWidth - state.utf8.count),
      padded("\(result.reason)", ResultText.reasonWidth),
      leftPadded(result.rtt.map(ResultText.milliseconds) ?? "-", ResultText.timeWidth),
    ]
    columns += notes(line)
    return columns.joined(separator: "  ") + "\n"
  }

  static func milliseconds(_ rtt: Duration) -> String {
    Decimal.text(rtt.saturatedNanoseconds / 1000, places: 3) + " ms"
  }

  private func notes(_ line: ResultLine) -> [String] {
    let result = line.result
    var notes: [String] = []
    if let round = line.round { notes.append(round.of.map { "\(round.number)/\($0)" } ?? "#\(round.number)") }
    if line.name != nil { notes.append(line.address) }
    if let icmp = result.icmp { notes.append("from \(icmp.sender)") }
    if result.handshake == .full, !expectsFull { notes.append("[handshake-completed]") }
    notes += result.flags.names.map { "[\($0)]" }
    if isVerbose { notes += evidence(result) }
    return notes
  }

  private func evidence(_ result: CheckResult) -> [String] {
    var evidence = [
      "\(result.backend.rawValue)", "handshake=\(result.handshake.rawValue)", "syns=\(result.transmissions)",
    ]
    if let icmp = result.icmp { evidence.append("icmp=\(icmp.type)/\(icmp.code)") }
    if let answer = result.answer {
      evidence += ["ttl=\(answer.ttl)", "win=\(answer.window)"]
      if let mss = answer.options.mss { evidence.append("mss=\(mss)") }
      if let scale = answer.options.windowScale { evidence.append("wscale=\(scale)") }
      if answer.options.sackPermitted { evidence.append("sack") }
      if answer.options.timestamps != nil { evidence.append("timestamps") }
    }
    return [evidence.joined(separator: " ")]
  }

  private func painted(_ state: String) -> String {
    usesColor && state == CheckResult.State.open.rawValue ? "\u{1B}[32m\(state)\u{1B}[0m" : state
  }

  private func padded(_ text: String, _ width: Int) -> String { text + spaces(width - text.utf8.count) }
  private func leftPadded(_ text: String, _ width: Int) -> String { spaces(width - text.utf8.count) + text }
  private func spaces(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }
}
