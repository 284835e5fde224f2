// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire
import Synchronization

/// One run of `halfopen scan`, from the reading of its targets to the exit code.
struct ScanRun: Sendable {
  /// More targets than these need `--yes`.
  private static let mostUnasked: UInt64 = 1 << 24

  let command: ScanCommand
  let interruption: Interruption

  /// - Returns: the exit code.
  func run() async -> Int32 {
    let targets: ScanTargets
    do throws(ScanInputError) {
      targets = try await reader().read()
    } catch {
      return refuse(error)
    }
    tell(targets)
    if targets.set.count > ScanRun.mostUnasked, !command.selection.yes, !command.output.dryRun {
      Diagnostics.say(
        "the job has \(targets.set.count) targets: if that is what you mean, add --yes; --dry-run shows the plan")
      return ExitCode.usage
    }
    do throws(CheckError) {
      let configuration = try configuration()
      let sweep = try Sweep(targets: targets.set, configuration: configuration)
      return await run(sweep, targets: targets)
    } catch {
      Diagnostics.say("\(error)")
      return ExitCode.Fault(error.code).rawValue
    }
  }

  private func run(_ sweep: Sweep, targets: ScanTargets) async -> Int32 {
    let outputs: SweepOutputs
    do throws(OutputFailure) {
      outputs = try SweepOutputs(
        places, job: OutputJob(names: HostNames(targets.names), usesColor: usesColor), isResuming: false
      ) { failure in
        Diagnostics.say("\(failure)")
        sweep.stop()
        interruption.stop()
      }
    } catch {
      Diagnostics.say("\(error)")
      return ExitCode.outputFailed
    }
    interruption.onChange { isMore in sweep.changeRate { $0 * (isMore ? 1.05 : 1 / 1.05) } }
    for fault in targets.faults { await outputs.write(fault) }
    let failure = await interruption.run { await follow(sweep, outputs: outputs) }
    let progress = sweep.progress
    let lost = await outputs.finish(progress)
    if !command.output.quiet { Diagnostics.table(ScanProgressLine.table(progress)) }
    return code(progress, failure: failure, targets: targets, hasLostOutput: !lost.isEmpty)
  }

  /// Hands every result to the outputs, and tells how far it is.
  private func follow(_ sweep: Sweep, outputs: SweepOutputs) async -> CheckError? {
    let monitor = ScanMonitor(sweep: sweep, isShown: !command.output.noProgress && !command.output.quiet)
    let watch = Task { await monitor.run() }
    var failure: CheckError?
    do throws(CheckError) {
      while let batch = try await sweep.nextBatch() { await outputs.write(batch) }
    } catch {
      failure = error
      Diagnostics.say("\(error)")
    }
    watch.cancel()
    await watch.value
    return failure
  }

  private func code(
    _ progress: SweepProgress, failure: CheckError?, targets: ScanTargets, hasLostOutput: Bool
  ) -> Int32 {
    var facts = ExitCode.Facts()
    facts.results = Int(clamping: progress.open + progress.closed + progress.unreachable + progress.noAnswer)
    facts.outputFailed = hasLostOutput
    facts.signal = interruption.signal
    for fault in targets.faults { facts.faults.insert(ExitCode.Fault(fault.error.code)) }
    if let failure { facts.faults.insert(ExitCode.Fault(failure.code)) }
    if progress.errors > 0 { facts.faults.insert(.network) }
    if progress.noAnswer > 0, progress.captureDropped + progress.sendFailures > 0 { facts.doubtful = 1 }
    return ExitCode.code(facts)
  }

  private func reader() -> ScanTargetReader {
    ScanTargetReader(
      hosts: command.hosts, files: command.selection.targets, exclusions: command.selection.exclude,
      exclusionFiles: command.selection.excludeFile, ports: (try? command.selection.portSet()) ?? nil,
      excludedPorts: (try? command.selection.excludedPorts()) ?? .none, family: command.engine.family,
      allAddresses: command.selection.allAddresses)
  }

  private func configuration() throws(CheckError) -> SweepConfiguration {
    var configuration = SweepConfiguration(
      rate: command.pace.packetsPerSecond, retries: command.pace.retries, allStates: command.output.allStates)
    configuration.cooldown = command.pace.cooldown?.duration
    configuration.maximumTime = command.pace.maxTime?.duration
    configuration.maximumResults = command.pace.maxResults
    configuration.seed = command.selection.seed
    configuration.transmit = command.packets.transmit
    configuration.tcpOptions = command.packets.tcpOptions
    configuration.ttl = command.packets.ttl
    configuration.gatewayMAC = command.packets.gatewayMAC.flatMap { MACAddress($0) }
    configuration.interface = command.engine.interface
    configuration.source = command.engine.sourceIP.flatMap { IPAddress($0) }
    configuration.sourcePorts = command.engine.sourcePort?.range
    configuration.mark = command.engine.mark?.value
    configuration.reset = command.engine.reset
    configuration.shard = try shard()
    return configuration
  }

  /// The part that an argument gives, else the scheduler's environment.
  private func shard() throws(CheckError) -> Shard {
    do throws(InputError) {
      if let text = command.selection.shard { return try Shard(text) }
      let names = [
        "JOB_COMPLETION_INDEX", "HALFOPEN_SHARD_COUNT", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT",
      ]
      var environment: [String: String] = [:]
      for name in names { environment[name] = environmentVariable(name) }
      return try Shard(environment: environment) ?? .whole
    } catch {
      throw CheckError(.invalidArgument, subject: error.what, advice: error.advice)
    }
  }

  private var places: [SweepOutput] {
    command.output.outputs.isEmpty ? [SweepOutput(.text, "-")] : command.output.outputs
  }

  private var usesColor: Bool { (environmentVariable("NO_COLOR") ?? "").isEmpty }

  private func refuse(_ error: ScanInputError) -> Int32 {
    switch error {
    case .unreadable(let mistakes):
      for mistake in mistakes { Diagnostics.say(mistake) }
      return command.selection.targets.isEmpty && command.selection.excludeFile.isEmpty
        ? ExitCode.usage : ExitCode.inputUnreadable
    case .unresolved(let faults):
      for fault in faults { Diagnostics.say("\(fault.error)") }
      return ExitCode.nameNotResolved
    case .invalid(let error):
      Diagnostics.say("\(error)")
      return ExitCode.usage
    }
  }

  private func tell(_ targets: ScanTargets) {
    for fault in targets.faults { Diagnostics.say("\(fault.error)") }
    guard !command.output.quiet else { return }
    for part in targets.leftOut {
      let count = part.addresses.map { "\($0) addresses" } ?? "2^64 addresses or more"
      Diagnostics.say(
        "left out \(count) of \(part.reserved.range) (\(part.reserved.purpose)); name a target inside it to probe it")
    }
  }
}
