// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// Tells how a scan goes while it does: one line that changes on a terminal, a line every ten seconds elsewhere.
struct ScanMonitor: Sendable {
  let sweep: any RunningSweep
  let isShown: Bool

  private static let interval = Duration.milliseconds(500)
  private static let plainEvery = 20

  /// Until the task is cancelled.
  func run() async {
    let isLive = isShown && isTerminal(2)
    var line = ScanProgressLine()
    var turn = 0
    while (try? await Task.sleep(for: ScanMonitor.interval)) != nil {
      turn += 1
      let notices = sweep.takeNotices()
      if isLive, !notices.isEmpty { Diagnostics.replaceLine("") }
      for notice in notices { Diagnostics.say(notice) }
      let text = line.text(sweep.progress, now: .now)
      if isLive {
        Diagnostics.replaceLine(text)
      } else if isShown, turn % ScanMonitor.plainEvery == 0 {
        Diagnostics.say(text)
      }
    }
    if isLive, turn > 0 { Diagnostics.replaceLine("") }
    for notice in sweep.takeNotices() { Diagnostics.say(notice) }
  }
}
