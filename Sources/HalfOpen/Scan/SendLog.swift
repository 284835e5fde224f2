// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// When which position was probed: one entry a batch, in a ring, so that it is bounded and nothing per packet is stored.
///
/// Batches come in the order of passes and, within a pass, of positions: so a position's batch is found by bisection. A
/// position of a batch long past is no longer found.
struct SendLog {
  private struct Batch {
    var pass: UInt32
    var first: UInt64
    var last: UInt64
    var start: Int64
    var end: Int64
    /// Some of its positions left at another time.
    var isPartial = false
  }

  private var batches: [Batch] = []
  /// Where the oldest entry stands, once the ring is full.
  private var head = 0
  private let capacity: Int
  /// Probes that left apart from their batch, since their next hop had to be asked first: a slot for each hash.
  private var strays: [Batch]
  /// The latest of the probes whose slot another has taken.
  private var lostStray: Int64?

  init(capacity: Int = 1 << 15) {
    self.capacity = max(1, capacity)
    strays = []
  }

  /// Notes a batch: positions from `first` to `last` in this pass, sent evenly from `start` to `end`.
  mutating func append(pass: Int, first: UInt64, last: UInt64, start: Instant, end: Instant) {
    let batch = Batch(
      pass: UInt32(truncatingIfNeeded: pass), first: first, last: last, start: start.nanoseconds, end: end.nanoseconds)
    if batches.count < capacity {
      batches.append(batch)
    } else {
      batches[head] = batch
      head = (head &+ 1) % capacity
    }
  }

  /// When the batch that begins with `first` had left.
  /// - Parameter isPartial: some of it will leave later. Of such a batch no probe's time is told, but of those noted as
  ///   strays.
  mutating func close(pass: Int, first: UInt64, end: Instant, isPartial: Bool = false) {
    guard let index = index(pass, first) else { return }
    batches[index].end = end.nanoseconds
    batches[index].isPartial = isPartial
  }

  /// Notes a probe that leaves later than its batch: twice, before and after it has left.
  mutating func appendStray(pass: Int, position: UInt64, at instant: Instant) {
    let empty = Batch(pass: .max, first: 0, last: 0, start: 0, end: 0)
    if strays.isEmpty { strays = Array(repeating: empty, count: SendLog.straySlots) }
    let slot = SendLog.slot(position)
    if strays[slot].first == position, strays[slot].pass == UInt32(truncatingIfNeeded: pass) {
      strays[slot].end = instant.nanoseconds
      return
    }
    if strays[slot].pass != .max {
      lostStray = max(lostStray ?? .min, strays[slot].end)
    }
    strays[slot] = Batch(
      pass: UInt32(truncatingIfNeeded: pass), first: position, last: position, start: instant.nanoseconds,
      end: instant.nanoseconds)
  }

  /// When a position left in a pass, nil where that is not known any more.
  func time(pass: Int, position: UInt64) -> Instant? {
    if let stray = stray(pass, position) { return Instant(nanoseconds: stray.end) }
    guard let batch = batch(pass, position), !batch.isPartial else { return nil }
    let part = Double(position - batch.first) / Double(max(1, batch.last - batch.first))
    return Instant(nanoseconds: batch.start &+ Int64(part * Double(batch.end &- batch.start)))
  }

  /// The earliest that a position can have left in a pass, nil where that is not known any more.
  func start(pass: Int, position: UInt64) -> Instant? {
    guard let batch = stray(pass, position) ?? batch(pass, position), !batch.isPartial else { return nil }
    return Instant(nanoseconds: batch.start)
  }

  /// The latest that a position can have left in a pass, nil where nothing was sent.
  func latest(pass: Int, position: UInt64) -> Instant? {
    if let stray = stray(pass, position) { return Instant(nanoseconds: stray.end) }
    // What is not found left before the oldest that is.
    guard let batch = batch(pass, position) ?? (batches.isEmpty ? nil : batches[head]) else { return nil }
    return Instant(nanoseconds: max(batch.end, lostStray ?? .min))
  }

  private func stray(_ pass: Int, _ position: UInt64) -> Batch? {
    guard !strays.isEmpty else { return nil }
    let stray = strays[SendLog.slot(position)]
    guard stray.pass == UInt32(truncatingIfNeeded: pass), stray.first == position else { return nil }
    return stray
  }

  private func batch(_ pass: Int, _ position: UInt64) -> Batch? { index(pass, position).map { batches[$0] } }

  /// The place of a position's batch.
  private func index(_ pass: Int, _ position: UInt64) -> Int? {
    let pass = UInt32(truncatingIfNeeded: pass)
    guard !batches.isEmpty else { return nil }
    // Most who ask do so of the newest one.
    let newest = batches.count - 1
    let order =
      isBehind(batches[place(newest)], pass, position)
      ? partition(newest) { isBehind(batches[place($0)], pass, position) } - 1 : newest
    guard order >= 0 else { return nil }
    let batch = batches[place(order)]
    return batch.pass == pass && position >= batch.first && position <= batch.last ? place(order) : nil
  }

  private static var straySlots: Int { 1 << 12 }

  private static func slot(_ position: UInt64) -> Int {
    Int(truncatingIfNeeded: (position &* 0x9e37_79b9_7f4a_7c15) >> 52)
  }

  /// Where the batch stands that is so many behind the oldest.
  private func place(_ order: Int) -> Int {
    let place = head &+ order
    return place < batches.count ? place : place &- batches.count
  }

  private func isBehind(_ batch: Batch, _ pass: UInt32, _ position: UInt64) -> Bool {
    batch.pass > pass || (batch.pass == pass && batch.first > position)
  }
}
