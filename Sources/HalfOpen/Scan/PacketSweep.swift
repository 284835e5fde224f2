// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import Synchronization

  /// A sweep by hand-built packets: a thread that sends, a thread that receives, and what they share.
  final class PacketSweep: SweepRun {
    private let job: SweepJob
    private let shared: SweepShared
    private let tap = PacketTap()
    /// The sender waits here for the first reader.
    private let gate = Semaphore()
    private let hasBegun = Atomic(false)

    init(_ job: SweepJob, resume: SweepCheckpoint? = nil) throws(CheckError) {
      self.job = job
      var state = try SweepState(
        positions: job.positions, fingerprint: job.fingerprint, configuration: job.configuration, resume: resume,
        now: .now)
      state.heardUntil = .now
      for fault in job.paths.faults { state.notice("\(SweepFault(fault))") }
      for fallback in job.transmit.fallbacks { state.notice(fallback) }
      do throws(SystemCallError) {
        shared = try SweepShared(state)
      } catch {
        throw CheckError(error, subject: "starting the sweep")
      }
      try PacketSweep.startThreads(job, shared: shared, tap: tap, gate: gate)
    }

    deinit {
      shared.stop()
      gate.signal()
    }

    var faults: [SweepFault] { job.paths.faults.map(SweepFault.init) }
    var progress: SweepProgress { shared.withLock { $0.progress } }

    func nextBatch() async throws(CheckError) -> [SweepResult]? {
      if !hasBegun.exchange(true, ordering: .relaxed) { gate.signal() }
      let batch = await withTaskCancellationHandler {
        await shared.nextBatch()
      } onCancel: {
        shared.stop()
      }
      return try batch.get()
    }

    func changeRate(_ change: @Sendable (Double) -> Double) { shared.changeRate(change) }

    func stop() { shared.stop() }

    func takeNotices() -> [String] { shared.takeNotices() }

    /// Before the first batch: the sender waits until then.
    func record(to recorder: PacketRecorder) { tap.set(recorder) }

    func checkpoint() -> SweepCheckpoint { shared.checkpoint(job: job.fingerprint, seed: job.seed) }

    /// All is open when this returns, so that a fault is the caller's to see, and the sockets are of its namespace.
    private static func startThreads(
      _ job: SweepJob, shared: SweepShared, tap: PacketTap, gate: Semaphore
    ) throws(CheckError) {
      let opening = Opening()
      let sending = try SweepThreads.start("halfopen-send") {
        let threads = opening.run { () throws(CheckError) in try SweepThreads(job, shared: shared, tap: tap) }
        guard let threads else { return }
        gate.wait()
        threads.run()
      }
      do throws(CheckError) { try opening.wait() } catch {
        // Until it has ended it has the source ports.
        sending.join()
        throw error
      }
    }
  }

#endif
