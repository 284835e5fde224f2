// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux

/// The checks that a loop has taken on, each in a slot with a timer, a generation and the engine's own `Detail`.
///
/// Slots are used again; a tag (generation and slot) outlives its check harmlessly, as late events do.
package struct CheckTable<Detail> {
  private struct Slot {
    var generation: UInt32 = 0
    var request: CheckRequest?
    var detail: Detail
  }

  private var slots: [Slot] = []
  private var free: [Int32] = []
  private var dirty: [any CheckSink] = []
  private var dirtySince = Instant.never
  private var callers = EndedCallers()
  private var successors: [CheckRequest] = []
  /// One timer for each slot. An expired one may belong to a later check of the slot: compare with the detail.
  package var timers: TimerWheel

  package init(now: Instant) { timers = TimerWheel(now: now) }

  /// Checks taken on and not yet ended.
  package var count: Int { slots.count - free.count }

  /// Takes a check on.
  package mutating func add(_ request: consuming CheckRequest, detail: Detail) -> Int {
    let index = free.popLast().map { Int($0) } ?? slots.count
    if index == slots.count { slots.append(Slot(detail: detail)) } else { slots[index].detail = detail }
    if request.sink.isSingle { request.sink.slotTag = tag(of: index) }
    slots[index].request = request
    return index
  }

  /// Ends the check in a slot: its sink has the verdict, a single caller's with the next `flush`; its timer is gone, its tag
  /// void.
  package mutating func end(_ index: Int, _ end: CheckEnd) {
    guard let request = slots[index].request.take() else { return }
    slots[index].generation = (slots[index].generation &+ 1) & 0x7fff_ffff
    timers.cancel(index)
    free.append(Int32(truncatingIfNeeded: index))
    if request.sink.isSingle { return callers.append(request.sink, end) }
    request.sink.deliver(end, index: request.index)
    if dirty.last !== request.sink { dirty.append(request.sink) }
  }

  /// How long outcomes may wait for more to come, while the loop has other things to do.
  private static var patience: Int64 { 10_000_000 }

  /// Resumes callers, tells the streams that have new outcomes, and starts what they hold in reserve, see
  /// `takeSuccessors`. At the end of a round, and a reader that has little to read not even then: to wake it costs as much
  /// as some checks.
  /// - Parameter isResting: the loop may sleep after this, so nobody is left waiting.
  package mutating func flush(now: Instant, isResting: Bool) {
    callers.resume()
    guard !dirty.isEmpty else { return }
    for sink in dirty { sink.start(into: &successors, now: now) }
    if dirtySince == .never { dirtySince = now }
    if isResting || now.nanoseconds(since: dirtySince) >= Self.patience { return wakeAll() }
    dirty.removeAll { sink in
      if sink.isWorthWaking {
        sink.flush()
        return true
      }
      return false
    }
    if dirty.isEmpty { dirtySince = .never }
  }

  /// Resumes all callers, and tells all streams that have new outcomes.
  package mutating func wakeAll() {
    callers.resumeHere()
    for sink in dirty { sink.flush() }
    dirty.removeAll(keepingCapacity: true)
    dirtySince = .never
  }

  /// Appends the checks to be taken on next, in the place of those that ended.
  package mutating func takeSuccessors(into requests: inout Queue<CheckRequest>) {
    guard !successors.isEmpty else { return }
    requests.append(emptying: &successors)
  }

  /// What names this check for ever: 31 bits of generation in the upper half, slot in the lower. The top bit is free for
  /// the engine's own use.
  package func tag(of index: Int) -> UInt64 {
    UInt64(slots[index].generation) << 32 | UInt64(UInt32(truncatingIfNeeded: index))
  }

  /// The slot that a tag means, nil once its check has ended.
  package func index(of tag: UInt64) -> Int? {
    let index = Int(tag & 0xffff_ffff)
    guard index < slots.count, slots[index].generation == UInt32(tag >> 32), slots[index].request != nil else {
      return nil
    }
    return index
  }

  /// Whether a slot has a check.
  package func isLive(_ index: Int) -> Bool { index < slots.count && slots[index].request != nil }

  /// The engine's own part of a slot.
  package subscript(index: Int) -> Detail {
    _read { yield slots[index].detail }
    _modify { yield &slots[index].detail }
  }

  /// The request in a live slot; nil for an empty one.
  package func request(_ index: Int) -> CheckRequest? { slots[index].request }

  /// The slots of a sink's checks.
  package func indices(of sink: any CheckSink) -> [Int] {
    if sink.isSingle { return index(of: sink.slotTag).map { [$0] } ?? [] }
    return slots.indices.filter { slots[$0].request?.sink === sink }
  }

  /// All slots with a check.
  package var liveIndices: [Int] { slots.indices.filter { slots[$0].request != nil } }
}
