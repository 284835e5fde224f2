// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux

  /// A sweep's further sending thread: sends when the rate is more than those before it can do. Waiting for links, asking
  /// for next hops and naming the silent are the first one's.
  final class SweepHelper {
    /// Where there is nothing for it, it looks again after so many nanoseconds.
    private static let pause: Int64 = 100_000_000

    private let shared: SweepShared
    private let prober: ProbeSender
    private let tap: PacketTap
    private let bell: Semaphore
    /// Its place among the sending threads, from 1.
    private let place: Int
    private var positions: [UInt64] = []

    init(
      _ job: SweepJob, shared: SweepShared, hops: SharedNextHops, tap: PacketTap, place: Int, bell: Semaphore,
      isPatient: Bool
    ) throws(CheckError) {
      (self.shared, self.tap, self.place, self.bell) = (shared, tap, place, bell)
      prober = try ProbeSender(job, shared: shared, hops: hops, isPatient: isPatient)
      positions.reserveCapacity(SweepTransmitter.batchSize)
    }

    /// All leave the way that was chosen for them.
    var isAsChosen: Bool { prober.isAsChosen }

    func tellFallbacks() { prober.tellFallbacks() }

    func run() {
      prober.record(to: tap.current)
      while true {
        let now = Instant.now
        positions.removeAll(keepingCapacity: true)
        let turn = shared.withLock {
          $0.nextTurn(ofHelper: place, upTo: SweepTransmitter.batchSize, now: now, into: &positions)
        }
        switch turn {
        case .probe(let ticket): probe(ticket, now: now)
        case .wait(let until): bell.wait(until: until)
        case .listen, .report: bell.wait(until: now.advanced(byNanoseconds: SweepHelper.pause))
        case .ended: return
        }
      }
    }

    private func probe(_ ticket: SweepPasses.Ticket, now: Instant) {
      let batch = prober.send(positions, ticket, now: now)
      shared.withLock { $0.noteSent(batch) }
      if batch.isOutage {
        bell.wait(until: batch.end.advanced(byNanoseconds: 200_000_000))
      } else if !batch.held.isEmpty {
        bell.wait(until: batch.end.advanced(byNanoseconds: 10_000_000))
      }
    }
  }

#endif
