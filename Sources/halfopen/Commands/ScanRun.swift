// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// What a scan needs of a sweep: tests make one up.
protocol RunningSweep: Sendable {
  var backend: CheckResult.Backend { get }
  var why: String { get }
  var faults: [SweepFault] { get }
  var progress: SweepProgress { get }
  func nextBatch() async throws(CheckError) -> [SweepResult]?
  func changeRate(_ change: @Sendable (Double) -> Double)
  func stop()
  func takeNotices() -> [String]
  func checkpoint() -> SweepCheckpoint
  func record(
    to path: String, onFailure: @escaping @Sendable (CheckError) -> Void
  ) throws(CheckError) -> SweepRecording
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
      if start.command.output.dryRun { return try ScanPlan(start).write() }
      try consent(start)
      return try await run(start)
    } catch {
      for line in error.lines { Diagnostics.say(line) }
      return error.code
    }
  }

  private func consent(_ start: ScanStart) throws(ScanRefusal) {
    let command = start.command
    guard start.targets.set.count > ScanRun.mostUnasked, start.resume == nil, !command.selection.yes else { return }
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
    // Files belong to who we become; who stays root needs root's rights to make them anywhere.
    let isEarly = Privileges.changesUser(to: start.command.output.user)
    if isEarly { try await giveUpRights(start, sweep) }
    let path = try await checkpointPath(start)
    let stop: @Sendable (String) -> Void = { failure in
      Diagnostics.say(failure)
      sweep.stop()
      interruption.stop()
    }
    let recording = try await recording(start, of: sweep, onFailure: stop)
    let outputs = try outputs(start, onFailure: stop)
    let checkpoint = try await checkpoint(start, at: path, sweep: sweep, outputs: outputs, onFailure: stop)
    if !isEarly { try await giveUpRights(start, sweep) }
    interruption.onChange { isMore in sweep.changeRate { $0 * (isMore ? 1.05 : 1 / 1.05) } }
    // Who resumes has them in his files.
    let unreached = start.resume == nil ? sweep.faults.map(FaultLine.init) : []
    for fault in start.targets.faults + unreached { await outputs.write(fault) }
    let failure = await interruption.run {
      await follow(sweep, outputs: outputs, checkpoint: checkpoint, output: start.command.output)
    }
    let progress = sweep.progress
    if !progress.isComplete { await checkpoint?.store() }
    let isWritten = await outputs.finish(progress).isEmpty
    let isRecorded = await end(recording)
    let hasLostOutput = !isWritten || !isRecorded || (!progress.isComplete && checkpoint?.hasFailed == true)
    if !start.command.output.quiet { Diagnostics.table(ScanProgressLine.table(progress)) }
    keep(checkpoint, isNeeded: !progress.isComplete || !isWritten, outputs: outputs)
    return code(sweep, failure: failure, start: start, hasLostOutput: hasLostOutput)
  }

  private func giveUpRights(_ start: ScanStart, _ sweep: any RunningSweep) async throws(ScanRefusal) {
    guard try !start.needsRights(sweep.backend) else {
      return Diagnostics.say("--mark and source ports below 1024 need rights for each connection: they are kept")
    }
    let dropped = try await drop(start.command.output.user)
    if start.command.output.verbose, let dropped { Diagnostics.say(dropped) }
  }

  private func tell(_ sweep: any RunningSweep, _ start: ScanStart) {
    let isFallback = sweep.backend == .connect && start.configuration.engine == .auto
    guard start.command.output.verbose || isFallback && !start.command.output.quiet else { return }
    Diagnostics.say("using the \(sweep.backend.rawValue) engine: \(sweep.why)")
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

  private func code(
    _ sweep: any RunningSweep, failure: CheckError?, start: ScanStart, hasLostOutput: Bool
  ) -> Int32 {
    let (progress, targets) = (sweep.progress, start.targets)
    var facts = ExitCode.Facts()
    facts.results = Int(clamping: progress.open + progress.closed + progress.unreachable + progress.noAnswer)
    facts.outputFailed = hasLostOutput
    facts.signal = interruption.signal
    for fault in targets.faults { facts.faults.insert(ExitCode.Fault(fault.error.code)) }
    if !targets.earlierFaults.isEmpty { facts.faults.insert(.name) }
    if let failure { facts.faults.insert(ExitCode.Fault(failure.code)) }
    // Cut short, it may not have come to those that no route leads to.
    if progress.errors > 0 || !progress.isComplete && !sweep.faults.isEmpty { facts.faults.insert(.network) }
    if progress.noAnswer > 0, progress.captureDropped + progress.sendFailures > 0 { facts.doubtful = 1 }
    // Cut short by its time, it has not been everywhere.
    if !progress.isComplete, start.configuration.maximumTime != nil { facts.doubtful = 1 }
    return ExitCode.code(facts)
  }

  private func tell(_ start: ScanStart) {
    for fault in start.targets.faults { Diagnostics.say("\(fault.error)") }
    for fault in start.targets.earlierFaults { Diagnostics.say(fault) }
    // A plan has this among the rest.
    guard !start.command.output.quiet, !start.command.output.dryRun else { return }
    for part in start.targets.leftOut {
      let count = part.addresses.map { "\($0) addresses" } ?? "2^64 addresses or more"
      Diagnostics.say(
        "left out \(count) of \(part.reserved.range) (\(part.reserved.purpose)); name a target inside it to probe it")
    }
  }
}
