// SPDX-License-Identifier: Apache-2.0

/// Single callers whose checks have ended in this round, to be resumed at its end.
///
/// To resume a caller is to queue its task: memory of another processor, an allocation, perhaps a thread to be woken. A
/// few are resumed at once. Many are handed over together, to one task that resumes them beside the loop.
struct EndedCallers {
  private struct Ended: Sendable {
    var caller: any CheckSink
    var end: CheckEnd
  }

  private static var few: Int { 4 }
  private var ended: [Ended] = []

  mutating func append(_ caller: any CheckSink, _ end: CheckEnd) { ended.append(Ended(caller: caller, end: end)) }

  mutating func resume() {
    guard ended.count > EndedCallers.few else { return resumeHere() }
    let batch = ended
    ended = []
    ended.reserveCapacity(batch.count)
    Task.detached { for one in batch { one.caller.deliver(one.end, index: 0) } }
  }

  /// Resumes them all before it returns.
  mutating func resumeHere() {
    for one in ended { one.caller.deliver(one.end, index: 0) }
    ended.removeAll(keepingCapacity: true)
  }
}
