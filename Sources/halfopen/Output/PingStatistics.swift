// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// What `--count` found out about one endpoint.
struct PingStatistics: Hashable, Sendable {
  /// Round-trip times in nanoseconds.
  struct RoundTrip: Hashable, Sendable {
    var minimum: Int64
    var average: Int64
    var maximum: Int64
    /// Of the whole population, as ping's mdev.
    var deviation: Int64
  }

  private(set) var open = 0
  private(set) var closed = 0
  private(set) var unreachable = 0
  private(set) var noAnswer = 0
  private var samples = 0
  private var minimum = Int64.max
  private var maximum = Int64.min
  // Welford's method: the mean and the sum of squared distances from it, stable however long it runs.
  private var mean = 0.0
  private var squares = 0.0

  var checks: Int { open + closed + unreachable + noAnswer }
  /// Checks without an answer by TCP.
  var lost: Int { unreachable + noAnswer }
  /// Lost checks in tenths of a percent.
  var lossTenthsOfPercent: Int64 { checks == 0 ? 0 : Int64(lost) * 1000 / Int64(checks) }

  var rtt: RoundTrip? {
    guard samples > 0 else { return nil }
    return RoundTrip(
      minimum: minimum, average: Int64(mean.rounded()), maximum: maximum,
      deviation: Int64((squares / Double(samples)).squareRoot().rounded()))
  }

  mutating func add(_ result: CheckResult) {
    switch result.state {
    case .open: open += 1
    case .closed: closed += 1
    case .unreachable: unreachable += 1
    case .noAnswer: noAnswer += 1
    }
    guard result.state == .open || result.state == .closed, let rtt = result.rtt else { return }
    let nanoseconds = rtt.saturatedNanoseconds
    samples += 1
    minimum = min(minimum, nanoseconds)
    maximum = max(maximum, nanoseconds)
    let distance = Double(nanoseconds) - mean
    mean += distance / Double(samples)
    squares += distance * (Double(nanoseconds) - mean)
  }

  /// Three lines for people, in ping's form.
  func text(for label: String) -> String {
    let counts = [(open, "open"), (closed, "closed"), (unreachable, "unreachable"), (noAnswer, "no-answer")]
    let parts = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    let loss = Decimal.text(lossTenthsOfPercent, places: 1, trimmed: true)
    var text = "\n--- \(label) ---\n\(checks) \(checks == 1 ? "check" : "checks")"
    text += (parts.isEmpty ? "" : ": \(parts)") + "; \(loss)% loss\n"
    if let rtt {
      let values = [rtt.minimum, rtt.average, rtt.maximum, rtt.deviation].map { Decimal.text($0 / 1000, places: 3) }
      text += "rtt min/avg/max/stddev \(values.joined(separator: "/")) ms\n"
    }
    return text
  }
}
