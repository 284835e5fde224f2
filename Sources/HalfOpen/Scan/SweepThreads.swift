// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux

  /// The threads of a sweep: the one that sends first, which opens, runs and closes all of this; those that send as well;
  /// the one that listens.
  final class SweepThreads {
    private let shared: SweepShared
    private let namer: SilenceNamer
    private let hops: SharedNextHops
    private let answers: AnswerTransmitter
    private var sender: SweepSender?
    private let crew: SenderCrew
    private var listening: DedicatedThread?
    private let hasHeard = Semaphore()

    /// Opens everything, side by side: a capture's ring takes tens of milliseconds, and so do AF_XDP sockets.
    init(_ job: SweepJob, shared: SweepShared, tap: PacketTap) throws(CheckError) {
      self.shared = shared
      namer = SilenceNamer(job: job, shared: shared)
      let hops = try SharedNextHops(job)
      let answers = try AnswerTransmitter(job)
      let opening = Opening()
      var listening: DedicatedThread? = try SweepThreads.start("halfopen-listen") { [hasHeard] in
        let receiver = opening.run { () throws(CheckError) in
          try SweepReceiver(job, shared: shared, transmitter: answers, tap: tap)
        }
        // Who waits for the last answer does not wait for the captures to be closed.
        withExtendedLifetime(receiver) {
          receiver?.run()
          hasHeard.signal()
        }
      }
      var opened: SenderCrew?
      do throws(CheckError) {
        sender = try SweepSender(job, shared: shared, hops: hops, tap: tap)
        let crew = try SenderCrew(job.senders - 1, job: job, shared: shared, hops: hops, tap: tap)
        opened = crew
        try opening.wait()
        (self.hops, self.answers, self.crew) = (hops, answers, crew)
        self.listening = listening.take()
      } catch {
        // All has gone when this returns: who tries again needs the same ports.
        shared.stop()
        opened?.join()
        opened?.close()
        shared.endReceiving()
        listening.take()?.join()
        throw error
      }
    }

    /// The sweep, from its first probe to its end.
    func run() {
      shared.withLock { $0.begin(now: .now) }
      crew.wake()
      sender?.run()
      crew.join()
      shared.endReceiving()
      close()
      shared.end()
    }

    /// Closing a packet socket takes tens of milliseconds (`synchronize_net` in packet_release): side by side, while the
    /// silent are named.
    private func close() {
      var naming = try? DedicatedThread(name: "halfopen-name") { [namer] in namer.finish() }
      var closingHops = try? DedicatedThread(name: "halfopen-close") { [hops] in hops.close() }
      var closingAnswers = try? DedicatedThread(name: "halfopen-close") { [hasHeard, answers] in
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
    }
  }

  extension SweepThreads {
    /// Starts a thread of a sweep.
    static func start(
      _ name: String, _ body: sending @escaping () -> Void
    ) throws(CheckError) -> DedicatedThread {
      do throws(SystemCallError) { return try DedicatedThread(name: name, body) } catch {
        throw CheckError(error, subject: "starting the sweep's threads")
      }
    }
  }

#endif
