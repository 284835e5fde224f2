// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// Why a scan does not begin: what to tell, and the exit code.
struct ScanRefusal: Error {
  var lines: [String]
  var code: Int32
}

/// What a run of `halfopen scan` begins with: read from the command line, or from a checkpoint.
struct ScanStart: Sendable {
  /// As the run is to be; for a resume by the first run's arguments and those that were added.
  var command: ScanCommand
  var configuration: SweepConfiguration
  var targets: ScanTargets
  /// What a checkpoint says of how to go on with nothing else.
  var introduction: SweepCheckpointIntroduction
  var resume: Resume?

  /// Where an earlier run was.
  struct Resume: Sendable {
    var file: SweepCheckpointFile
    var checkpoint: SweepCheckpoint
    /// The file as it was named to us.
    var shown: String
  }

  /// - Parameter arguments: those behind `halfopen scan`.
  static func read(_ command: ScanCommand, arguments: [String]) async throws(ScanRefusal) -> ScanStart {
    guard let path = command.output.resume else { return try await first(command, arguments) }
    return try await onOwnThread { () -> Result<ScanStart, ScanRefusal> in
      do throws(ScanRefusal) { return .success(try later(path, arguments)) } catch { return .failure(error) }
    }.get()
  }

  private static func first(_ command: ScanCommand, _ arguments: [String]) async throws(ScanRefusal) -> ScanStart {
    let targets: ScanTargets
    do throws(ScanInputError) {
      targets = try await ScanTargetReader(command).read()
    } catch {
      throw ScanRefusal(error, command)
    }
    do throws(CheckError) {
      let configuration = try command.configuration()
      // A scheduler's environment is not that of whoever resumes.
      let shard = command.selection.shard == nil ? ["--shard", "\(configuration.shard)"] : []
      let introduction = SweepCheckpointIntroduction(
        arguments: inserting(shard, into: arguments), folder: (try? currentFolder()) ?? "/", targets: targets.set.words,
        names: targets.names.flatMap { ["\($0.key)", $0.value] }, faults: targets.faults.map { "\($0.error)" })
      return ScanStart(
        command: command, configuration: configuration, targets: targets, introduction: introduction, resume: nil)
    } catch {
      throw ScanRefusal(error)
    }
  }

  private static func later(_ path: String, _ arguments: [String]) throws(ScanRefusal) -> ScanStart {
    do throws(CheckError) {
      let (file, checkpoint) = try SweepCheckpointFile.open(absolute(path))
      let introduction = file.introduction
      guard let set = TargetSet(words: introduction.targets) else { throw CheckError.damaged(path) }
      let command = try command(introduction, and: arguments)
      // Paths in the arguments start from where the first run was.
      do throws(SystemCallError) { try changeFolder(to: introduction.folder) } catch {
        throw CheckError(
          .system, subject: "can't go to the folder of the first run, '\(introduction.folder)'",
          advice: "make it, or start again without --resume", errno: error.errno, call: "\(error.call)")
      }
      return ScanStart(
        command: command, configuration: try command.configuration(), targets: ScanTargets(set, introduction),
        introduction: introduction, resume: Resume(file: file, checkpoint: checkpoint, shown: path))
    } catch {
      throw ScanRefusal(lines: ["\(error)"], code: ExitCode.inputUnreadable)
    }
  }

  private static func command(
    _ introduction: SweepCheckpointIntroduction, and arguments: [String]
  ) throws(CheckError) -> ScanCommand {
    do {
      return try ScanCommand.parse(inserting(withoutResume(arguments), into: introduction.arguments))
    } catch {
      throw CheckError(
        .invalidArgument, subject: "can't resume: \(ScanCommand.message(for: error))",
        advice: "resume with the halfopen that made the checkpoint, or start again without --resume")
    }
  }

  /// Behind the others, so that they win, but before a `--`.
  private static func inserting(_ more: [String], into arguments: [String]) -> [String] {
    let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
    return arguments[..<end] + more + arguments[end...]
  }

  private static func withoutResume(_ arguments: [String]) -> [String] {
    var kept: [String] = []
    var isPath = false
    for argument in arguments {
      if isPath { isPath = false; continue }
      isPath = argument == "--resume"
      if !isPath, !argument.hasPrefix("--resume=") { kept.append(argument) }
    }
    return kept
  }

  private static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = try? currentFolder() else { return path }
    return "\(folder)/\(path)"
  }
}

extension ScanRefusal {
  init(_ error: CheckError) {
    self.init(lines: ["\(error)"], code: ExitCode.Fault(error.code).rawValue)
  }

  fileprivate init(_ error: ScanInputError, _ command: ScanCommand) {
    switch error {
    case .unreadable(let mistakes):
      let isArgument = command.selection.targets.isEmpty && command.selection.excludeFile.isEmpty
      self.init(lines: mistakes, code: isArgument ? ExitCode.usage : ExitCode.inputUnreadable)
    case .unresolved(let faults): self.init(lines: faults.map { "\($0.error)" }, code: ExitCode.nameNotResolved)
    case .invalid(let error): self.init(lines: ["\(error)"], code: ExitCode.usage)
    }
  }
}

extension CheckError {
  fileprivate static func damaged(_ path: String) -> CheckError {
    CheckError(
      .invalidArgument, subject: "can't resume: '\(path)' is damaged: its targets make no sense",
      advice: "start again without --resume")
  }
}

extension ScanTargets {
  /// Those that a checkpoint kept. What was not found has been written to the outputs before.
  fileprivate init(_ set: TargetSet, _ introduction: SweepCheckpointIntroduction) {
    var names: [IPAddress: String] = [:]
    for place in stride(from: 1, to: introduction.names.count, by: 2) {
      if let address = IPAddress(introduction.names[place - 1]) { names[address] = introduction.names[place] }
    }
    self.init(set: set, names: names, faults: [], leftOut: [])
    earlierFaults = introduction.faults
  }
}

extension ScanTargetReader {
  fileprivate init(_ command: ScanCommand) {
    self.init(
      hosts: command.hosts, files: command.selection.targets, exclusions: command.selection.exclude,
      exclusionFiles: command.selection.excludeFile, ports: (try? command.selection.portSet()) ?? nil,
      excludedPorts: (try? command.selection.excludedPorts()) ?? .none, family: command.engine.family,
      allAddresses: command.selection.allAddresses)
  }
}
