// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// One run of `halfopen check`, from the engine's start to the exit code.
struct CheckRun: Sendable {
  let plan: CheckPlan
  let interruption: Interruption
  private let startEngine: @Sendable () throws(CheckError) -> Engine
  private let output: CInt

  init(plan: CheckPlan, engine: EngineOptions, interruption: Interruption) {
    self.init(plan: plan, interruption: interruption) { () throws(CheckError) in
      try Engine.start(engine, mode: plan.options.mode, replyBuffer: plan.replyBuffer)
    }
  }

  /// - Parameter output: the descriptor of the results.
  init(
    plan: CheckPlan, interruption: Interruption, output: CInt = 1,
    startEngine: @escaping @Sendable () throws(CheckError) -> Engine
  ) {
    self.plan = plan
    self.interruption = interruption
    self.startEngine = startEngine
    self.output = output
  }

  /// - Returns: the exit code.
  func run() async -> Int32 {
    let sources: [any TargetSource]
    switch openSources() {
    case .success(let opened): sources = opened
    case .failure(let error):
      Diagnostics.say("\(error)")
      return ExitCode.inputUnreadable
    }
    do throws(CheckError) {
      let engine = try startEngine()
      announce(engine)
      let code = try await run(sources, engine: engine)
      for source in sources { source.close() }
      return code
    } catch {
      Diagnostics.say("\(error)")
      return ExitCode.Fault(error.code).rawValue
    }
  }

  private func run(_ sources: [any TargetSource], engine: Engine) async throws(CheckError) -> Int32 {
    let reporter = Reporter(plan: plan, text: text, writer: try makeWriter())
    let pass = CheckPass(plan: plan, checker: engine.checker, sources: sources, reporter: reporter)
    let unexpected = await interruption.run {
      switch plan.repetition {
      case .once: await pass.runOnce()
      case .rounds(let count, let interval):
        await RepeatedChecks(pass: pass, interruption: interruption)
          .run(rounds: count, interval: interval)
      case .until(let expectation, let limit, let interval):
        await RepeatedChecks(pass: pass, interruption: interruption)
          .run(until: expectation, within: limit, interval: interval)
      }
    }
    if reporter.summary.targets == 0, !interruption.isStopped {
      await reporter.report(.badInput("", "there was nothing to check", advice: "give at least one endpoint"))
    }
    let showsSummary = plan.isVerbose || reporter.summary.targets > 1 && plan.repetition == .once
    let code = await reporter.finish(
      unexpected: unexpected, interruption: interruption, isSummaryShown: showsSummary)
    return code
  }

  private func openSources() -> Result<[any TargetSource], CheckError> {
    var sources: [any TargetSource] = [ListSource(plan.targets.map { .target($0) })]
    for name in plan.files {
      let shown = name == "-" ? "standard input" : name
      do throws(SystemCallError) {
        if name != "-", isNamedPipe(name) {
          sources.append(try FileSource(namedPipe: name, ports: plan.ports))
          continue
        }
        let file = try name == "-" ? duplicateOfStandardInput() : openForReading(name)
        sources.append(try FileSource(file, name: shown, ports: plan.ports))
      } catch {
        return .failure(FaultLine.unreadable(shown, error).error)
      }
    }
    guard plan.allAddresses else { return .success(sources) }
    return .success(
      sources.map { AddressExpander($0, family: plan.options.family, timeout: plan.options.timeout) })
  }

  private func makeWriter() throws(CheckError) -> LineWriter {
    do throws(SystemCallError) {
      let interruption = interruption
      return try LineWriter(descriptor: output) { _ in interruption.stop() }
    } catch {
      throw CheckError(error, subject: "starting the output's thread")
    }
  }

  private func announce(_ engine: Engine) {
    for warning in engine.warnings where !plan.isQuiet { Diagnostics.say(warning) }
    if plan.isVerbose { Diagnostics.say("using the \(engine.backend.rawValue) engine: \(engine.why)") }
  }

  private var text: ResultText {
    let labels = plan.targets.prefix(1000).map { target in
      let port = target.ports.ranges.last.map { "\($0.upperBound)".utf8.count } ?? 5
      let brackets = if case .address(.v6, _) = target.host { 2 } else { 0 }
      return "\(target.host)".utf8.count + 1 + port + brackets
    }
    let color = isTerminal(output) && (environmentVariable("NO_COLOR") ?? "").isEmpty
    return ResultText(
      endpointWidth: max(labels.max() ?? 0, plan.files.isEmpty ? 0 : 21), usesColor: color,
      isVerbose: plan.isVerbose, expectsFull: plan.options.mode == .full)
  }
}
