// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// What a sweep does next: pass by pass over a window of positions, the wait for late answers, the naming of the silent,
/// then the next window.
///
/// The first pass probes every position, each later one those that have not answered, and none of them within a second
/// of its last probe.
struct SweepPasses: Sendable {
  /// A silent target is not probed again before so many nanoseconds.
  static var spacing: Int64 { 1_000_000_000 }
  /// Who waits for next hops looks again after so long, unless he hears of them.
  private static var parkedWait: Int64 { 20_000_000 }
  /// Who waits for another's batch looks again after so long.
  private static var ticketWait: Int64 { 200_000 }

  /// Positions that were given to one of those who send, until he says what became of them.
  struct Ticket: Equatable, Sendable {
    let number: UInt64
    let pass: Int
    /// They had been given before, and are in no order.
    let isRepeat: Bool
    /// The lowest of them.
    let first: UInt64
    /// Answers stay away: who the next hops are is asked anew before these are sent.
    var isDoubtful = false
  }

  enum Step: Equatable, Sendable {
    /// Positions were given: probe them.
    case probe(Ticket)
    /// Nothing to do before that instant, unless an answer comes.
    case wait(until: Instant)
    /// The wait for late answers is over, but what came meanwhile has not been read yet.
    case listen
    /// Name the silent targets of the window, then call `advance(to:)`.
    case report
    case ended
  }

  private(set) var phase: SweepProgress.Phase
  private(set) var pass: Int
  /// The next position of this pass.
  private(set) var cursor: UInt64
  private let retries: Int
  /// When the last probe left.
  private(set) var lastSent: Instant
  /// When the pass before this one ended.
  private var earlierPassEnd = Instant(nanoseconds: 0)
  /// Positions of this pass that did not leave: given once more before any others.
  private var again: [UInt64] = []
  /// Positions of this pass that wait for their next hop's hardware address.
  private var parked: Set<UInt64> = []
  /// Positions that some batch under way has, and that need not wait any more: its sender says later that they do.
  private(set) var readyEarly: Set<UInt64> = []
  /// What is being sent.
  private var tickets: [Ticket] = []
  private var ticketCount: UInt64 = 0
  /// Sending was ended before every target had had its probes.
  private(set) var isTruncated = false
  /// Every window has been gone through.
  private(set) var hasFinished = false

  init(window: Range<UInt64>, retries: Int, pass: Int = 0, cursor: UInt64? = nil, now: Instant) {
    self.retries = max(0, retries)
    self.pass = min(max(0, pass), self.retries)
    self.cursor = max(cursor ?? window.lowerBound, window.lowerBound)
    phase = .sending(pass: self.pass)
    lastSent = now
  }

  /// What to do now, with positions to probe appended to `positions`, at most `limit`.
  /// - Parameter heardUntil: what came before it has been read.
  mutating func next(
    upTo limit: Int, answered: borrowing AnsweredMap, log: borrowing SendLog, cooldown: Cooldown, now: Instant,
    heardUntil: Instant = .never, into positions: inout [UInt64]
  ) -> Step {
    while true {
      switch phase {
      case .starting, .ended: return .ended
      case .reporting: return .report
      case .coolingDown:
        // What is still being sent is waited for too.
        guard tickets.isEmpty else { return .wait(until: now.advanced(byNanoseconds: SweepPasses.ticketWait)) }
        let end = lastSent.advanced(byNanoseconds: cooldown.wait)
        if !answered.isFull {
          if now < end { return .wait(until: end) }
          if heardUntil < end.advanced(byNanoseconds: -cooldown.unread) { return .listen }
        }
        phase = .reporting
      case .sending:
        switch collect(upTo: limit, answered: answered, log: log, now: now, into: &positions) {
        case .wait(let until): return .wait(until: until)
        case .probe(let ticket): return .probe(ticket)
        case .listen, .report, .ended: endPass(answered: answered, now: now)
        }
      }
    }
  }

  /// What was given has been handed to the kernel, at that instant where anything was.
  mutating func close(_ ticket: Ticket, sent: Instant?) {
    tickets.removeAll { $0.number == ticket.number }
    if tickets.isEmpty { readyEarly.removeAll() }
    if let sent { lastSent = max(lastSent, sent) }
  }

  /// These positions of the batch did not leave: they are given again. A pass that was cut short keeps them, so that they
  /// are not called silent.
  mutating func giveAgain(_ positions: [UInt64]) { again.append(contentsOf: positions) }

  /// The position was probed in vain: the pass takes it up again, also when it had ended.
  mutating func reopen(_ position: UInt64) {
    if phase == .coolingDown, !isTruncated { phase = .sending(pass: pass) }
    again.append(position)
  }

  /// These positions leave later, when their next hop is known: the pass waits for them. To be said before their batch is
  /// closed, and of none that has its verdict.
  mutating func park(_ positions: [UInt64]) {
    for position in positions {
      if readyEarly.remove(position) == nil { parked.insert(position) } else { again.append(position) }
    }
  }

  /// These are waited for no longer.
  /// - Parameter isReachable: their next hop is known, so that they are given again.
  mutating func unpark(_ positions: [UInt64], isReachable: Bool) {
    guard case .sending = phase else { return }
    for position in positions {
      let hasWaited = parked.remove(position) != nil
      guard isReachable else { continue }
      if hasWaited {
        again.append(position)
      } else if !tickets.isEmpty {
        // With several senders the answer can be faster than who asked.
        readyEarly.insert(position)
      }
    }
  }

  /// Positions below it have left in this pass. Costs a look at all that wait.
  var settled: UInt64 {
    min(cursor, again.min() ?? cursor, parked.min() ?? cursor, tickets.lazy.map(\.first).min() ?? cursor)
  }

  /// Silent positions below it have had all their probes.
  func settledEnd(of window: Range<UInt64>) -> UInt64 {
    guard isTruncated else { return window.upperBound }
    return pass == retries ? min(max(settled, window.lowerBound), window.upperBound) : window.lowerBound
  }

  /// Ends sending: what was probed is waited for.
  mutating func endSending() {
    guard case .sending = phase else { return }
    phase = .coolingDown
    isTruncated = true
  }

  /// The silent of the window have been named.
  mutating func advance(to window: Range<UInt64>) {
    guard !window.isEmpty, !isTruncated else {
      phase = .ended
      hasFinished = !isTruncated
      return
    }
    pass = 0
    cursor = window.lowerBound
    phase = .sending(pass: 0)
  }

  private mutating func collect(
    upTo limit: Int, answered: borrowing AnsweredMap, log: borrowing SendLog, now: Instant,
    into positions: inout [UInt64]
  ) -> Step {
    let start = positions.count
    // Who has answered meanwhile is passed over, however many those are: a pass ends when nobody is left.
    var taken = 0
    while taken < again.count, positions.count - start < limit {
      if !answered.isAnswered(again[taken]) { positions.append(again[taken]) }
      taken += 1
    }
    again.removeFirst(taken)
    if let first = positions[start...].min() { return .probe(ticket(isRepeat: true, first: first)) }
    var count = 0
    let isSpaced = pass == 0 || now >= earlierPassEnd.advanced(byNanoseconds: SweepPasses.spacing)
    while count < limit, let position = answered.nextSilent(from: cursor) {
      if !isSpaced, let earlier = log.latest(pass: pass - 1, position: position) {
        let due = earlier.advanced(byNanoseconds: SweepPasses.spacing)
        guard due <= now else {
          if count > 0 { break }
          return .wait(until: due)
        }
      }
      positions.append(position)
      cursor = position + 1
      count += 1
    }
    if count > 0 { return .probe(ticket(isRepeat: false, first: positions[start])) }
    if !tickets.isEmpty { return .wait(until: now.advanced(byNanoseconds: SweepPasses.ticketWait)) }
    return parked.isEmpty ? .ended : .wait(until: now.advanced(byNanoseconds: SweepPasses.parkedWait))
  }

  private mutating func ticket(isRepeat: Bool, first: UInt64) -> Ticket {
    ticketCount += 1
    tickets.append(Ticket(number: ticketCount, pass: pass, isRepeat: isRepeat, first: first))
    return tickets[tickets.count - 1]
  }

  private mutating func endPass(answered: borrowing AnsweredMap, now: Instant) {
    guard !answered.isFull else { phase = .reporting; return }
    guard pass < retries else { phase = .coolingDown; return }
    pass += 1
    cursor = answered.window.lowerBound
    earlierPassEnd = lastSent
    phase = .sending(pass: pass)
  }
}
