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

    /// Each thread opens what it needs, side by side: a capture's ring takes tens of milliseconds, and so do AF_XDP sockets.
    /// All is open when this returns, so that a fault is the caller's to see, and the sockets are of its namespace.
    private static func startThreads(
      _ job: SweepJob, shared: SweepShared, tap: PacketTap, gate: Semaphore
    ) throws(CheckError) {
      let hops = try SharedNextHops(job)
      let answers = try AnswerTransmitter(job)
      let (openingSender, openingReceiver) = (Opening(), Opening())
      let hasHeard = Semaphore()
      do throws(SystemCallError) {
        var listening: DedicatedThread? = try DedicatedThread(name: "halfopen-listen") {
          let receiver = openingReceiver.end { () throws(CheckError) in
            try SweepReceiver(job, shared: shared, transmitter: answers, tap: tap)
          }
          withExtendedLifetime(receiver) {
            receiver?.run()
            hasHeard.signal()
          }
        }
        _ = try DedicatedThread(name: "halfopen-send") {
          var sender: SweepSender?
          let crew = openingSender.end { () throws(CheckError) in
            sender = try SweepSender(job, shared: shared, hops: hops, tap: tap)
            return try SenderCrew(job.senders - 1, job: job, shared: shared, hops: hops, tap: tap)
          }
          guard let crew else { return }
          gate.wait()
          shared.withLock { $0.begin(now: .now) }
          crew.wake()
          sender?.run()
          crew.join()
          shared.endReceiving()
          // Closing a packet socket takes tens of milliseconds (`synchronize_net` in packet_release): side by side, while the
          // silent are named.
          let namer = SilenceNamer(job: job, shared: shared)
          var naming = try? DedicatedThread(name: "halfopen-name") { namer.finish() }
          var closingHops = try? DedicatedThread(name: "halfopen-close") { hops.close() }
          var closingAnswers = try? DedicatedThread(name: "halfopen-close") {
            hasHeard.wait()
            answers.close()
          }
          sender = nil
          crew.close()
          closingHops.take()?.join()
          closingAnswers.take()?.join()
          listening.take()?.join()
          naming.take()?.join()
          // Had there been no thread for it.
          namer.finish()
          shared.end()
        }
      } catch {
        shared.stop()
        shared.endReceiving()
        throw CheckError(error, subject: "starting the sweep's threads")
      }
      do throws(CheckError) {
        try openingSender.wait()
        try openingReceiver.wait()
      } catch {
        // Those that did open what they need go.
        shared.stop()
        shared.endReceiving()
        gate.signal()
        throw error
      }
    }
  }

#endif
