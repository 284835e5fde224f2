// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// A sweep's state and all that it decides. It reads no clock, sends nothing and waits for nobody: the sender's and the
/// receiver's threads do that, and call it under a lock, once a batch.
struct SweepState: Sendable {
  var passes: SweepPasses
  var answered: AnsweredMap
  var log = SendLog()
  private var answers = AnswerWatch()
  var trail: CursorTrail
  var cooldown: Cooldown
  var rate: RateControl
  var pace: PaceSchedule
  var progress: SweepProgress
  /// Results that the reader has not taken.
  var results: [SweepResult] = []
  /// Results that it has.
  var given: UInt64 = 0
  /// The next silent target to be named.
  var reportCursor: UInt64
  var notices: [String] = []
  private var toldFaults: Set<CheckError.Code> = []
  private var toldRefusals: Set<Errno> = []
  var failure: CheckError?
  /// The reader, or someone else, wants no more.
  var isStopped = false
  /// The receiver may go when it has reset what it has to.
  var isEnding = false
  var hasEnded = false
  /// What came before it has been read from the captures.
  var heardUntil = Instant.never
  /// Some link or gateway is missed: waiting for it is the first sender's.
  var isOut = false
  /// The sender waits for more to be read.
  private var isListening = false
  /// Those who wait for results.
  var readers: [CheckedContinuation<Void, Never>] = []

  private let allStates: Bool
  /// Results that may still come, at the start.
  private var maximumResults: UInt64
  /// When sending ends, whatever is left.
  private var deadline = Instant.never
  private let maximumTime: Duration?
  private let firstPosition: UInt64
  private let endPosition: UInt64
  private var lastTurn: Instant?
  /// The time since the last turn was spent sending, and not waiting for the silent to have had their second.
  private var isSending = false
  private var meter = RateMeter()
  /// At the last look at the captures' losses.
  private var counted: (sent: UInt64, time: Duration, drops: UInt64) = (0, .zero, 0)

  /// Results that may wait for the reader before the sweep pauses.
  static let resultLimit = 1 << 13
  /// The same while the silent are named, which no rate holds back.
  static let namingLimit = 1 << 11
  private static let noticeLimit = 256
  private static let pause: Int64 = 100_000_000
  /// A sending thread that the rate does not need looks after so long whether that is still so.
  private static let idlePause: Int64 = 1_000_000_000
  /// Packets a second that one thread sends with ease.
  static let ratePerThread = 200_000.0

  init(positions: Range<UInt64>, configuration: SweepConfiguration, windowCapacity: UInt64? = nil, now: Instant) {
    answered = AnsweredMap(positions: positions, capacity: windowCapacity ?? AnsweredMap.defaultCapacity)
    passes = SweepPasses(window: answered.window, retries: configuration.retries, now: now)
    trail = CursorTrail(start: .init(pass: 0, cursor: positions.lowerBound))
    cooldown = Cooldown(fixed: configuration.cooldown)
    rate = RateControl(asked: configuration.rate, now: now)
    pace = PaceSchedule(rate: configuration.rate, now: now.nanoseconds)
    progress = SweepProgress()
    progress.targets = positions.upperBound - positions.lowerBound
    reportCursor = positions.lowerBound
    (firstPosition, endPosition) = (positions.lowerBound, positions.upperBound)
    allStates = configuration.allStates
    maximumResults = configuration.maximumResults ?? .max
    maximumTime = configuration.maximumTime
  }

  mutating func notice(_ text: String) {
    if notices.count < SweepState.noticeLimit, !notices.contains(text) { notices.append(text) }
  }

  mutating func takeReaders() -> [CheckedContinuation<Void, Never>] {
    defer { readers = [] }
    return readers
  }

  /// Results found so far in this run.
  private var found: UInt64 { given &+ UInt64(results.count) }
}

// MARK: Sending

extension SweepState {
  /// The first turn is at hand.
  mutating func begin(now: Instant) {
    pace = PaceSchedule(rate: rate.rate, now: now.nanoseconds)
    deadline = maximumTime.map { now.advanced(by: $0) } ?? .never
    lastTurn = now
  }

  /// Probes of a pass are being sent, or wait for their time.
  var isSendingPass: Bool { if case .sending = passes.phase { true } else { false } }

  /// What to do now, with at most `limit` positions to probe appended to `positions`.
  mutating func nextTurn(upTo limit: Int, now: Instant, into positions: inout [UInt64]) -> Turn {
    // Of two who send, the one who read the clock first may come second.
    let now = max(now, lastTurn ?? now)
    let spent = Duration.nanoseconds(lastTurn.map { now.nanoseconds(since: $0) } ?? 0)
    lastTurn = now
    progress.elapsed += spent
    // Who waits for a silent target's second sends as well, as far as the rate would have had him wait anyway.
    progress.sendingTime += isSending ? spent : isSendingPass ? min(spent, .nanoseconds(pauseOfRate)) : .zero
    isSending = false
    trail.note(CursorTrail.Point(pass: passes.pass, cursor: passes.settled), now: now, age: cooldown.patience)
    meter.note(sent: progress.sent, now: now)
    guard !isStopped else { return .ended }
    if now >= deadline { passes.endSending() }
    progress.rateAsked = rate.asked
    progress.rateLimit = rate.limit
    if rate.rate != pace.rate { pace.change(rate: rate.rate, now: now.nanoseconds) }
    guard results.count < SweepState.resultLimit else {
      return .wait(until: now.advanced(byNanoseconds: SweepState.pause))
    }
    var due = limit
    if case .sending = passes.phase {
      var trial = pace
      due = trial.take(upTo: limit, now: now.nanoseconds)
      guard due > 0 else {
        pace = trial
        isSending = true
        return .wait(until: Instant(nanoseconds: pace.wake(upTo: limit)))
      }
    }
    let step = passes.next(
      upTo: due, answered: answered, log: log, cooldown: cooldown, now: now, heardUntil: heardUntil,
      into: &positions)
    isListening = step == .listen
    progress.phase = passes.phase
    switch step {
    case .probe(var ticket):
      // Only what is used counts: who waits for a silent target's second has sent nothing.
      _ = pace.take(upTo: positions.count, now: now.nanoseconds)
      isSending = true
      note(positions, of: ticket, at: now)
      ticket.isDoubtful = answers.stayAway(sent: passes.lastSent, isAgain: ticket.pass > 0, now: now)
      return .probe(ticket)
    case .wait(let until): return .wait(until: until)
    case .listen: return .listen
    case .report: return .report
    case .ended:
      progress.isComplete = passes.hasFinished
      return .ended
    }
  }

  /// What a further sending thread does next: one that is needed at the present rate probes, all else is the first one's.
  /// - Parameter place: from 1.
  mutating func nextTurn(
    ofHelper place: Int, upTo limit: Int, now: Instant, into positions: inout [UInt64]
  ) -> Turn {
    if isStopped || passes.phase == .ended || passes.phase == .reporting && isInLastWindow { return .ended }
    guard rate.rate >= Double(place) * SweepState.ratePerThread else {
      return .wait(until: now.advanced(byNanoseconds: SweepState.idlePause))
    }
    guard isSendingPass, !isOut else { return .wait(until: now.advanced(byNanoseconds: SweepState.pause)) }
    return nextTurn(upTo: limit, now: now, into: &positions)
  }

  /// Packets a second of late, or since the start.
  private var reachedRate: Double {
    if let rate = meter.rate { return rate }
    let time = progress.sendingTime / .seconds(1)
    return time > 0 ? Double(progress.sent) / time : SweepState.ratePerThread
  }

  /// From one packet to the next at the present rate, in nanoseconds.
  private var pauseOfRate: Int64 { Int64(min(1e9 / max(rate.rate, 1e-3), 1e12)) }

  /// Before they leave: a near host answers sooner than the batch is done.
  private mutating func note(_ positions: [UInt64], of ticket: SweepPasses.Ticket, at now: Instant) {
    if ticket.isRepeat {
      for position in positions { log.appendStray(pass: ticket.pass, position: position, at: now) }
    } else if let last = positions.last {
      log.append(pass: ticket.pass, first: ticket.first, last: last, start: now, end: now)
    }
  }

  /// What a turn's positions came to.
  mutating func noteSent(_ batch: SentBatch) {
    for position in batch.unroutable where answered.note(position) == .first { progress.errors += 1 }
    let left = UInt64(max(0, batch.positions.count - batch.returned.count - batch.refused))
    progress.sent += left
    progress.sendFailures += UInt64(batch.refused)
    if batch.ticket.pass == 0 { progress.probed += left }
    // Another sender may have heard first that a next hop does not answer.
    passes.park(batch.parked.filter { !answered.isAnswered($0) })
    passes.close(batch.ticket, sent: batch.positions.isEmpty ? nil : batch.end)
    passes.giveAgain(batch.held)
    passes.giveAgain(batch.returned)
    pace.giveBack(batch.parked.count + batch.held.count + batch.unreachable)
    if batch.ticket.isRepeat {
      for position in batch.positions { log.appendStray(pass: batch.ticket.pass, position: position, at: batch.end) }
    } else {
      let later = batch.parked.count + batch.held.count + batch.returned.count
      log.close(pass: batch.ticket.pass, first: batch.ticket.first, end: batch.end, isPartial: later > 0)
    }
    for errno in batch.refusals where toldRefusals.insert(errno).inserted {
      notice("the kernel refuses to send: \(errno); see `halfopen doctor`")
    }
    guard !batch.returned.isEmpty, !batch.isOutage else { return }
    // One full queue is no reason to stand still: a tenth of what is asked at least.
    let reached = max(reachedRate, rate.rate.isFinite ? rate.rate / 10 : 1)
    if rate.lost(reached: reached, now: batch.end), let limit = rate.limit {
      notice("the kernel has no room for more packets: slowing down to \(Int(limit)) packets a second")
    }
  }

  /// What became of positions that waited for their next hop: `ready` are given again, `unreachable` have their verdict.
  mutating func noteNextHops(ready: [UInt64], unreachable: [UInt64], by name: (UInt64) -> SweepResult) {
    passes.unpark(ready, isReachable: true)
    passes.unpark(unreachable, isReachable: false)
    for position in unreachable where found < maximumResults && answered.note(position) == .first {
      progress.unreachable += 1
      if allStates { results.append(name(position)) }
    }
    if found >= maximumResults { isStopped = true }
  }

  /// Names some of the silent, `limit` at most, or only counts them where nobody wants their names. False where the
  /// reader has to take results first.
  mutating func nameSilent(upTo limit: Int, by name: (UInt64) -> SweepResult) -> Bool {
    guard results.count < SweepState.namingLimit else { return false }
    let end = passes.settledEnd(of: answered.window)
    var cursor = max(reportCursor, answered.window.lowerBound)
    defer { reportCursor = max(reportCursor, cursor) }
    guard allStates else {
      progress.noAnswer += answered.silent(in: cursor..<max(cursor, end))
      cursor = max(cursor, end)
      endWindow()
      return true
    }
    for _ in 0..<limit {
      guard let position = answered.nextSilent(from: cursor), position < end else {
        cursor = max(cursor, end)
        endWindow()
        return true
      }
      guard found < maximumResults else {
        isStopped = true
        return true
      }
      results.append(name(position))
      progress.noAnswer += 1
      cursor = position + 1
    }
    return true
  }

  /// Nothing is left to be sent, once its silent have been named.
  var isInLastWindow: Bool { passes.isTruncated || answered.window.upperBound >= endPosition }

  private mutating func endWindow() {
    // A sweep that was cut short keeps its window, for who resumes it.
    guard !passes.isTruncated else { return passes.advance(to: answered.window) }
    answered.advance()
    log = SendLog()
    passes.advance(to: answered.window)
    trail = CursorTrail(start: .init(pass: 0, cursor: answered.window.lowerBound))
  }
}

// MARK: Receiving

extension SweepState {
  /// A reply to a probe.
  struct Heard: Sendable {
    var match: ReplyMatcher.Match
    var interface: UInt32
    /// Who sent us the frame.
    var hardware: MACAddress?
    /// When it was seen, on the monotonic clock.
    var at: Instant
    /// How long before that the probe was sent, by the clock that the reply echoes, in nanoseconds. Nil for no echo.
    var echoAge: Int64?
  }

  /// What a turn's replies came to.
  struct Noted {
    /// Those, by their place, that repeat what was answered before.
    var repeated: Set<Int> = []
    /// The sender has something new to decide.
    var wakesSender = false
    /// Results that wait for the reader.
    var waiting = 0
  }

  /// Notes the replies of a turn.
  mutating func note(_ heard: [Heard], unmatched: UInt64) -> Noted {
    var noted = Noted()
    progress.unmatched &+= unmatched
    for (index, one) in heard.enumerated() {
      // What comes after the last result wanted is left for who resumes.
      guard found < maximumResults else { break }
      progress.received &+= 1
      // Who has been called silent has its verdict.
      guard one.match.position >= reportCursor else {
        progress.late &+= 1
        continue
      }
      switch answered.note(one.match.position) {
      case .first:
        answers.heard(at: one.at)
        take(one)
      case .duplicate:
        progress.duplicates &+= 1
        noted.repeated.insert(index)
      case .late, .early: progress.late &+= 1
      }
    }
    if found >= maximumResults { isStopped = true }
    noted.wakesSender = answered.isFull || isStopped
    noted.waiting = results.count
    return noted
  }

  /// What came before `instant` has been noted. True where the sender waits for that.
  mutating func hear(until instant: Instant) -> Bool {
    heardUntil = instant
    return isListening
  }

  /// A target's check could not be done for want of something of ours: it is given again, slower.
  mutating func postpone(_ position: UInt64, _ error: CheckError, now: Instant) {
    passes.reopen(position)
    guard rate.lost(reached: reachedRate, now: now), let limit = rate.limit else { return }
    notice("\(error): slowing down to \(Int(limit)) checks a second")
  }

  /// A check of a target has ended, silence included, or could not be done.
  mutating func noteCheck(of position: UInt64, _ end: Result<SweepResult, CheckError>) {
    guard found < maximumResults, answered.note(position) == .first else { return }
    switch end {
    case .success(let result):
      if result.verdict.state != .noAnswer { progress.received &+= 1 }
      count(result.verdict.state)
      if allStates || result.verdict.state == .open { results.append(result) }
      if found >= maximumResults { isStopped = true }
    case .failure(let error):
      progress.errors += 1
      if toldFaults.insert(error.code).inserted { notice("\(error), and maybe others likewise") }
    }
  }

  private mutating func count(_ state: CheckResult.State) {
    switch state {
    case .open: progress.open += 1
    case .closed: progress.closed += 1
    case .unreachable: progress.unreachable += 1
    case .noAnswer: progress.noAnswer += 1
    }
  }

  private mutating func take(_ one: Heard) {
    var result = one.match.result
    count(result.verdict.state)
    if let roundTrip = roundTrip(of: one) {
      result.verdict.rtt = .nanoseconds(roundTrip)
      cooldown.observe(roundTrip)
    }
    if case .coolingDown = passes.phase { result.reply?.isAfterSending = true }
    if allStates || result.verdict.state == .open { results.append(result) }
  }

  /// From probe to reply in nanoseconds, where the time of the probe is known: by the log, else by the reply's echo.
  private func roundTrip(of one: Heard) -> Int64? {
    guard let pass = one.match.pass ?? (passes.pass == 0 ? 0 : nil),
      let sent = log.time(pass: pass, position: one.match.position)
    else { return one.echoAge }
    let roundTrip = one.at.nanoseconds(since: sent)
    // It left earlier than the even share of its batch's time would have it.
    guard roundTrip <= 0, let start = log.start(pass: pass, position: one.match.position) else { return roundTrip }
    let longer = one.at.nanoseconds(since: start)
    return longer > 0 ? longer : nil
  }

  /// The captures have lost so many packets since the start. Losses since the last look drive the rate back.
  mutating func noteDrops(_ count: UInt64, now: Instant) {
    let (sent, time) = (progress.sent &- counted.sent, progress.sendingTime - counted.time)
    let lost = count &- min(count, counted.drops)
    counted = (progress.sent, progress.sendingTime, count)
    progress.captureDropped &+= lost
    guard lost > 0 else {
      _ = rate.quiet(now: now)
      return
    }
    // What is lost while nothing is sent says nothing about the rate.
    guard sent > 0, time > .zero, rate.lost(reached: Double(sent) / (time / .seconds(1)), now: now),
      let limit = rate.limit
    else {
      if lost == count { notice("the capture lost packets (\(count) so far)") }
      return
    }
    notice("the capture lost packets (\(count) so far): slowing down to \(Int(limit)) packets a second")
  }
}

// MARK: Saving and restoring

extension SweepState {
  /// Where the sweep stands. Changes are told once: the next checkpoint has those after this one.
  mutating func checkpoint(job: UInt64, seed: UInt64, now: Instant) -> SweepCheckpoint {
    trail.settle(now: now, age: cooldown.patience)
    return SweepCheckpoint(
      job: job, seed: seed, pass: trail.safe.pass, cursor: trail.safe.cursor, window: answered.window,
      reportCursor: reportCursor, progress: progress, resultsBefore: found, changed: answered.takeChanges())
  }

  /// The start of a job, or where its checkpoint was.
  ///
  /// - Throws: `CheckError` for the checkpoint of another job.
  init(
    positions: Range<UInt64>, fingerprint: UInt64, configuration: SweepConfiguration, resume: SweepCheckpoint?,
    now: Instant
  ) throws(CheckError) {
    self.init(positions: positions, configuration: configuration, now: now)
    guard let resume else { return }
    guard resume.job == fingerprint, restore(resume, retries: configuration.retries, now: now) else {
      throw .invalid(
        "checkpoint: it is of another job",
        advice: "resume with the targets, ports, exclusions, shard, seed, retries and states of the first run")
    }
  }

  /// Goes on from a checkpoint, before the first turn. False for one that does not fit.
  mutating func restore(_ checkpoint: SweepCheckpoint, retries: Int, now: Instant) -> Bool {
    guard answered.open(checkpoint.window) else { return false }
    for piece in checkpoint.changed { answered.restore(offset: piece.offset, words: piece.words) }
    let window = answered.window
    passes = SweepPasses(
      window: window, retries: retries, pass: checkpoint.pass,
      cursor: min(max(checkpoint.cursor, window.lowerBound), window.upperBound), now: now)
    trail = CursorTrail(start: .init(pass: passes.pass, cursor: passes.cursor))
    reportCursor = min(max(checkpoint.reportCursor, window.lowerBound), window.upperBound)
    let targets = progress.targets
    progress = checkpoint.progress
    progress.targets = targets
    progress.phase = .starting
    progress.isComplete = false
    // What is probed again counts once; who has answered is not probed again.
    if passes.pass == 0 {
      let rest = passes.cursor..<window.upperBound
      progress.probed = window.upperBound - firstPosition - answered.silent(in: rest)
    }
    counted = (progress.sent, progress.sendingTime, 0)
    let earlier =
      allStates
      ? progress.open &+ progress.closed &+ progress.unreachable &+ progress.noAnswer : progress.open
    maximumResults -= min(maximumResults, earlier)
    isStopped = maximumResults == 0
    return true
  }
}
