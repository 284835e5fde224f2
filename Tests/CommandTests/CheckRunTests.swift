// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import HalfOpen
import HalfOpenLinux
import HalfOpenWire
import Synchronization
import SystemPackage
import Testing

@testable import halfopen_command

/// Runs of `halfopen check` with a made-up network.
@Suite struct CheckRunTests {
  @Test func resultsAndSummaryAreWritten() async throws {
    let run = try await Run(["192.0.2.1:80-82", "--format", "jsonl"]) { endpoint in
      .success(Sample.result(endpoint.port == 80 ? .open : .closed))
    }
    #expect(run.code == 1)
    #expect(run.lines.count == 4)
    #expect(run.lines.dropLast().allSatisfy { $0.hasPrefix(#"{"type":"result","#) })
    #expect(run.lines.last?.contains(#""targets":3,"open":1,"closed":2"#) == true)
    #expect(run.lines.last?.hasSuffix(#""complete":true}"#) == true)
  }

  @Test func quietWritesNothing() async throws {
    let run = try await Run(["192.0.2.1:80", "-q"]) { _ in .success(Sample.result()) }
    #expect(run.code == 0)
    #expect(run.lines.isEmpty)
  }

  @Test func aFaultIsARecordAndCostsTheRunItsZero() async throws {
    let run = try await Run(["192.0.2.1:80,81", "--format", "json"]) { endpoint in
      endpoint.port == 80
        ? .success(Sample.result())
        : .failure(CheckError(.noRoute, subject: "s", advice: "a", errno: .networkUnreachable, call: "connect"))
    }
    #expect(run.code == 75)
    #expect(run.lines.contains { $0.contains(#""type":"error""#) && $0.contains(#""errno":"ENETUNREACH""#) })
    #expect(run.lines.last?.contains(#""errors":1"#) == true)
  }

  @Test func onlyFaultsEndWithTheirOwnCode() async throws {
    let run = try await Run(["192.0.2.1:80,81"]) { _ in .failure(CheckError(.noRoute, subject: "s", advice: "a")) }
    #expect(run.code == 69)
  }

  @Test func countsRoundsAndKeepsStatistics() async throws {
    let number = Mutex(0)
    let run = try await Run(["192.0.2.1:80", "--count", "3", "--interval", "1ms"]) { _ in
      let isLast = number.withLock { number in
        number += 1
        return number == 3
      }
      return .success(Sample.result(isLast ? .open : .noAnswer))
    }
    #expect(run.code == 0, "the last answer decides")
    #expect(run.lines.count == 7)
    #expect(run.lines[2].hasSuffix("3/3"))
    #expect(run.lines[5] == "3 checks: 1 open, 2 no-answer; 66.6% loss")
  }

  @Test func untilShowsChangesAndForgivesEarlyFaults() async throws {
    let number = Mutex(0)
    let run = try await Run(["a.example:80", "--until", "open", "--interval", "1ms"]) { _ in
      switch number.withLock({ number in (number += 1, number).1 }) {
      case 1: .failure(CheckError(.nameNotResolved, subject: "s", advice: "a"))
      case 2...4: .success(Sample.result(.closed))
      default: .success(Sample.result(.open))
      }
    }
    #expect(run.code == 0)
    #expect(run.lines.count == 2)
  }

  @Test func untilGivesUp() async throws {
    let run = try await Run(["192.0.2.1:80", "--until", "open", "--interval", "5ms", "--max-time", "20ms"]) { _ in
      .success(Sample.result(.closed))
    }
    #expect(run.code == 1)
  }

  /// Once it took as many rounds as fit into the time on the grid, however long each was; without an interval, all.
  @Test(.timeLimit(.minutes(1)), arguments: ["0s", "1ms"]) func untilHoldsItsTime(interval: String) async throws {
    let checks = Mutex(0)
    let arguments = ["192.0.2.1:80", "--until", "open", "--interval", interval, "--max-time", "100ms"]
    let run = try await Run(arguments) { _ in
      checks.withLock { $0 += 1 }
      try? await Task.sleep(for: .milliseconds(40))
      return .success(Sample.result(.closed))
    }
    #expect(run.code == 1)
    #expect(checks.withLock { $0 } <= 3)
  }

  @Test(.timeLimit(.minutes(1))) func aNamedPipeWithoutAWriterDoesNotHoldUpAnInterruption() async throws {
    let pipe = try NamedPipe()
    let interruption = Interruption()
    let run = try await Run(["192.0.2.1:80", "--targets", pipe.path, "--format", "jsonl"], interruption: interruption) {
      _ in
      interruption.stop(signal: SIGTERM)
      return .success(Sample.result())
    }
    #expect(run.code == 143)
    #expect(run.lines.last?.hasSuffix(#""complete":false}"#) == true)
    // Lets the reading thread go.
    _ = try openFile(pipe.path, flags: O_RDWR)
  }

  @Test func aNamedPipeIsReadToItsEnd() async throws {
    let pipe = try NamedPipe()
    let writer = try DedicatedThread(name: "writer") { try? writeFile(pipe.path, "192.0.2.1:80\n192.0.2.1:81\n") }
    let run = try await Run(["--targets", pipe.path, "--format", "jsonl"]) { _ in .success(Sample.result()) }
    #expect(run.code == 0)
    #expect(run.lines.count == 3)
    _ = consume writer
  }

  @Test func anInterruptionEndsTheRunWithASummary() async throws {
    let interruption = Interruption()
    let run = try await Run(["192.0.2.1:80,81", "--format", "jsonl"], interruption: interruption) { endpoint in
      if endpoint.port == 80 { return .success(Sample.result()) }
      interruption.stop(signal: SIGINT)
      try? await Task.sleep(for: .seconds(60))
      return .failure(.cancelled)
    }
    #expect(run.code == 130)
    #expect(run.lines.last?.contains(#""type":"summary""#) == true)
    #expect(run.lines.last?.hasSuffix(#""complete":false}"#) == true)
    #expect(!run.lines.contains { $0.contains(#""type":"error""#) })
  }

  @Test func aSecondSignalAsksForHarsherMeans() async {
    let interruption = Interruption()
    let first = await interruption.run { interruption.stop(signal: SIGINT) }
    #expect(first && !interruption.stop(signal: SIGINT))
    #expect(interruption.signal == SIGINT)
  }

  @Test func beforeTheRunHasBegunOneSignalIsEnough() {
    let interruption = Interruption()
    #expect(!interruption.stop(signal: SIGINT))
    #expect(interruption.signal == SIGINT && interruption.isStopped)
  }

  @Test func anOutputThatTakesNothingEndsTheRun() async throws {
    let full = try openFile("/dev/full", flags: O_WRONLY)
    let plan = try plan(["192.0.2.1:1-60000", "--format", "jsonl"])
    let started = Mutex(0)
    let run = CheckRun(plan: plan, interruption: Interruption(), output: full.rawValue) { () throws(CheckError) in
      Engine(
        checker: FakeChecker { _ in
          started.withLock { $0 += 1 }
          return .success(Sample.result())
        }, backend: .connect, why: "")
    }
    #expect(await run.run() == 74)
    #expect(started.withLock { $0 } < 60000)
  }

  @Test func anUnreadableFileIsSaidBeforeAnyCheck() async throws {
    let run = try await Run(["--targets", "/nonexistent/targets"]) { _ in .success(Sample.result()) }
    #expect(run.code == 66)
  }

  @Test func aFileIsReadToItsEndAndItsMistakesCount() async throws {
    let folder = try makeTemporaryFolder(prefix: "halfopen")
    let file = "\(folder)/targets"
    defer {
      _ = unsafe unlink(file)
      _ = unsafe rmdir(folder)
    }
    let lines = (1...20_000).map { "10.\($0 / 65536).\($0 / 256 % 256).\($0 % 256):80 # \($0)" }
    try writeFile(file, lines.joined(separator: "\n") + "\nbad\n")
    let run = try await Run(["--targets", file, "--format", "jsonl"]) { _ in .success(Sample.result()) }
    #expect(run.code == 75)
    #expect(run.lines.count == 20_002)
    #expect(
      run.lines.contains { $0.contains(#""target":"bad","error":"invalid-argument","message":"\#(file):20001:1:"#) })
  }

  @Test func resultsComeWhileTheInputIsStillOpen() async throws {
    var ends: [CInt] = [0, 0]
    try retrying("pipe") { unsafe pipe(&ends) }
    let input = Descriptor(owning: ends[0])
    let output = Mutex<Descriptor?>(Descriptor(owning: ends[1]))
    let feed = try FileSource(input, name: "pipe", ports: nil)
    try writeAll(Array("192.0.2.1:80\n192.0.2.2".utf8)[...], to: ends[1])
    let first = await feed.next()
    #expect(first?.count == 1)
    try writeAll(Array(":80\n".utf8)[...], to: ends[1])
    #expect(await feed.next()?.count == 1)
    output.withLock { $0 = nil }
    #expect(await feed.next() == nil)
  }

  @Test func theRateHoldsStartsBack() async throws {
    let start = Instant.now
    let run = try await Run(["192.0.2.1:1-20", "--rate", "200", "-q"]) { _ in .success(Sample.result()) }
    #expect(run.code == 0)
    // Twenty starts at 5 ms each are 19 pauses, of which 5 ms may be made up for.
    #expect(Instant.now.nanoseconds(since: start) >= 85_000_000)
  }

  @Test(arguments: [
    [], ["a"], ["a:0"], ["a:80", "-t", "0s"], ["a:80", "--attempts", "17"], ["a:80", "--concurrency", "0"],
    ["a:80", "--count", "1", "--until", "open"], ["a:80", "--interval", "1s"], ["a:80", "--max-time", "1s"],
    ["a:80", "-4", "-6"], ["a:80", "--mode", "full", "--backend", "packet"], ["a:80", "--source-ip", "x"],
    ["a:80", "--source-ip", "192.0.2.1", "-6"], ["a:80", "--interface", "a/b"], ["a:80", "--rate", "0"],
    ["a:80", "--backend", "connect", "--reset", "engine"], ["a", "-p", "0"], ["--targets", "-", "--targets", "-"],
    ["a:80", "--count=-1"], ["a:80", "--until", "open", "--expect", "open"],
  ])
  func refusesWhatMakesNoSense(arguments: [String]) {
    #expect(throws: (any Error).self) { try plan(arguments) }
  }

  @Test func joinedShortOptionsWork() throws {
    let all = try plan(["-p-", "-t2s", "-qv", "a.example"])
    #expect(all.targets[0].ports.count == 65535)
    #expect(all.options.timeout == .seconds(2))
    #expect(all.isQuiet && all.isVerbose)
    #expect(Array(try plan(["-p80,443", "a.example"]).targets[0].ports) == [80, 443])
  }

  @Test(arguments: [
    (["h:80"], true), (["h:1-32", "i:1-32"], true), (["h:1-32", "i:1-33"], false),
    (["h:80", "--all-addresses"], false),
    (["h:80", "--targets", "-"], false), (["h:1-9999", "--targets", "-", "--concurrency", "64"], true),
  ])
  func fewChecksAtATimeNeedNoRing(_ arguments: [String], _ few: Bool) throws {
    #expect(try plan(arguments).replyBuffer == (few ? .socket : .ring))
  }
}

private func plan(_ arguments: [String]) throws -> CheckPlan { try CheckCommand.parse(arguments).plan() }

/// A pipe with a name, in a folder of its own.
private final class NamedPipe: Sendable {
  let path: String
  private let folder: String

  init() throws {
    folder = try makeTemporaryFolder(prefix: "halfopen")
    let path = "\(folder)/pipe"
    self.path = path
    try retrying("mkfifo") { unsafe mkfifo(path, 0o600) }
  }

  deinit {
    _ = unsafe unlink(path)
    _ = unsafe rmdir(folder)
  }
}

/// A whole run whose output is kept.
private struct Run {
  let code: Int32
  let lines: [String]

  init(
    _ arguments: [String], interruption: Interruption = Interruption(), answer: @escaping FakeChecker.Answer
  ) async throws {
    let folder = try makeTemporaryFolder(prefix: "halfopen")
    let path = "\(folder)/output"
    defer {
      _ = unsafe unlink(path)
      _ = unsafe rmdir(folder)
    }
    let file = try openFile(path, flags: O_WRONLY | O_CREAT)
    let run = CheckRun(plan: try plan(arguments), interruption: interruption, output: file.rawValue) {
      () throws(CheckError) in Engine(checker: FakeChecker(answer), backend: .connect, why: "")
    }
    code = await run.run()
    lines = String(decoding: try readFile(path), as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false
    ).dropLast().map(String.init)
  }
}
