// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux

  /// The further sending threads of a sweep.
  final class SenderCrew: Sendable {
    private let bells: [Semaphore]
    private let ended = Semaphore()
    private let closed = Semaphore()

    /// Opens everything, and starts threads that wait for `wake`.
    /// - Parameter count: how many; fewer where nobody asked for so many and a device has no queue for them.
    init(
      _ count: Int, job: SweepJob, shared: SweepShared, hops: SharedNextHops, tap: PacketTap
    ) throws(CheckError) {
      let isAsked = job.configuration.senders != nil
      var isPatient = isAsked
      var bells: [Semaphore] = []
      do throws(CheckError) {
        while bells.count < count {
          let bell = Semaphore()
          let helper = try SweepHelper(
            job, shared: shared, hops: hops, tap: tap, place: bells.count + 1, bell: bell, isPatient: isPatient)
          guard helper.isAsChosen || isAsked else { break }
          helper.tellFallbacks()
          isPatient = isPatient && helper.isAsChosen
          try SenderCrew.start(helper, bell, ended: ended, closed: closed)
          bells.append(bell)
        }
      } catch {
        // Those that there are go, and have gone when this returns.
        shared.stop()
        for bell in bells { bell.signal() }
        for _ in bells { closed.wait() }
        throw error
      }
      self.bells = bells
    }

    /// There may be something to do, for the first time or again.
    func wake() { for bell in bells { bell.signal() } }

    /// Waits for all to have sent their last; the sweep's sending has ended.
    func join() {
      wake()
      for _ in bells { ended.wait() }
    }

    /// Waits for their sockets to be closed, once they have sent their last.
    func close() { for _ in bells { closed.wait() } }

    private static func start(
      _ helper: sending SweepHelper, _ bell: Semaphore, ended: Semaphore, closed: Semaphore
    ) throws(CheckError) {
      var helper: SweepHelper? = helper
      _ = try SweepThreads.start("halfopen-send") {
        bell.wait()
        helper?.run()
        ended.signal()
        helper = nil
        closed.signal()
      }
    }
  }

#endif
