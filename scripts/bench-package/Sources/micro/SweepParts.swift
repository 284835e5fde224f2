// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

@testable import HalfOpen

extension Benchmark {
  /// Of what decides in a sweep and in the engines: permutation, bitmap, timers, pace, state.
  static func sweep() throws -> [Benchmark] {
    [
      target, position, note, nextSilent, timers, cancelled, pace, turns, try heard(.v4), try heard(.v6),
    ]
  }

  /// Not a power of two: some numbers take a second round.
  private static let order = ProbeOrder(count: 3_702_258_432, seed: 7)

  private static var target: Benchmark {
    Benchmark("permutation: position to target") { count in
      var sum: UInt64 = 0
      for position in 0..<UInt64(count) { sum &+= order.target(at: position) }
      return sum
    }
  }

  private static var position: Benchmark {
    Benchmark("permutation: target to position") { count in
      var sum: UInt64 = 0
      for target in 0..<UInt64(count) { sum &+= order.position(of: target) }
      return sum
    }
  }

  private static var note: Benchmark {
    Benchmark("bitmap: note an answer") { count in
      let size: UInt64 = 1 << 22
      var map = AnsweredMap(positions: 0..<size)
      var first: UInt64 = 0
      for index in 0..<UInt64(count) where map.note(index &* 0x9e37_79b9_7f4a_7c15 & (size - 1)) == .first {
        first += 1
      }
      return first
    }
  }

  private static var nextSilent: Benchmark {
    var map = AnsweredMap(positions: 0..<(1 << 22))
    for position in UInt64(0)..<(1 << 22) where position % 3 != 0 { _ = map.note(position) }
    let answered = map
    return Benchmark("bitmap: next silent position") { count in
      var (cursor, sum): (UInt64, UInt64) = (0, 0)
      for _ in 0..<count {
        guard let position = answered.nextSilent(from: cursor) else {
          cursor = 0
          continue
        }
        sum &+= position
        cursor = position + 1
      }
      return sum
    }
  }

  private static var timers: Benchmark {
    Benchmark("timers: set and expire") { count in
      var (now, wheel, expired) = (Int64(0), TimerWheel(now: Instant(nanoseconds: 0)), UInt64(0))
      for index in 0..<count {
        let delay = Int64(truncatingIfNeeded: (UInt64(index) &* 0x9e37_79b9_7f4a_7c15) >> 34)
        wheel.set(index & 4095, at: Instant(nanoseconds: now + delay))
        guard index & 63 == 63 else { continue }
        now += 20_000_000
        wheel.advance(to: Instant(nanoseconds: now))
        while wheel.popExpired() != nil { expired += 1 }
      }
      return expired
    }
  }

  private static var cancelled: Benchmark {
    Benchmark("timers: set and cancel") { count in
      var wheel = TimerWheel(now: Instant(nanoseconds: 0))
      for index in 0..<count {
        wheel.set(index & 4095, at: Instant(nanoseconds: 1_000_000_000 + Int64(index) * 1000))
        wheel.cancel((index + 3584) & 4095)
      }
      return UInt64(wheel.count)
    }
  }

  private static var pace: Benchmark {
    Benchmark("pace: take") { count in
      var (schedule, taken) = (PaceSchedule(rate: 300_000, now: 0), 0)
      for index in 0..<Int64(count) { taken += schedule.take(upTo: 64, now: index * 100_000) }
      return UInt64(taken)
    }
  }

  /// As the sender goes through them: batches of 64, each decided, handed over and noted as sent.
  private static var turns: Benchmark {
    Benchmark("state: a position of a turn") { count in
      var configuration = SweepConfiguration(rate: 1e9, retries: 0)
      configuration.cooldown = .zero
      var now = Instant(nanoseconds: 1_000_000_000)
      var state = SweepState(positions: 0..<UInt64(count), configuration: configuration, now: now)
      var positions: [UInt64] = []
      positions.reserveCapacity(64)
      state.begin(now: now)
      while true {
        positions.removeAll(keepingCapacity: true)
        switch state.nextTurn(upTo: 64, now: now, into: &positions) {
        case .probe(let ticket):
          var batch = SweepState.SentBatch(ticket: ticket)
          batch.positions.reserveCapacity(positions.count)
          for position in positions { batch.positions.append(position) }
          now = now.advanced(byNanoseconds: 70_000)
          batch.end = now
          state.noteSent(batch)
        case .wait(let until): now = max(until, now.advanced(byNanoseconds: 1))
        case .listen, .report, .ended:
          precondition(state.progress.sent == count)
          return state.progress.sent
        }
      }
    }
  }

  /// As the receiver hands them over: 256 SYN-ACKs under one lock, each the first of its target, and the reader takes
  /// the results.
  private static func heard(_ family: IPFamily) throws -> Benchmark {
    let field = try Field(family)
    let matcher = field.matcher
    let matches = (UInt64(0)..<256).compactMap { position -> ReplyMatcher.Match? in
      guard let frame = try? Frame(field.reply(.synAck, to: position).span, linkType: .rawIP),
        case .match(let match) = matcher.look(frame, interface: 1, time: 0)
      else { return nil }
      return match
    }
    return Benchmark("state: note a reply, \(family)") { count in
      let configuration = SweepConfiguration(rate: .infinity, retries: 0, allStates: true)
      let now = Instant(nanoseconds: 1_000_000_000)
      var state = SweepState(positions: 0..<UInt64(count), configuration: configuration, now: now)
      var batch: [SweepState.Heard] = []
      batch.reserveCapacity(256)
      var results: UInt64 = 0
      for position in 0..<UInt64(count) {
        var match = matches[Int(position & 255)]
        match.position = position
        batch.append(.init(match: match, interface: 1, at: now))
        guard batch.count == 256 else { continue }
        _ = state.note(batch, unmatched: 0)
        batch.removeAll(keepingCapacity: true)
        results += UInt64(state.results.count)
        state.results = []
      }
      precondition(results == count)
      return results
    }
  }
}
