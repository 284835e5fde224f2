// SPDX-License-Identifier: Apache-2.0

import HalfOpen

/// What a run came to. Counts results: in rounds an endpoint counts once for each.
struct Summary: Hashable, Sendable {
  var open = 0
  var closed = 0
  var unreachable = 0
  var noAnswer = 0
  /// Faults on our side, input that makes no sense included.
  var errors = 0
  /// SYNs.
  var sent = 0
  /// SYNs whose outcome may have been lost by us: silence with a capture drop or a failed send.
  var doubtful = 0
  /// Results whose RST could not be sent.
  var resetsNotSent = 0
  var elapsedNanoseconds: Int64 = 0
  var isComplete = false

  /// Results and errors.
  var targets: Int { results + errors }
  var results: Int { open + closed + unreachable + noAnswer }

  /// SYNs a second, times ten.
  var rateTenths: Int64? {
    elapsedNanoseconds > 0 ? Decimal.tenths(Double(sent) * 1e9, per: Double(elapsedNanoseconds)) : nil
  }

  mutating func add(_ result: CheckResult) {
    switch result.state {
    case .open: open += 1
    case .closed: closed += 1
    case .unreachable: unreachable += 1
    case .noAnswer: noAnswer += 1
    }
    sent += result.transmissions
    if result.state == .noAnswer, !result.flags.isDisjoint(with: [.captureDropped, .sendFailed]) { doubtful += 1 }
    if result.flags.contains(.resetNotSent) { resetsNotSent += 1 }
  }

  /// One line for people, such as `4 checks in 1.02 s: 2 open, 1 closed, 1 no-answer`.
  var text: String {
    let counts = [
      (open, "open"), (closed, "closed"), (unreachable, "unreachable"), (noAnswer, "no-answer"),
      (errors, errors == 1 ? "error" : "errors"),
    ]
    let parts = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
    let seconds = Decimal.text(elapsedNanoseconds / 10_000_000, places: 2)
    let list = parts.isEmpty ? "" : ": " + parts.joined(separator: ", ")
    return "\(targets) \(targets == 1 ? "check" : "checks") in \(seconds) s\(list)"
      + (isComplete ? "" : " (interrupted, incomplete)")
  }
}
