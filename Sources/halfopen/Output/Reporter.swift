// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import Synchronization

/// Writes what comes, and keeps count for the summary and the exit code.
final class Reporter: Sendable {
  private struct State {
    var summary = Summary()
    var facts = ExitCode.Facts()
    var text: ResultText
  }

  private let format: OutputFormat
  private let isQuiet: Bool
  private let writer: LineWriter
  private let started = Instant.now
  private let state: Mutex<State>

  init(plan: CheckPlan, text: ResultText, writer: LineWriter) {
    format = plan.format
    isQuiet = plan.isQuiet
    self.writer = writer
    state = Mutex(State(text: text))
  }

  var summary: Summary { state.withLock { $0.summary } }
  var facts: ExitCode.Facts { state.withLock { $0.facts } }

  /// - Parameter isShown: false counts it only.
  func report(_ line: ResultLine, isShown: Bool = true) async {
    let isShown = isShown && !isQuiet
    let bytes: [UInt8] = state.withLock { state in
      state.summary.add(line.result)
      state.facts.results += 1
      guard isShown else { return [] }
      return format == .text ? Array(state.text.line(line).utf8) : ResultJSON.record(line)
    }
    await writer.write(bytes)
  }

  func report(_ fault: FaultLine) async {
    count(fault)
    await show(fault)
  }

  func count(_ fault: FaultLine) {
    state.withLock { state in
      state.summary.errors += 1
      state.facts.faults.insert(fault.isInput ? .input : ExitCode.Fault(fault.error.code))
    }
  }

  /// Writes a fault without counting it.
  func show(_ fault: FaultLine) async {
    if format == .jsonl, !isQuiet {
      await writer.write(ResultJSON.record(fault))
    } else {
      Diagnostics.say("\(fault.error)")
    }
  }

  func report(_ statistics: PingStatistics, for line: ResultLine) async {
    guard !isQuiet else { return }
    if format == .jsonl {
      await writer.write(ResultJSON.record(statistics, for: line))
    } else {
      await writer.write(statistics.text(for: line.label).utf8)
    }
  }

  /// Writes the summary and all that is left, and says what the exit code comes to.
  /// - Parameters:
  ///   - unexpected: endpoints whose last result was not as expected.
  ///   - isSummaryShown: in text, to people.
  func finish(unexpected: Int, interruption: Interruption, isSummaryShown: Bool) async -> Int32 {
    let summary = state.withLock { state in
      state.summary.elapsedNanoseconds = Instant.now.nanoseconds(since: started)
      state.summary.isComplete = !interruption.isStopped
      return state.summary
    }
    if format == .jsonl, !isQuiet { await writer.write(ResultJSON.record(summary)) }
    let failure = await writer.close()
    if let failure {
      Diagnostics.say("can't write the results: \(failure); what was written stays. Check the disk or the reader")
    }
    if format == .text, !isQuiet, isSummaryShown { Diagnostics.say(summary.text) }
    if summary.resetsNotSent > 0, !isQuiet {
      Diagnostics.say(
        "\(summary.resetsNotSent) RSTs could not be sent: the targets keep half-open connections until they time out; "
          + "see `halfopen doctor`")
    }
    var facts = state.withLock { $0.facts }
    facts.unexpected = unexpected
    facts.doubtful = summary.doubtful
    facts.outputFailed = failure != nil
    facts.signal = interruption.signal
    return ExitCode.code(facts)
  }
}
