// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import Synchronization

  /// A sweep by hand-built packets: a thread that sends, a thread that receives, and what they share.
  final class PacketSweep: SweepRun {
    private let job: SweepJob
    private let shared: SweepShared
    /// The sender waits here for the first reader.
    private let gate = Semaphore()
    private let hasBegun = Atomic(false)

    init(_ job: SweepJob, resume: SweepCheckpoint? = nil) throws(CheckError) {
      self.job = job
      let state = try SweepState(job, resume: resume, now: .now)
      do throws(SystemCallError) {
        shared = try SweepShared(state)
      } catch {
        throw CheckError(error, subject: "starting the sweep")
      }
      try PacketSweep.startThreads(job, shared: shared, gate: gate)
    }

    deinit {
      shared.stop()
      gate.signal()
    }

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

    func changeRate(_ change: @Sendable (Double) -> Double) {
      shared.withLock { state in
        let rate = change(state.rate.asked)
        if rate > 0 { state.rate.ask(rate) }
      }
      shared.wakeSender()
    }

    func stop() { shared.stop() }

    func takeNotices() -> [String] {
      shared.withLock { state in
        defer { state.notices = [] }
        return state.notices
      }
    }

    func checkpoint() -> SweepCheckpoint {
      let (fingerprint, seed) = (job.fingerprint, job.seed)
      return shared.withLock { $0.checkpoint(job: fingerprint, seed: seed, now: .now) }
    }

    /// Made here, so that a fault is the caller's to see and the sockets are of its namespace; then each thread has its own.
    private static func startThreads(
      _ job: SweepJob, shared: SweepShared, gate: Semaphore
    ) throws(CheckError) {
      var receiver: SweepReceiver? = try SweepReceiver(job, shared: shared)
      var sender: SweepSender? = try SweepSender(job, shared: shared)
      do throws(SystemCallError) {
        var listening: DedicatedThread? = try DedicatedThread(name: "halfopen-listen") {
          receiver?.run()
          receiver = nil
        }
        _ = try DedicatedThread(name: "halfopen-send") {
          gate.wait()
          sender?.run()
          sender = nil
          shared.endReceiving()
          listening.take()?.join()
          shared.end()
        }
      } catch {
        shared.endReceiving()
        throw CheckError(error, subject: "starting the sweep's threads")
      }
    }
  }

#endif
