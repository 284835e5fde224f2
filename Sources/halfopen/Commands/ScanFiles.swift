// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// What a scan writes: outputs, recording and checkpoint.
extension ScanRun {
  func outputs(
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
  func checkpointPath(_ start: ScanStart) async throws(ScanRefusal) -> String? {
    let positions = start.configuration.shard.positions(of: start.targets.set.count)
    let targets = Int(clamping: positions.upperBound - positions.lowerBound)
    guard start.resume == nil,
      let path = CheckpointPlace.path(start.command, targets: targets, isFile: canBeRegularFile)
    else { return nil }
    let hasEarlier = try await onFile { () throws(CheckError) in try SweepCheckpointFile.look(at: path) }
    if hasEarlier { Diagnostics.say("\(path) is of an earlier, unfinished sweep: it is replaced") }
    return path
  }

  /// The checkpoint to keep, nil for none.
  func checkpoint(
    _ start: ScanStart, at path: String?, sweep: any RunningSweep, outputs: SweepOutputs,
    onFailure: @escaping @Sendable (String) -> Void
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
    return ScanCheckpoint(file, shown: start.resume?.shown ?? file.path, sweep: sweep, outputs: outputs) {
      onFailure("\($0)")
    }
  }

  /// The recording of `--pcap`; nil for none. Each run of a resumed sweep has one of its own: FILE, FILE.2 and so on.
  func recording(
    _ start: ScanStart, of sweep: any RunningSweep, onFailure: @escaping @Sendable (String) -> Void
  ) async throws(ScanRefusal) -> SweepRecording? {
    guard var path = start.command.output.pcap else { return nil }
    var number = 2
    while start.resume != nil, isRegularFile(path), let first = start.command.output.pcap {
      path = "\(first).\(number)"
      number += 1
    }
    let place = path
    return try await onFile { () throws(CheckError) in try sweep.record(to: place) { onFailure("\($0)") } }
  }

  /// - Returns: whether the recording has every packet, or there is none.
  func end(_ recording: SweepRecording?) async -> Bool {
    guard let recording else { return true }
    if recording.leftOut > 0 {
      Diagnostics.say(
        "\(recording.leftOut) packets are not in the recording: its disk was too slow; try a lower --rate")
    }
    // What is missing has been told when it happened.
    return await onOwnThread { (try? recording.close()) != nil }
  }

  private func onFile<Value: Sendable>(
    _ body: @escaping @Sendable () throws(CheckError) -> Value
  ) async throws(ScanRefusal) -> Value {
    let result = await onOwnThread { Result(catching: body) }
    do throws(CheckError) { return try result.get() } catch {
      throw ScanRefusal(lines: ["\(error)"], code: error.code == .unsupported ? ExitCode.usage : ExitCode.outputFailed)
    }
  }

  /// What a resume needs stays if there is one to come.
  func keep(_ checkpoint: ScanCheckpoint?, isNeeded: Bool, outputs: SweepOutputs) {
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
