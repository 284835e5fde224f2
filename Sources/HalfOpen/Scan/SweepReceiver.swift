// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire

  /// The sweep's receiving thread: reads the captures, finds out which position a packet answers, notes the first answer
  /// to each, and sees to it that half-open connections are reset.
  final class SweepReceiver {
    /// Frames of one turn: what they say is noted under one lock.
    private static let framesPerTurn = 256
    private static let statisticsInterval: Int64 = 200_000_000
    /// Results wait so long for others, that the reader is not woken for each.
    private static let patience: Int64 = 20_000_000
    private static let worthWaking = 512

    private let job: SweepJob
    private let shared: SweepShared
    private let tap: PacketTap
    private let matcher: ReplyMatcher
    private let captures: SweepCaptures
    private let transmitter: AnswerTransmitter
    private let epoll: Epoll
    private var resets: ResetKeeper
    private var heard: [SweepState.Heard] = []
    private var due: [ResetKeeper.Due] = []
    private var unmatched: UInt64 = 0
    private var nextStatistics = Instant(nanoseconds: 0)
    private var wakeAt = Instant.never
    /// What came before it has been read in this turn.
    private var heardUntil = Instant.never

    init(
      _ job: SweepJob, shared: SweepShared, transmitter: AnswerTransmitter, tap: PacketTap
    ) throws(CheckError) {
      self.job = job
      self.tap = tap
      self.shared = shared
      matcher = job.matcher
      captures = try SweepCaptures(job)
      self.transmitter = transmitter
      resets = ResetKeeper(policy: job.configuration.reset)
      heard.reserveCapacity(SweepReceiver.framesPerTurn)
      due.reserveCapacity(SweepReceiver.framesPerTurn)
      do throws(SystemCallError) {
        epoll = try Epoll(capacity: 64)
        try epoll.add(shared.receiverDescriptor, events: .input, tag: .max)
        for entry in captures.entries {
          try epoll.add(entry.capture.descriptor, events: .input, tag: UInt64(entry.interface))
        }
      } catch {
        throw CheckError(error, subject: "starting the sweep")
      }
    }

    func run() {
      while true {
        captures.settle()
        let isBusy = listen()
        let now = Instant.now
        expireResets(now: now)
        if now >= nextStatistics { countDrops(now: now) }
        if now >= wakeAt {
          wakeAt = .never
          shared.wakeReader()
        }
        let (isEnding, isAwaited) = shared.withLock { [heardUntil] in ($0.isEnding, $0.hear(until: heardUntil)) }
        if isAwaited { shared.wakeSender() }
        if isEnding, resets.isSettled, !isBusy { break }
        if !isBusy { sleep(now: now) }
      }
      countDrops(now: .now)
    }

    private func listen() -> Bool {
      var isBusy = false
      let recorder = tap.current
      heardUntil = Instant.now.advanced(byNanoseconds: -captures.delay)
      for entry in captures.entries {
        // Captures stamp with wall time; both clocks are read together.
        let offset = realtimeNanoseconds() &- Instant.now.nanoseconds
        let (interface, linkType) = (entry.interface, entry.linkType)
        var last: Int64 = 0
        do throws(CaptureError) {
          let count = try entry.capture.dispatch(max: SweepReceiver.framesPerTurn) { bytes, length, nanoseconds in
            last = nanoseconds
            guard let frame = try? Frame(bytes, linkType: linkType) else { return }
            let isOurs = hear(frame, interface: interface, time: nanoseconds, offset: offset)
            if isOurs, let recorder, let start = frame.network?.offset {
              recorder.record(
                bytes.extracting(droppingFirst: start), originalLength: length - start, nanoseconds: nanoseconds)
            }
          }
          isBusy = isBusy || count > 0
          // More may be there.
          if count >= SweepReceiver.framesPerTurn { heardUntil = min(heardUntil, Instant(nanoseconds: last &- offset)) }
        } catch {
          lose(entry, error)
        }
        noteHeard()
      }
      return isBusy
    }

    /// - Returns: whether the packet belongs to the sweep.
    private func hear(_ frame: borrowing Frame, interface: UInt32, time: Int64, offset: Int64) -> Bool {
      switch matcher.look(frame, interface: interface, time: time) {
      case .match(let match):
        let at = Instant(nanoseconds: time &- offset)
        let echo = match.result.verdict.answer?.options.timestamps?.echo
        heard.append(
          .init(
            match: match, interface: interface, hardware: frame.link.source, at: at,
            echoAge: echo.flatMap { job.age(ofEcho: $0, at: at) }))
        return true
      case .ownReset:
        if resets.sawReset(on: interface) { captures.stopWatching(interface) }
        return true
      case .unmatched:
        unmatched &+= 1
        return false
      case .other: return false
      }
    }

    /// Everything heard in this turn, under one lock.
    private func noteHeard() {
      guard !heard.isEmpty || unmatched > 0 else { return }
      // Taken out and put back: a copy would have to be allocated anew.
      var batch: [SweepState.Heard] = []
      swap(&batch, &heard)
      let noted = shared.withLock { [batch, unmatched] in $0.note(batch, unmatched: unmatched) }
      let now = Instant.now
      for (index, one) in batch.enumerated() {
        guard let reset = one.match.reset else { continue }
        let due = ResetKeeper.Due(
          flow: reset.flow, source: reset.source, sequence: reset.sequence, interface: one.interface,
          zone: one.match.zone, hardware: one.hardware)
        answer(due, isRepeated: noted.repeated.contains(index), now: now)
      }
      batch.removeAll(keepingCapacity: true)
      swap(&batch, &heard)
      unmatched = 0
      sendResets()
      if noted.wakesSender { shared.wakeSender() }
      if noted.waiting >= SweepReceiver.worthWaking {
        wakeAt = .never
        shared.wakeReader()
      } else if noted.waiting > 0, wakeAt == .never {
        wakeAt = now.advanced(byNanoseconds: SweepReceiver.patience)
      }
    }

    private func answer(_ reset: ResetKeeper.Due, isRepeated: Bool, now: Instant) {
      let isLocal = job.paths.isLocal(reset.source)
      if resets.answer(reset, sourceIsLocal: isLocal, isRepeated: isRepeated, now: now) { due.append(reset) }
    }

    private func expireResets(now: Instant) {
      let expired = resets.expire(now: now)
      guard !expired.due.isEmpty else { return }
      due += expired.due
      for interface in expired.taken {
        captures.stopWatching(interface)
        shared.notice(
          "no RST of the kernel's is seen on \(job.paths.name(of: interface)): the sweep sends its own")
      }
      sendResets()
    }

    private func sendResets() {
      guard !due.isEmpty else { return }
      let failed = transmitter.withLock { [due, recorder = tap.current] transmitter in
        transmitter.recorder = recorder
        for one in due { append(one, to: transmitter) }
        transmitter.flush()
        return UInt64(transmitter.takeFailures().count)
      }
      let count = UInt64(due.count)
      due.removeAll(keepingCapacity: true)
      shared.withLock { $0.progress.resetsSent &+= count &- min(count, failed) }
    }

    private func append(_ reset: ResetKeeper.Due, to transmitter: SweepTransmitter) {
      let element = TargetSet.Element(address: reset.flow.address, port: reset.flow.port, zone: reset.zone)
      guard let path = job.paths.path(to: element) else { return }
      transmitter.appendReset(
        Lane.Destination(
          address: reset.flow.address, port: reset.flow.port, scope: job.paths.scope(of: element, on: path),
          hardware: reset.interface == job.paths[path].interface ? reset.hardware : nil),
        from: reset.flow.localPort, path: path, sequence: reset.sequence)
    }

    private func countDrops(now: Instant) {
      nextStatistics = now.advanced(byNanoseconds: SweepReceiver.statisticsInterval)
      let count = captures.drops()
      shared.withLock { $0.noteDrops(count, now: now) }
    }

    private func lose(_ entry: SweepCaptures.Entry, _ error: CaptureError) {
      let name = job.paths.name(of: entry.interface)
      switch error.code {
      case .interfaceDown: shared.notice("interface \(name) went down; waiting for it")
      default:
        try? epoll.remove(entry.capture.descriptor)
        captures.close(entry)
        shared.fail(CheckError(error))
      }
    }

    private func sleep(now: Instant) {
      let until = min(nextStatistics, wakeAt, resets.deadline)
      let count = (try? epoll.wait(timeout: max(0, until.nanoseconds(since: now)))) ?? 0
      for index in 0..<count where epoll.event(index).tag == .max { shared.clearReceiverBell() }
    }
  }

#endif
