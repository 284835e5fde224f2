// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import HalfOpen
import HalfOpenLinux
import HalfOpenWire
import Synchronization
import TestSupport
import Testing

@testable import halfopen_command

/// Runs of `halfopen scan` with a made-up sweep: what stays on disk when it ends early, and how it goes on.
@Suite(.timeLimit(.minutes(2))) struct ScanRunTests {
  private let folder: ScratchFolder
  private let interruption = Interruption()

  init() throws { folder = try ScratchFolder() }

  private var checkpoint: String { folder.file("checkpoint") }
  private func output(_ format: SweepFormat) -> String { "\(format.rawValue)=\(folder.file(format.rawValue))" }

  /// 256 targets, or what `arguments` say beside the outputs.
  private func run(
    _ arguments: [String],
    pause: @escaping @Sendable (UInt64) async throws(CheckError) -> Void = { _ throws(CheckError) in }
  ) async throws -> Int32 {
    let arguments = arguments + ["-q"]
    let run = ScanRun(
      interruption: interruption,
      open: { targets, configuration, resume throws(CheckError) in
        FakeSweep(targets, configuration, resume: resume, pause: pause)
      }, drop: { _ throws(ScanRefusal) in nil })
    return await run.run(try ScanCommand.parse(arguments), arguments: arguments)
  }

  private var everything: [String] {
    ["192.0.2.0/24", "-p", "80", "--checkpoint", checkpoint]
      + [SweepFormat.jsonl, .csv, .masscanJSON, .nmapXML].flatMap { ["-o", output($0)] }
  }

  /// A signal that comes before the run can be cancelled stops it a moment later: long enough for a sweep without a network.
  private static func interrupt(_ interruption: Interruption, _ signal: Int32) async {
    interruption.stop(signal: signal)
    while !Task.isCancelled { await Task.yield() }
  }

  /// Resumes. A process that another test starts holds the file's lock between its fork and its exec.
  private func goOn() async throws -> Int32 {
    while true {
      try await eventually { (try? SweepCheckpointFile.open(checkpoint)) != nil }
      let code = try await ScanRunTests(folder).run(["--resume", checkpoint])
      if code != ExitCode.inputUnreadable { return code }
    }
  }

  /// The endpoints in a file, however often.
  private func endpoints(_ format: SweepFormat) throws -> [String] {
    try folder.text(format.rawValue).split(separator: "\n").filter { $0.contains("192.0.2.") }
      .filter { !$0.contains("<nmaprun") }.compactMap {
        $0.split { !"0123456789.".contains($0) }.first { $0.hasPrefix("192.0.2.") }
      }
      .map(String.init)
  }

  private func expectEverything() throws {
    for format in [SweepFormat.jsonl, .csv, .masscanJSON, .nmapXML] {
      #expect(Set(try endpoints(format)).count == 256, "\(format)")
    }
    #expect(try folder.text("masscan-json").hasSuffix("}\n]\n"))
    #expect(try folder.text("nmap-xml").hasSuffix("</nmaprun>\n"))
    #expect(try endpoints(.nmapXML).count == 256)
    #expect(try folder.text("jsonl").split(separator: "\n").last?.hasSuffix(#""complete":true}"#) == true)
    // Neither the checkpoint nor the spool is needed any more.
    #expect(folder.contents() == ["csv", "jsonl", "masscan-json", "nmap-xml"])
  }

  @Test func aSweepThatEndsLeavesNothingBehind() async throws {
    #expect(try await run(everything) == 0)
    try expectEverything()
  }

  @Test func anInterruptedSweepGoesOnWhereItWas() async throws {
    let interruption = interruption
    let code = try await run(everything) { given throws(CheckError) in
      if given == 100 { await Self.interrupt(interruption, SIGINT) }
    }
    #expect(code == 130)
    for format in [SweepFormat.jsonl, .csv, .masscanJSON, .nmapXML] { #expect(try endpoints(format).count == 100) }
    #expect(try folder.text("jsonl").contains(#""complete":false}"#))
    // All that was found is counted as found.
    try await eventually { (try? SweepCheckpointFile.open(checkpoint))?.checkpoint.cursor == 100 }
    #expect(try await goOn() == 0)
    try expectEverything()
    // The last five were in flight.
    #expect(try endpoints(.jsonl).count == 261)
  }

  private init(_ folder: ScratchFolder) { self.folder = folder }

  @Test func aFaultOfTheSweepLeavesACheckpoint() async throws {
    let code = try await run(everything) { given throws(CheckError) in
      if given == 50 { throw CheckError(.linkDown, subject: "the link is down", advice: "bring it up") }
    }
    #expect(code == 75)
    try await eventually { (try? SweepCheckpointFile.open(checkpoint))?.checkpoint.cursor == 50 }
    #expect(try await goOn() == 0)
    try expectEverything()
  }

  /// What the full disk refused is not counted as found, however often the sweep looks for it later.
  @Test func aFullDiskCountsNothingAsFound() async throws {
    let arguments = [
      "192.0.2.0/24", "-p", "80", "--checkpoint", checkpoint, "-o", "ip-port=/dev/full", "-o", output(.csv),
    ]
    let code = try await run(arguments) { given throws(CheckError) in
      if given == 100 { try? await Task.sleep(for: .seconds(20)) }
    }
    #expect(code == 74)
    try await eventually { (try? SweepCheckpointFile.open(checkpoint)) != nil }
    #expect(try SweepCheckpointFile.open(checkpoint).checkpoint.cursor == 0)
    #expect(folder.contents() == ["checkpoint", "csv"])
  }

  /// Files that named the targets may be gone, names resolve to others, the environment is another machine's.
  @Test func aResumeNeedsNothingButTheFile() async throws {
    try writeFile(folder.file("targets"), "192.0.2.0/25\n192.0.2.128/25\n")
    let interruption = interruption
    let words = ["--targets", folder.file("targets"), "-p", "80", "--shard", "2/2", "--seed", "5", "--retries", "3"]
    let code = try await run(words + ["--checkpoint", checkpoint, "-o", output(.jsonl)]) { given throws(CheckError) in
      if given == 100 { await Self.interrupt(interruption, SIGTERM) }
    }
    #expect(code == 143)
    try removeFile(folder.file("targets"))
    let seen = Mutex<(UInt64, SweepConfiguration)?>(nil)
    let arguments = ["--resume=\(checkpoint)", "--rate", "77", "-q"]
    try await eventually { (try? SweepCheckpointFile.open(checkpoint)) != nil }
    let run = ScanRun(
      interruption: Interruption(),
      open: { targets, configuration, resume throws(CheckError) in
        seen.withLock { $0 = (targets.count, configuration) }
        return FakeSweep(targets, configuration, resume: resume)
      }, drop: { _ throws(ScanRefusal) in nil })
    #expect(await run.run(try ScanCommand.parse(arguments), arguments: arguments) == 0)
    let (count, configuration) = try #require(seen.withLock { $0 })
    #expect(count == 256)
    #expect(configuration.rate == 77)
    #expect((configuration.shard.description, configuration.seed, configuration.retries) == ("2/2", 5, 3))
    #expect(Set(try endpoints(.jsonl)).count == 256)
  }

  /// What a scheduler's environment said is not there any more when somebody resumes.
  @Test func aCheckpointSaysWhichPartItIs() async throws {
    let arguments = ["192.0.2.1", "-p", "80", "--", "192.0.2.2"]
    let start = try await ScanStart.read(ScanCommand.parse(arguments), arguments: arguments)
    #expect(start.introduction.arguments == ["192.0.2.1", "-p", "80", "--shard", "1/1", "--", "192.0.2.2"])
    #expect(start.targets.set.count == 2)
  }

  @Test func whatIsNoCheckpointOrInUseIsRefused() async throws {
    #expect(try await run(["--resume", folder.file("nowhere")]) == 66)
    try writeFile(checkpoint, "something else")
    #expect(try await run(["--resume", checkpoint]) == 66)
    #expect(try await run(everything) == 74)
    #expect(try folder.text("checkpoint") == "something else")
    try removeFile(checkpoint)
    let sweep = FakeSweep(try #require(TargetSet(words: [0, 0, 0, 0])), SweepConfiguration(), resume: nil)
    let held = try SweepCheckpointFile.create(
      checkpoint, .init(arguments: [], folder: "/"), first: sweep.checkpoint())
    #expect(try await run(["--resume", checkpoint]) == 66)
    try writeFile(folder.file("csv"), "results of the one that has it")
    #expect(try await run(everything) == 74)
    #expect(try folder.text("csv") == "results of the one that has it")
    _ = held
  }

  /// Results that the outputs have not been given yet keep back the checkpoint that counts them.
  @Test func aCheckpointWaitsForWhatItCounts() async throws {
    let targets = try await ScanStart.read(ScanCommand.parse(everything), arguments: []).targets.set
    let outputs = try SweepOutputs(
      [.init(.csv, folder.file("csv"))], job: OutputJob(), isResuming: false, onFailure: { _ in })
    let sweep = FakeSweep(targets, SweepConfiguration(), resume: nil)
    let file = try SweepCheckpointFile.create(
      checkpoint, .init(arguments: [], folder: "/"), first: sweep.checkpoint())
    let kept = ScanCheckpoint(file, shown: "", sweep: sweep, outputs: outputs) { _ in }
    let batch = try #require(try await sweep.nextBatch())
    async let storing: Void = kept.store()
    try await eventually { kept.isWaiting }
    await outputs.write(batch)
    kept.handed(batch.count)
    await storing
    #expect(try endpoints(.csv).count == batch.count)
    _ = await outputs.finish(Sample.progress)
  }

  @Test(arguments: [
    ("10.0.0.0/8 -p 80 --yes -o text=f", "f.checkpoint"), ("10.0.0.0/8 -p 80", nil),
    ("10.0.0.0/8 -p 80 -o text=-", nil),
    ("10.0.0.0/8 -p 80 -o text=- -o csv=g", "g.checkpoint"), ("10.0.0.0/8 -p 80 -o text=f --no-checkpoint", nil),
    ("10.0.0.0/24 -p 80 -o text=f", nil), ("10.0.0.0/24 -p 80 -o text=f --checkpoint c", "c"),
    ("10.0.0.0/24 -p 80 --checkpoint c", "c"), ("10.0.0.0/8 -p 80 -o text=/dev/null -o csv=g", "g.checkpoint"),
    ("10.0.0.0/8 -p 80 -o text=f --rate max", "f.checkpoint"),
  ])
  func aLongJobHasACheckpointBesideItsFirstFile(words: String, path: String?) throws {
    let command = try ScanCommand.parse(words.split(separator: " ").map(String.init))
    let targets = words.contains("/24") ? 256 : 1 << 24
    #expect(CheckpointPlace.path(command, targets: targets) { $0 != "/dev/null" } == path)
  }
}
