// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import HalfOpen
import HalfOpenLinux

@main
enum Main {
  /// The main thread waits for signals; the command runs in a task and ends the process.
  static func main() {
    holdStandardDescriptors()
    refuseSetUserID()
    requireDescriptors()
    ProcessSignals.takeOver()
    let command = parse()
    let interruption = Interruption()
    Task.detached { exit(await command.execute(interruption)) }
    while true {
      let signal = ProcessSignals.wait()
      if signal == ProcessSignals.more || signal == ProcessSignals.less {
        interruption.change(isMore: signal == ProcessSignals.more)
        continue
      }
      if !interruption.stop(signal: signal) { _exit(128 + signal) }
    }
  }

  /// A set-user-ID program would read and write its caller's files with its owner's rights.
  private static func refuseSetUserID() {
    guard getuid() != geteuid() else { return }
    Diagnostics.say(
      "this file is set-user-ID, which it is not made for; `chmod u-s` it and run \(Capabilities.grantCommand)")
    exit(ExitCode.Fault(.notPermitted).rawValue)
  }

  /// Without one beyond the reserve no command can do anything, and the language's runtime traps.
  private static func requireDescriptors() {
    do throws(SystemCallError) {
      _ = try EventDescriptor()
    } catch {
      let fault = CheckError(error, subject: "starting")
      Diagnostics.say("\(fault)")
      exit(ExitCode.Fault(fault.code).rawValue)
    }
  }

  /// The command that the arguments ask for. Help, the version and mistakes end the process here.
  private static func parse() -> any Executable {
    do {
      var command = try HalfOpenCommand.parseAsRoot()
      if let executable = command as? any Executable { return executable }
      try command.run()
      HalfOpenCommand.exit()
    } catch {
      HalfOpenCommand.exit(withError: error)
    }
  }
}

/// A subcommand that does something.
protocol Executable: Sendable {
  /// - Returns: the exit code.
  func execute(_ interruption: Interruption) async -> Int32
}

/// `halfopen`.
struct HalfOpenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "halfopen",
    abstract: "Half-open TCP checks: SYN, SYN-ACK, RST, and the application behind the port notices nothing.",
    version: "halfopen 0.1.0",
    subcommands: [CheckCommand.self, ScanCommand.self, DoctorCommand.self])
}
