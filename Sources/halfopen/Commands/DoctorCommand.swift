// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HalfOpen
import HalfOpenLinux

/// `halfopen doctor`.
struct DoctorCommand: ParsableCommand, Executable {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Print what a check would use and why, and what could swallow its replies.",
    discussion: "Sends nothing but the lookup of a name.")

  @Argument(help: ArgumentHelp("What a check would be of: host:port, or a host.", valueName: "endpoint"))
  var endpoint: String?

  @OptionGroup(title: "ENGINE") var engine: EngineOptions

  func validate() throws {
    do throws(CheckError) {
      _ = try host()
    } catch {
      throw ValidationError("\(error)")
    }
  }

  func execute(_ interruption: Interruption) async -> Int32 {
    let report = await interruption.run {
      var facts = DoctorFacts.ofThisHost(engine)
      await facts.addEngine(engine)
      if let host = try? host() { await facts.addTarget(host, engine) }
      return DoctorReport(facts)
    }
    if let signal = interruption.signal { return 128 + signal }
    let color = isTerminal(1) && (environmentVariable("NO_COLOR") ?? "").isEmpty
    do throws(SystemCallError) {
      try writeAll(Array(report.text(usesColor: color).utf8)[...], to: 1)
    } catch {
      Diagnostics.say("can't write the report: \(error.errno)")
      return ExitCode.outputFailed
    }
    return report.exitCode
  }

  private func host() throws(CheckError) -> Endpoint.Host? {
    guard let endpoint else { return nil }
    switch Target.parse(endpoint, ports: PortSet([1...1])) {
    case .success(let target): return target.host
    case .failure(let error): throw .invalid(error.what, advice: error.advice)
    }
  }
}
