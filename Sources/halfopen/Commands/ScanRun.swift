// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// What a scan needs of a sweep: tests make one up.
protocol RunningSweep: Sendable {
  var backend: CheckResult.Backend { get }
  var why: String { get }
  var progress: SweepProgress { get }
  func nextBatch() async throws(CheckError) -> [SweepResult]?
  func changeRate(_ change: @Sendable (Double) -> Double)
  func stop()
  func takeNotices() -> [String]
  func checkpoint() -> SweepCheckpoint
}

extension Sweep: RunningSweep {}

/// One run of `halfopen scan`, from the reading of its targets to the exit code.
struct ScanRun: Sendable {
  /// More targets than these need `--yes`.
  private static let mostUnasked: UInt64 = 1 << 24

  /// What opens a sweep.
  typealias Opener =
    @Sendable (TargetSet, SweepConfiguration, SweepCheckpoint?) throws(CheckError) -> any RunningSweep

  let interruption: Interruption
  var open: Opener = { targets, configuration, resume throws(CheckError) in
    try Sweep(targets: targets, configuration: configuration, resume: resume)
  }

  /// What gives up all rights once everything that needs them is open.
  var drop: @Sendable (_ user: String?) async throws(ScanRefusal) -> String?

  /// - Parameter arguments: those behind `halfopen scan`.
  /// - Returns: the exit code.
  func run(_ command: ScanCommand, arguments: [String]) async -> Int32 {
    do throws(ScanRefusal) {
      let start = try await ScanStart.read(command, arguments: arguments)
      tell(start)
      try consent(start)
      return try await run(start)
    } catch {
      for line in error.lines { Diagnostics.say(line) }
      return error.code
    }
  }

  private func consent(_ start: ScanStart) throws(ScanRefusal) {
    let command = start.command
    guard start.targets.set.count > ScanRun.mostUnasked, start.resume == nil, !command.selection.yes,
      !command.output.dryRun
    else { return }
    let line =
      "the job has \(start.targets.set.count) targets: if that is what you mean, add --yes; --dry-run shows the plan"
    throw ScanRefusal(lines: [line], code: ExitCode.usage)
  }

  private func run(_ start: ScanStart) async throws(ScanRefusal) -> Int32 {
    let sweep: any RunningSweep
    do throws(CheckError) {
      sweep = try open(start.targets.set, start.configuration, start.resume?.checkpoint)
    } catch {
      throw ScanRefusal(error)
    }
    tell(sweep, start)
    // Before the first file is made: each belongs to who we are from here on.
    if try start.needsRights(sweep.backend) {
      Diagnostics.say("--mark and source ports below 1024 need rights for each connection: they are kept")
    } else {
      let dropped = try await drop(start.command.output.user)
      if start.command.output.verbose, let dropped { Diagnostics.say(dropped) }
    }
    let path = try await checkpointPath(start)
    let outputs = try outputs(start) { failure in
      Diagnostics.say(failure)
      sweep.stop()
      interruption.stop()
    }
    let checkpoint = try await checkpoint(start, at: path, sweep: sweep, outputs: outputs)
    interruption.onChange { isMore in sweep.changeRate { $0 * (isMore ? 1.05 : 1 / 1.05) } }
    for fault in start.targets.faults { await outputs.write(fault) }
    let failure = await interruption.run {
      await follow(sweep, outputs: outputs, checkpoint: checkpoint, output: start.command.output)
    }
    let progress = sweep.progress
    if !progress.isComplete { await checkpoint?.store() }
    let hasLostOutput =
      await !outputs.finish(progress).isEmpty || (!progress.isComplete && checkpoint?.hasFailed == true)
    if !start.command.output.quiet { Diagnostics.table(ScanProgressLine.table(progress)) }
    keep(checkpoint, isNeeded: !progress.isComplete || hasLostOutput, outputs: outputs)
    return code(progress, failure: failure, targets: start.targets, hasLostOutput: hasLostOutput)
  }

  private func tell(_ sweep: any RunningSweep, _ start: ScanStart) {
    let isFallback = sweep.backend == .connect && start.configuration.engine == .auto
    guard start.command.output.verbose || isFallback && !start.command.output.quiet else { return }
    Diagnostics.say("using the \(sweep.backend.rawValue) engine: \(sweep.why)")
  }

  private func outputs(
    _ start: ScanStart, onFailure: @escaping @Sendable (String) -> Void
  ) throws(ScanRefusal) -> SweepOutputs {
    let places = start.command.output.places
    for output in places where start.resume != nil && !output.isStandardOutput && isMissing(output) {
      Diagnostics.say("\(output.path) is gone: it begins anew, without what the runs before found")
    }
    do throws(OutputFailure) {
      return try SweepOutputs(places, job: OutputJob(start), isResuming: start.resume != nil) { onFailure("\($0)") }
    } catch {
      throw ScanRefusal(lines: ["\(error)"], code: ExitCode.outputFailed)
    }
  }

  private func isMissing(_ output: SweepOutput) -> Bool {
    let path = output.format == .nmapXML ? NmapFile.spool(of: output.path) : output.path
    return canBeRegularFile(path) && !isRegularFile(path)
  }

  /// Where a first run keeps its checkpoint, nil for nowhere. Nothing has been emptied yet.
  private func checkpointPath(_ start: ScanStart) async throws(ScanRefusal) -> String? {
    let targets = start.configuration.shard.positions(of: start.targets.set.count).count
    guard start.resume == nil,
      let path = CheckpointPlace.path(start.command, targets: targets, isFile: canBeRegularFile)
    else { return nil }
    let hasEarlier = try await onFile { () throws(CheckError) in try SweepCheckpointFile.look(at: path) }
    if hasEarlier { Diagnostics.say("\(path) is of an earlier, unfinished sweep: it is replaced") }
    return path
  }

  /// The checkpoint to keep, nil for none.
  private func checkpoint(
    _ start: ScanStart, at path: String?, sweep: any RunningSweep, outputs: SweepOutputs
  ) async throws(ScanRefusal) -> ScanCheckpoint? {
    let file: SweepCheckpointFile
    if let resume = start.resume {
      file = resume.file
    } else if let path {
      file = try await onFile { () throws(CheckError) in
        try SweepCheckpointFile.create(path, start.introduction, first: sweep.checkpoint())
      }
    } else {
      return nil
    }
    if start.command.output.verbose { Diagnostics.say("how far it is, is kept in \(file.path)") }
    return ScanCheckpoint(file, shown: start.resume?.shown ?? file.path, sweep: sweep, outputs: outputs) { error in
      Diagnostics.say("\(error)")
      sweep.stop()
      interruption.stop()
    }
  }

  private func onFile<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CheckError) -> Value
  ) async throws(ScanRefusal) -> Value {
    let result = await onOwnThread { Result(catching: body) }
    do throws(CheckError) { return try result.get() } catch {
      throw ScanRefusal(lines: ["\(error)"], code: ExitCode.outputFailed)
    }
  }

  /// Hands every result to the outputs, tells how far it is, and keeps it.
  private func follow(
    _ sweep: any RunningSweep, outputs: SweepOutputs, checkpoint: ScanCheckpoint?, output: ScanOutput
  ) async -> CheckError? {
    let monitor = ScanMonitor(sweep: sweep, isShown: !output.noProgress && !output.quiet)
    let watch = Task { await monitor.run() }
    let keeping = Task { if let checkpoint { await checkpoint.run() } }
    var failure: CheckError?
    do throws(CheckError) {
      while let batch = try await sweep.nextBatch() {
        await outputs.write(batch)
        checkpoint?.handed(batch.count)
      }
    } catch {
      failure = error
      Diagnostics.say("\(error)")
    }
    watch.cancel()
    keeping.cancel()
    await watch.value
    await keeping.value
    return failure
  }

  /// What a resume needs stays if there is one to come.
  private func keep(_ checkpoint: ScanCheckpoint?, isNeeded: Bool, outputs: SweepOutputs) {
    if isNeeded, let checkpoint {
      return Diagnostics.say(
        "not complete; to go on: halfopen scan --resume \(Capabilities.shellQuoted(checkpoint.shown))")
    }
    if isNeeded { Diagnostics.say("not complete, and no checkpoint was kept; --checkpoint FILE keeps one") }
    do throws(CheckError) { try checkpoint?.remove() } catch { Diagnostics.say("\(error)") }
    do throws(SystemCallError) { try outputs.forget() } catch {
      Diagnostics.say("can't take the spool of an output away: \(error.errno); remove it")
    }
  }

  private func code(
    _ progress: SweepProgress, failure: CheckError?, targets: ScanTargets, hasLostOutput: Bool
  ) -> Int32 {
    var facts = ExitCode.Facts()
    facts.results = Int(clamping: progress.open + progress.closed + progress.unreachable + progress.noAnswer)
    facts.outputFailed = hasLostOutput
    facts.signal = interruption.signal
    for fault in targets.faults { facts.faults.insert(ExitCode.Fault(fault.error.code)) }
    if !targets.earlierFaults.isEmpty { facts.faults.insert(.name) }
    if let failure { facts.faults.insert(ExitCode.Fault(failure.code)) }
    if progress.errors > 0 { facts.faults.insert(.network) }
    if progress.noAnswer > 0, progress.captureDropped + progress.sendFailures > 0 { facts.doubtful = 1 }
    return ExitCode.code(facts)
  }

  private func tell(_ start: ScanStart) {
    for fault in start.targets.faults { Diagnostics.say("\(fault.error)") }
    for fault in start.targets.earlierFaults { Diagnostics.say(fault) }
    guard !start.command.output.quiet else { return }
    for part in start.targets.leftOut {
      let count = part.addresses.map { "\($0) addresses" } ?? "2^64 addresses or more"
      Diagnostics.say(
        "left out \(count) of \(part.reserved.range) (\(part.reserved.purpose)); name a target inside it to probe it")
    }
  }
}

extension ScanOutput {
  /// Where results go.
  var places: [SweepOutput] { outputs.isEmpty ? [SweepOutput(.text, "-")] : outputs }
}

extension OutputJob {
  fileprivate init(_ start: ScanStart) {
    self.init(
      names: HostNames(start.targets.names), usesColor: (environmentVariable("NO_COLOR") ?? "").isEmpty,
      arguments: ["halfopen", "scan"] + start.introduction.arguments)
    let set = start.targets.set
    (ports, portCount) = (set.ports.description, set.ports.count)
    guard start.configuration.shard == .whole else { return }
    hosts = set.hostCount
    if !start.configuration.allStates, set.hasSamePorts { portsOfEachHost = portCount }
  }
}
