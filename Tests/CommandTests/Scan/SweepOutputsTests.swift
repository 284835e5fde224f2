// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpen
import HalfOpenLinux
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import halfopen_command

@Suite(.timeLimit(.minutes(2))) struct SweepOutputsTests {
  private let folder: ScratchFolder
  private let results = (1...2000).map { Sample.swept(port: UInt16($0)) }

  init() throws { folder = try ScratchFolder() }

  private func open(
    _ outputs: SweepOutput..., isResuming: Bool = false,
    onFailure: @escaping @Sendable (OutputFailure) -> Void = { _ in }
  ) throws -> SweepOutputs {
    try SweepOutputs(outputs, job: OutputJob(), isResuming: isResuming, onFailure: onFailure)
  }

  private func output(_ format: SweepFormat) -> SweepOutput { .init(format, folder.file(format.rawValue)) }

  private static let streamed: [SweepFormat] = [.jsonl, .text, .csv, .ipPort, .masscanList, .masscanJSON]

  private func encoder(_ format: SweepFormat) -> any SweepEncoder {
    switch format {
    case .jsonl: JSONLinesEncoder(names: HostNames())
    case .text: TextEncoder(names: HostNames(), usesColor: false)
    case .csv: ZmapEncoder()
    case .masscanList: MasscanListEncoder()
    case .masscanJSON: MasscanJSONEncoder()
    case .ipPort, .nmapXML: EndpointEncoder()
    }
  }

  @Test func everyOutputHasAllThatWasWritten() async throws {
    let outputs = try SweepOutputs(
      Self.streamed.map(output), job: OutputJob(), isResuming: false, onFailure: { _ in })
    for start in stride(from: 0, to: results.count, by: 100) {
      await outputs.write(Array(results[start..<start + 100]))
    }
    #expect(await outputs.finish(Sample.progress).isEmpty)
    for format in Self.streamed {
      var encoder = encoder(format)
      #expect(try folder.text(format.rawValue) == encoder.whole(results), "\(format)")
    }
  }

  /// Behind the barrier the file has it, before the end.
  @Test func flushWaitsForWhatWasQueued() async throws {
    let outputs = try open(output(.ipPort), output(.csv))
    for count in 1...20 {
      await outputs.write(Array(results[..<count]))
      #expect(await outputs.flush().isEmpty)
      #expect(try folder.text("ip-port").split(separator: "\n").count == count * (count + 1) / 2)
      #expect(try folder.text("csv").split(separator: "\n").count == count * (count + 1) / 2 + 1)
    }
    _ = await outputs.finish(Sample.progress)
  }

  @Test func anExistingFileIsEmptied() async throws {
    try writeFile(folder.file("ip-port"), "198.51.100.9:1\n198.51.100.9:2\n")
    let outputs = try open(output(.ipPort))
    await outputs.write([Sample.swept()])
    _ = await outputs.finish(Sample.progress)
    #expect(try folder.text("ip-port") == "192.0.2.1:443\n")
  }

  /// Killed after any byte, then resumed with what the last whole line leaves out: the file is as if nothing had happened.
  @Test(arguments: streamed) func aResumeContinuesAfterTheLastWholeLine(format: SweepFormat) async throws {
    let results = Array(results[..<3])
    var encoder = encoder(format)
    let whole = encoder.whole(results)
    var lines = 0
    // In the default tier the ends of lines and some of what lies between.
    let ends = whole.utf8.enumerated().filter { $0.element == 0x0a }.flatMap { [$0.offset, $0.offset + 1] }
    let cuts = Set(stride(from: 0, to: whole.utf8.count, by: LongRun.count(short: 13, long: 1)))
    for cut in cuts.union(ends).sorted() {
      let kept = whole.utf8.prefix(cut)
      lines = kept.count { $0 == 0x0a }
      try writeFile(folder.file(format.rawValue), String(decoding: kept, as: UTF8.self))
      let outputs = try open(output(format), isResuming: true)
      let before = (try folder.text(format.rawValue)).split(separator: "\n").count { $0.contains("192.0.2.1") }
      await outputs.write(Array(results[before...]))
      _ = await outputs.finish(Sample.progress)
      let text = try folder.text(format.rawValue)
      // A summary that was there stays.
      let isEnded = format == .jsonl && lines == results.count + 1
      #expect(text == (isEnded ? whole + whole.split(separator: "\n").last! + "\n" : whole), "cut at \(cut)")
    }
    #expect(lines > results.count - 1)
  }

  /// A line that is longer than what is read at a time from the end.
  @Test func aLongTornLineIsCut() async throws {
    try writeFile(folder.file("ip-port"), "192.0.2.9:9\n" + String(repeating: "x", count: 200_000))
    let outputs = try open(output(.ipPort), isResuming: true)
    await outputs.write([Sample.swept()])
    _ = await outputs.finish(Sample.progress)
    #expect(try folder.text("ip-port") == "192.0.2.9:9\n192.0.2.1:443\n")
  }

  @Test func aResumeWithoutTheFileBeginsIt() async throws {
    let outputs = try open(output(.csv), isResuming: true)
    _ = await outputs.finish(Sample.progress)
    #expect(try folder.text("csv").hasPrefix("saddr,saddr_raw,"))
  }

  @Test func strictReadersReadThem() async throws {
    let outputs = try open(output(.jsonl), output(.masscanJSON), output(.csv))
    await outputs.write(Sample.sweptStates)
    await outputs.write(
      FaultLine(time: 0, target: "\"\\\u{1}é", error: CheckError(.noRoute, subject: "\n", advice: "")))
    _ = await outputs.finish(Sample.progress)
    let script = """
      import csv, json, sys
      def no(word): raise ValueError(word)
      records = [json.loads(line, parse_constant=no) for line in open(sys.argv[1] + "/jsonl", newline="\\n")]
      print([record["type"] for record in records], repr(records[4]["target"]))
      print([record["ports"][0]["status"] for record in json.load(open(sys.argv[1] + "/masscan-json"))])
      print([row["classification"] for row in csv.DictReader(open(sys.argv[1] + "/csv"), strict=True)])
      """
    let end = try await runTool("/usr/bin/python3", "-c", script, folder.path)
    #expect(
      end.output == """
        ['result', 'result', 'result', 'result', 'error', 'summary'] '"\\\\\\x01é'
        ['open', 'closed']
        ['synack', 'rst', 'icmp', 'no-answer']

        """, "\(end.errors)")
  }

  @Test func aFullDiskIsNamedAndTheOthersHaveEverything() async throws {
    let failures = Mutex<[String]>([])
    // A format without a beginning: its first write is that of results.
    let full = SweepOutput(.ipPort, "/dev/full")
    let outputs = try open(output(.csv), full, output(.jsonl)) { failure in
      failures.withLock { $0.append("\(failure)") }
    }
    await outputs.write(results)
    let flushed = await outputs.flush()
    #expect(flushed.map(\.output) == [full])
    #expect(flushed.first?.error.errno == .noSpace)
    await outputs.write([Sample.swept(.closed)])
    #expect(await outputs.finish(Sample.progress).map(\.output) == [full])
    #expect(failures.withLock { $0.count } == 1)
    #expect(failures.withLock { $0.first?.hasPrefix("can't write /dev/full: No space left on device; ") } == true)
    for (name, ends) in [("csv", 1), ("jsonl", 1)] {
      #expect(try folder.text(name).split(separator: "\n").count == results.count + 1 + ends)
    }
  }

  @Test func anOutputThatCannotBeOpenedIsNamed() throws {
    let error = #expect(throws: OutputFailure.self) { try open(.init(.csv, folder.file("no/such"))) }
    #expect(error?.description.contains(folder.file("no/such")) == true)
    // A beginning that can't be written shows before the first packet.
    let full = #expect(throws: OutputFailure.self) { try open(.init(.csv, "/dev/full")) }
    #expect(full?.error.errno == .noSpace)
  }
}

@Suite(.timeLimit(.minutes(2))) struct OutputThreadTests {
  /// Lets a test hold back what a sink does.
  private final class Gate: Sendable {
    struct Seen {
      var pieces: [Int] = []
      var synchronized = 0
    }
    let seen = Mutex(Seen())
    let open = Semaphore()
  }

  private final class Sink: OutputSink {
    let gate: Gate
    init(_ gate: Gate) { self.gate = gate }

    func take(_ pieces: [Int]) {
      gate.open.wait()
      gate.seen.withLock { $0.pieces += pieces }
    }
    func synchronize() { gate.seen.withLock { $0.synchronized = $0.pieces.count } }
  }

  /// A sink that stands still holds back whoever writes once as much waits as may.
  @Test func aSlowSinkHoldsBackTheWriter() async throws {
    let gate = Gate()
    let thread = try OutputThread<Int>(sink: Sink(gate), bound: 10) { _ in }
    let written = Atomic(0)
    async let writing: Void = {
      for piece in 0..<100 {
        await thread.write(piece, weight: 1)
        written.store(piece + 1, ordering: .releasing)
      }
    }()
    // At most the bound, and the bound again in the batch that the sink holds.
    try await eventually { written.load(ordering: .acquiring) >= 10 }
    try await Task.sleep(for: .milliseconds(20))
    #expect(written.load(ordering: .acquiring) <= 20)
    for _ in 0..<101 { gate.open.signal() }
    await writing
    #expect(await thread.close() == nil)
    #expect(gate.seen.withLock { $0.pieces } == Array(0..<100))
    #expect(gate.seen.withLock { $0.synchronized } == 100)
  }

  /// Without a barrier, what was taken is made safe after a while.
  @Test func everyPieceIsMadeSafeInTime() async throws {
    let gate = Gate()
    for _ in 0..<10 { gate.open.signal() }
    let thread = try OutputThread<Int>(sink: Sink(gate), bound: 10, syncInterval: 1_000_000) { _ in }
    await thread.write(1, weight: 1)
    try await eventually { gate.seen.withLock { $0.synchronized } == 1 }
    await thread.write(2, weight: 1)
    try await eventually { gate.seen.withLock { $0.synchronized } == 2 }
    #expect(await thread.close() == nil)
  }
}
