// SPDX-License-Identifier: Apache-2.0

import CMeasure
import Glibc
import HalfOpenLinux
import HalfOpenWire

@testable import HalfOpen

/// A sweep of as many targets as IPv4 has addresses, in virtual time over a wire in memory: the state, order, bitmap,
/// pace, packets and matching of a real one, without its sockets and threads.
///
/// A position in 64 answers, one of 8 of those twice, and some when their window has been closed. Each answer is made
/// from the bytes of its SYN, parsed and matched by its cookie.
struct ScaleRun {
  /// 10 GbE filled with the smallest frames, in packets a second.
  private static let rate = 14_880_952.0
  private static let roundTrip: Int64 = 20_000_000
  /// From a probe to the second copy of its answer.
  private static let again: Int64 = 60_000_000
  /// How many answers to a window are held back until it is closed.
  private static let mostHeld = 4096

  struct Job {
    var name: String
    var bits: UInt64
    var retries: Int
    /// Positions that the bitmap holds at most.
    var capacity: UInt64

    var count: UInt64 { 1 << bits }
  }

  private struct Answer {
    var at: Int64
    var position: UInt64
  }

  /// What is on its way, in the order of its coming.
  private struct Arrivals {
    private(set) var next: Answer?
    private var later = Queue<Answer>()

    mutating func append(_ answer: Answer) { if next == nil { next = answer } else { later.append(answer) } }

    mutating func pop(until now: Instant) -> Answer? {
      guard let answer = next, answer.at <= now.nanoseconds else { return nil }
      next = later.popFirst()
      return answer
    }
  }

  private let job: Job
  private let far: FarEnd
  private var state: SweepState
  private let started = Instant(nanoseconds: 1_000_000_000)
  private var now: Instant
  /// Targets that have been probed, and those that have been named.
  private var probed: BitSet
  private var named: BitSet
  private var answers = Arrivals()
  private var doubles = Arrivals()
  private var held: [UInt64] = []
  private var heard: [SweepState.Heard] = []
  private var last: (pass: Int, position: UInt64)?
  private var window: Range<UInt64>
  private var windows: UInt64 = 0
  private var fed = (first: UInt64(0), double: UInt64(0), late: UInt64(0))

  init(_ job: Job) throws {
    self.job = job
    far = try FarEnd(bits: job.bits)
    (probed, named) = (BitSet(job.count), BitSet(job.count))
    now = started
    state = SweepState(
      positions: 0..<job.count, configuration: SweepConfiguration(rate: ScaleRun.rate, retries: job.retries),
      windowCapacity: job.capacity, now: now)
    window = state.answered.window
  }

  /// Runs it to its end. Throws where anything is not as it has to be.
  mutating func run() throws {
    var positions: [UInt64] = []
    state.begin(now: now)
    while true {
      positions.removeAll(keepingCapacity: true)
      switch state.nextTurn(upTo: 64, now: now, into: &positions) {
      case .probe(let ticket): try probe(positions, ticket)
      case .wait(let until): now = max(until, now.advanced(byNanoseconds: 1))
      case .listen: throw fault("all that came has been read")
      case .report:
        _ = state.nameSilent(upTo: 1024) { _ in preconditionFailure("nobody wants the names of the silent") }
        if state.answered.window != window { try changeWindow() }
      case .ended: return try check()
      }
      try receive()
      try take()
    }
  }

  private mutating func probe(_ positions: [UInt64], _ ticket: SweepPasses.Ticket) throws {
    let pass = ticket.pass
    for position in positions {
      // Ascending within a pass: so none comes twice.
      if let last, last.pass == pass, position <= last.position { throw fault("position \(position) comes again") }
      last = (pass, position)
      if pass == 0, !probed.insert(far.field.order.target(at: position)) {
        throw fault("the target at \(position) is another's too")
      }
      if position & 63 == 63 { answer(position, pass) }
    }
    var batch = SweepState.SentBatch(ticket: ticket, positions: positions)
    now = now.advanced(byNanoseconds: Int64(positions.count) * 50)
    batch.end = now
    state.noteSent(batch)
  }

  /// What becomes of a probe that is answered, by the bits of its position.
  private mutating func answer(_ position: UInt64, _ pass: Int) {
    let isLast = pass == job.retries
    let isHeld = position & 0x1fff == 63
    // Before the last pass each second probe is lost, and those whose answer is to be late.
    guard isLast || position & 64 != 0 else { return }
    if isHeld {
      if held.count < ScaleRun.mostHeld { held.append(position) }
      return
    }
    answers.append(Answer(at: now.nanoseconds + ScaleRun.roundTrip, position: position))
    if position & 0x1c0 == 0x80 {
      doubles.append(Answer(at: now.nanoseconds + ScaleRun.again, position: position))
    }
  }

  private mutating func receive() throws {
    while let answer = answers.pop(until: now) {
      try hear(answer.position, at: answer.at)
      fed.first += 1
    }
    while let answer = doubles.pop(until: now) {
      try hear(answer.position, at: answer.at)
      fed.double += 1
    }
    note()
  }

  private mutating func hear(_ position: UInt64, at time: Int64) throws {
    guard let match = far.answer(to: position), match.position == position else {
      throw fault("the answer to position \(position) is not matched")
    }
    heard.append(.init(match: match, interface: 1, at: Instant(nanoseconds: time)))
    if heard.count == 256 { note() }
  }

  private mutating func note() {
    guard !heard.isEmpty else { return }
    _ = state.note(heard, unmatched: 0)
    heard.removeAll(keepingCapacity: true)
  }

  /// The window is closed: now the answers held back come.
  private mutating func changeWindow() throws {
    window = state.answered.window
    windows += 1
    last = nil
    for position in held { try hear(position, at: now.nanoseconds) }
    note()
    fed.late += UInt64(held.count)
    held.removeAll(keepingCapacity: true)
  }

  /// The reader.
  private mutating func take() throws {
    guard !state.results.isEmpty else { return }
    for result in state.results {
      let element = TargetSet.Element(address: result.verdict.address, port: result.port)
      guard let target = far.field.targets.index(of: element), named.insert(target) else {
        throw fault("\(result.verdict.address) is named twice, or is no target")
      }
    }
    state.given += UInt64(state.results.count)
    state.results = []
  }

  private func check() throws {
    let progress = state.progress
    // Of the first of two passes one probe in 128 is answered.
    let repeated = job.retries == 0 ? 0 : job.count - job.count / 128
    let facts: [(String, UInt64, UInt64)] = [
      ("targets probed", probed.count, job.count), ("probes", progress.sent, job.count + repeated),
      ("windows", windows, (job.count + job.capacity - 1) / job.capacity), ("open", progress.open, fed.first),
      ("named", named.count, fed.first), ("duplicates", progress.duplicates, fed.double),
      ("late", progress.late, fed.late), ("silent", progress.noAnswer, job.count - fed.first),
      ("unmatched", progress.unmatched, 0), ("complete", progress.isComplete ? 1 : 0, 1),
    ]
    for (what, count, wanted) in facts where count != wanted { throw fault("\(what): \(count), not \(wanted)") }
  }

  private func fault(_ text: String) -> Failure { Failure("\(job.name): \(text)") }
}

extension ScaleRun {
  /// Runs what there is, and prints a table.
  static func all(isQuick: Bool) throws {
    let bits: UInt64 = isQuick ? 26 : 32
    let jobs = [
      Job(
        name: "2^\(bits - 2) targets in windows of 2^\(bits - 4), one retry", bits: bits - 2, retries: 1,
        capacity: 1 << (bits - 4)),
      Job(name: "2^\(bits) targets, one window", bits: bits, retries: 0, capacity: AnsweredMap.defaultCapacity),
    ]
    print(
      "| sweep | probes | windows | answered | twice | late | silent | at 10 GbE s | took s | ns a probe | peak MiB |")
    print("|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for job in jobs {
      var run = try ScaleRun(job)
      Memory.resetPeak()
      let start = meter_now()
      try run.run()
      let (took, sent) = (Double(meter_now() - start), Double(run.state.progress.sent))
      let own = Memory.peak() - Double(run.probed.bytes + run.named.bytes)
      let cells: [String] = [
        job.name, "\(run.state.progress.sent)", "\(run.windows)", "\(run.fed.first)", "\(run.fed.double)",
        "\(run.fed.late)", "\(run.state.progress.noAnswer)",
        fixed(Double(run.now.nanoseconds(since: run.started)) / 1e9, 1), fixed(took / 1e9, 1), fixed(took / sent, 1),
        fixed(own / 1_048_576, 1),
      ]
      print("| \(cells.joined(separator: " | ")) |")
      fflush(nil)
    }
    print(
      """

      Each target was probed once a pass, and each that answered named once: by a bitmap of all of them, which the peak
      leaves out. Doubles, late answers and silence are as many as there were.
      """)
  }
}
