// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// The lines that tell how far a scan is, and its closing table.
struct ScanProgressLine: Sendable {
  private var last = SweepProgress()
  private var lastTime: Instant?
  private var reached = 0.0

  /// One line, such as `37.1 % at 49980/s (asked 50000), 812345 sent, 1234 open, 0 lost, 26 s left`.
  mutating func text(_ progress: SweepProgress, now: Instant) -> String {
    if let lastTime {
      let seconds = Double(now.nanoseconds(since: lastTime)) / 1e9
      if seconds > 0.05, progress.sent >= last.sent { reached = Double(progress.sent - last.sent) / seconds }
    }
    last = progress
    lastTime = now
    return [phase(progress), "\(progress.sent) sent", "\(progress.open) open", "\(progress.captureDropped) lost"]
      .joined(separator: ", ")
  }

  private func phase(_ progress: SweepProgress) -> String {
    switch progress.phase {
    case .starting: return "starting"
    case .sending(0):
      let tenths = Decimal.tenths(Double(progress.probed) * 100, per: Double(max(1, progress.targets))) ?? 0
      return "\(Decimal.text(tenths, places: 1)) % \(speed(progress))\(left(progress))"
    case .sending(let pass): return "repeating to the silent (\(pass)) \(speed(progress))"
    case .coolingDown: return "waiting for late answers"
    case .reporting: return "naming the silent"
    case .ended: return "done"
    }
  }

  private func speed(_ progress: SweepProgress) -> String {
    let asked = progress.rateAsked.isFinite ? ScanProgressLine.whole(progress.rateAsked) : "max"
    let limit = progress.rateLimit.map { ", held back to \(ScanProgressLine.whole($0))" } ?? ""
    return "at \(ScanProgressLine.whole(reached))/s (asked \(asked)\(limit))"
  }

  private func left(_ progress: SweepProgress) -> String {
    let rate = min(progress.rateLimit ?? progress.rateAsked, max(reached, 1))
    guard progress.targets > progress.probed, rate > 0, reached > 0 else { return "" }
    return ", \(ScanProgressLine.time(Double(progress.targets - progress.probed) / rate)) left"
  }

  static func time(_ seconds: Double) -> String {
    let whole = Int64(min(seconds, 1e15).rounded(.up))
    if whole < 100 { return "\(whole) s" }
    if whole < 6000 { return "\(whole / 60) min" }
    return whole < 172_800 ? "\(whole / 3600) h" : "\(whole / 86_400) days"
  }

  private static func whole(_ rate: Double) -> String { "\(Int64(min(max(rate, 0), 1e15).rounded()))" }

  /// What a scan came to, one count a line.
  static func table(_ progress: SweepProgress) -> String {
    let seconds = Decimal.text(progress.elapsed.saturatedNanoseconds / 10_000_000, places: 2)
    var rows: [(String, String)] = [
      ("targets", "\(progress.targets)\(progress.isComplete ? "" : " (incomplete)")"), ("open", "\(progress.open)"),
      ("closed", "\(progress.closed)"), ("unreachable", "\(progress.unreachable)"),
      ("no answer", "\(progress.noAnswer)"),
    ]
    if progress.errors > 0 { rows.append(("no route", "\(progress.errors)")) }
    rows += [
      ("sent", "\(progress.sent) in \(seconds) s, \(whole(progress.rate))/s"), ("answered", "\(progress.received)"),
      ("duplicates", "\(progress.duplicates)"), ("late", "\(progress.late)"),
      ("lost", "\(progress.captureDropped) by the capture, \(progress.sendFailures) not sent"),
    ]
    if progress.resetsSent > 0 { rows.append(("resets", "\(progress.resetsSent) sent by us")) }
    let width = rows.map { $0.0.utf8.count }.max() ?? 0
    return rows.map { name, value in
      "\(String(repeating: " ", count: width - name.utf8.count))\(name)  \(value)"
    }.joined(separator: "\n")
  }
}
