// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux

  /// The further sending threads of a sweep.
  final class SenderCrew: Sendable {
    private let bells: [Semaphore]
    private let ended = Semaphore()
    private let closed = Semaphore()

    /// Opens everything, and starts threads that wait for `wake`.
    /// - Parameter count: how many.
    init(
      _ count: Int, job: SweepJob, shared: SweepShared, hops: SharedNextHops, tap: PacketTap
    ) throws(CheckError) {
      bells = (0..<count).map { _ in Semaphore() }
      var isPatient = true
      for (index, bell) in bells.enumerated() {
        do throws(CheckError) {
          let helper = try SweepHelper(
            job, shared: shared, hops: hops, tap: tap, place: index + 1, bell: bell, isPatient: isPatient)
          isPatient = helper.isAsChosen
          try start(helper, bell)
        } catch {
          // Those that there are go.
          shared.stop()
          wake()
          throw error
        }
      }
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

    private func start(_ helper: sending SweepHelper, _ bell: Semaphore) throws(CheckError) {
      var helper: SweepHelper? = helper
      do throws(SystemCallError) {
        _ = try DedicatedThread(name: "halfopen-send") { [ended, closed] in
          bell.wait()
          helper?.run()
          ended.signal()
          helper = nil
          closed.signal()
        }
      } catch {
        throw CheckError(error, subject: "starting the sweep's threads")
      }
    }
  }

#endif
