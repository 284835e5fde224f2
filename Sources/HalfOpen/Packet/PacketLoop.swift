// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire

  /// The packet engine's thread: takes requests, feeds the state machine, sleeps when there is nothing to do.
  final class PacketLoop {
    /// SYNs handed to the kernel at once. More saves little, and makes the stamp of the last one later than the others'.
    static let batch = 16
    private static let batchesPerRound = 4
    /// Frames read from one capture before the others, and the sender, have their turn.
    private static let framesPerTurn = 256
    /// How long timers wait for captures that are full of unread frames: long enough for what is an answer among them, and
    /// short enough that a flood can't hold up the deadlines.
    private static let patience: Int64 = 250_000_000

    private let mailbox: Mailbox
    private let port: KernelPacketPort
    private var poll = Poll()
    private var checks: PacketChecks<KernelPacketPort>
    private var post = Mailbox.Post()
    /// Requests taken from the mailbox and not yet started.
    private var backlog = Queue<CheckRequest>()
    private var entries: [Captures.Entry] = []
    /// Every frame captured before it has been read.
    private var heard: Instant

    init(_ configuration: CheckerConfiguration, mailbox: Mailbox) throws(CheckError) {
      self.mailbox = mailbox
      let now = Instant.now
      heard = now
      port = try KernelPacketPort(configuration, now: now)
      checks = PacketChecks(port: port, policy: configuration.reset, maximumPorts: configuration.maximumPorts, now: now)
      poll.add(mailbox.descriptor)
      adopt()
    }

    func run() {
      while !post.isShutDown {
        let now = Instant.now
        port.beginRound(now: now)
        var isBusy = takeMail(now: now)
        isBusy = sendSome() || isBusy
        isBusy = readCaptures() || isBusy
        let end = Instant.now
        checks.expire(now: end, heard: max(heard, end.advanced(byNanoseconds: -PacketLoop.patience)))
        _ = send()
        checks.finishRound(now: .now)
        // A check that ended may have let another begin: its SYN leaves before anybody sleeps.
        isBusy = send() || isBusy
        if !isBusy { checks.rest(now: .now) }
        checks.takeSuccessors(into: &backlog)
        if !isBusy, backlog.isEmpty { sleep() }
      }
      checks.endAll(.shutDown)
      let unbegun = backlog.takeAll()
      for request in unbegun { request.sink.deliver(.failure(.shutDown), index: request.index) }
      for request in unbegun { request.sink.flush() }
    }

    private func takeMail(now: Instant) -> Bool {
      guard mailbox.take(into: &post, maySleep: backlog.isEmpty) else { return false }
      backlog.append(emptying: &post.requests)
      for sink in post.cancellations { checks.cancel(sink, now: now) }
      post.removeAll()
      return true
    }

    /// Several batches, each with a stamp of its own. What a round costs beside them is shared by many checks.
    private func sendSome() -> Bool {
      var isBusy = false
      for _ in 0..<PacketLoop.batchesPerRound {
        guard startSome(now: .now) else { break }
        _ = send()
        isBusy = true
      }
      return isBusy
    }

    private func startSome(now: Instant) -> Bool {
      guard !backlog.isEmpty else { return false }
      for _ in 0..<PacketLoop.batch {
        guard let request = backlog.popFirst() else { break }
        checks.start(consume request, now: now)
      }
      adopt()
      return true
    }

    /// Flushes the batches and reports what did not leave.
    private func send() -> Bool {
      checks.willFlush(now: .now)
      port.flush()
      guard !port.failures.isEmpty else { return false }
      let now = Instant.now
      for failure in port.takeFailures() {
        checks.sendFailed(tag: failure.tag, wasReset: failure.wasReset, errno: failure.errno, now: now)
      }
      return true
    }

    private func readCaptures() -> Bool {
      var isBusy = false
      var isDrained = true
      let start = Instant.now
      for entry in entries {
        let now = Instant.now
        // Captures stamp with wall time; both clocks are read together, so that a step of the wall clock matters only to
        // the packets under way.
        let offset = realtimeNanoseconds() &- now.nanoseconds
        let linkType = entry.linkType
        do throws(CaptureError) {
          let count = try entry.capture.dispatch(max: PacketLoop.framesPerTurn) { bytes, _, nanoseconds in
            guard let frame = try? Frame(bytes, linkType: linkType) else { return }
            checks.receive(frame, stamp: Instant(nanoseconds: nanoseconds &- offset), now: now)
          }
          isBusy = isBusy || count > 0
          isDrained = isDrained && count < PacketLoop.framesPerTurn
        } catch {
          lose(entry, CheckError(error), now: now)
        }
      }
      if isDrained { heard = start }
      return isBusy
    }

    /// A capture can't be read any more: no reply on its interface will be seen.
    private func lose(_ entry: Captures.Entry, _ error: CheckError, now: Instant) {
      poll.remove(entry.capture.descriptor)
      entries.removeAll { $0 === entry }
      port.captures.close(entry)
      port.forgetRoutes()
      checks.interfaceLost(entry.interface, error, now: now)
    }

    private func adopt() {
      guard !port.opened.isEmpty else { return }
      for entry in port.opened {
        poll.add(entry.capture.descriptor)
        entries.append(entry)
      }
      port.opened.removeAll()
    }

    private func sleep() {
      let timeout = checks.nextLook.map { max(0, $0.nanoseconds(since: .now)) }
      try? poll.wait(timeout: timeout)
      if poll.isReady(mailbox.descriptor) { mailbox.clear() }
    }
  }

#endif
