// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux

  /// Gives the silent of a sweep their verdict, once their answers have been waited for.
  struct SilenceNamer: Sendable {
    /// Silent targets named before the lock is given back.
    private static let targetsPerTurn = 1024

    let job: SweepJob
    let shared: SweepShared

    /// Names some of them. False where the reader has to take results first.
    func name() -> Bool {
      let time = realtimeNanoseconds()
      let isRoom = shared.withLock { state in
        let dropped = state.progress.captureDropped > 0
        return state.nameSilent(upTo: SilenceNamer.targetsPerTurn) { silence(at: $0, time: time, dropped: dropped) }
      }
      shared.wakeReader()
      return isRoom
    }

    /// Names all that are left, where nothing is left to be sent.
    func finish() {
      let bell = try? Epoll(capacity: 1)
      try? bell?.add(shared.senderDescriptor, events: .input, tag: 0)
      // Without a descriptor for the bell.
      let pause = Semaphore()
      var positions: [UInt64] = []
      while true {
        switch shared.withLock({ $0.nextTurn(upTo: 1, now: .now, into: &positions) }) {
        case .report where name(): continue
        case .report, .wait, .listen:
          if (try? bell?.wait(timeout: 100_000_000)) == nil {
            pause.wait(until: Instant.now.advanced(byNanoseconds: 1_000_000))
          }
          shared.clearSenderBell()
        case .probe, .ended: return
        }
      }
    }

    private func silence(at position: UInt64, time: Int64, dropped: Bool) -> SweepResult {
      SweepResult(
        unanswered: job.targets[job.order.target(at: position)], in: job.targets, state: .noAnswer, reason: .noResponse,
        transmissions: job.configuration.retries + 1, backend: .packet, flags: dropped ? .captureDropped : [],
        time: time)
    }
  }

#endif
