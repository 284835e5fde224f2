// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import Testing

@testable import halfopen_command

@Suite struct DurationArgumentTests {
  @Test(arguments: [
    ("500ms", Duration.milliseconds(500)), ("2s", .seconds(2)), ("1.5s", .milliseconds(1500)), ("1m", .seconds(60)),
    ("0s", .zero), ("250us", .microseconds(250)), ("2", .seconds(2)), (".5", .milliseconds(500)),
    ("1h", .seconds(3600)),
    ("0.000000001s", .nanoseconds(1)), ("1000000000", .seconds(1_000_000_000)),
  ])
  func reads(text: String, duration: Duration) {
    #expect(DurationArgument(text)?.duration == duration)
  }

  @Test(arguments: [
    "", "s", "-1s", "+1", "1 s", "1.2.3s", "1e3", "1x", "ms", ".", "99999999999s", "1000000001", "0.0000000001s", "١s",
    "1000000000h", "1s ", "NaN", "inf", "0x10s",
  ])
  func refuses(text: String) {
    #expect(DurationArgument(text) == nil)
  }

  @Test func describesItselfAsItReads() {
    for text in ["500ms", "1s", "1500ms", "1m", "90s", "250us"] {
      #expect(DurationArgument(text)?.defaultValueDescription == text)
    }
  }
}

@Suite struct NumberArgumentTests {
  @Test func rates() {
    #expect(RateArgument(argument: "1000") == .interval(nanoseconds: 1_000_000))
    #expect(RateArgument(argument: "0.5") == .interval(nanoseconds: 2_000_000_000))
    #expect(RateArgument(argument: "max") == .unlimited)
    for text in ["0", "-1", "", "1e9", "fast", "0.0", "99999999999999999999"] {
      #expect(RateArgument(argument: text) == nil)
    }
  }

  @Test func marks() {
    #expect(MarkArgument(argument: "0x2a")?.value == 42)
    #expect(MarkArgument(argument: "4294967295")?.value == .max)
    for text in ["", "0x", "-1", "+1", "4294967296", "x", "0x+1"] { #expect(MarkArgument(argument: text) == nil) }
  }

  @Test func sourcePorts() {
    #expect(PortRangeArgument(argument: "40000-40999")?.range == 40000...40999)
    #expect(PortRangeArgument(argument: "40000")?.range == 40000...40000)
    for text in ["", "0", "2-1", "1,3", "65536"] { #expect(PortRangeArgument(argument: text) == nil) }
  }
}

@Suite struct PortListTests {
  @Test(
    arguments: [
      ("80", [80...80]), ("22,80,8000-8010", [22...22, 80...80, 8000...8010]), ("-", [1...65535]), ("-3", [1...3]),
      ("65000-", [65000...65535]), ("80,80,79-81,82", [79...82]), ("443,22", [22...22, 443...443]), ("0080", [80...80]),
      ("65535,1", [1...1, 65535...65535]),
    ] as [(String, [ClosedRange<UInt16>])])
  func reads(text: String, ranges: [ClosedRange<UInt16>]) throws {
    #expect(try PortList.parse(text).get().ranges == ranges)
  }

  @Test(arguments: [
    ("", 0), ("0", 0), ("65536", 0), ("80,", 3), ("80,,81", 3), ("22,x", 3), ("9-8", 0), ("1-2-3", 0), ("+80", 0),
    ("80, 81", 3), ("٨٠", 0), ("99999999999999999999", 0), ("1,2,3-99999", 4),
  ])
  func refusesAndSaysWhere(text: String, offset: Int) {
    #expect(throws: InputError.self) { try PortList.parse(text).get() }
    if case .failure(let error) = PortList.parse(text) { #expect(error.offset == offset) }
  }

  @Test func iteratesEachPortOnce() throws {
    #expect(Array(try PortList.parse("3,1-2,65534-").get()) == [1, 2, 3, 65534, 65535])
    let all = try PortList.parse("-").get()
    #expect(all.count == 65535)
    #expect(all.reduce(0) { count, _ in count + 1 } == 65535)
  }

  @Test func noTextCrashesIt() {
    var generator = SeededGenerator(state: 7)
    let alphabet = Array("0123456789,-. :[]%#abcx\u{0}é".utf8)
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
      }
      let text = String(decoding: bytes, as: UTF8.self)
      _ = PortList.parse(text)
      _ = DurationArgument(text)
      _ = RateArgument(argument: text)
      _ = MarkArgument(argument: text)
      _ = PortRangeArgument(argument: text)
      _ = Target.parse(text, ports: nil)
      _ = TargetLine.parse(bytes, ports: PortList(ranges: [80...80]))
    }
  }
}

@Suite struct TargetLineTests {
  private func read(_ line: String, ports: String? = nil) throws -> [Result<Target, InputError>] {
    TargetLine.parse(Array(line.utf8), ports: try ports.map { try PortList.parse($0).get() })
  }

  @Test func readsTargetsAndSkipsComments() throws {
    #expect(try read("").isEmpty)
    #expect(try read("  # all of it").isEmpty)
    let found = try read("\ta.example:80,443  [2001:db8::1]:22 # web\r").map { try $0.get() }
    #expect(found.map { "\($0.host)" } == ["a.example", "2001:db8::1"])
    #expect(found.map { Array($0.ports) } == [[80, 443], [22]])
  }

  @Test func portsFillInForTargetsWithoutSome() throws {
    let found = try read("a.example 192.0.2.1 2001:db8::1 [2001:db8::2] fe80::1%eth0 b.example:8080", ports: "80-81")
    #expect(
      try found.map { Array(try $0.get().ports) } == [[80, 81], [80, 81], [80, 81], [80, 81], [80, 81], [8080]])
  }

  @Test func saysWhereAMistakeIs() throws {
    let found = try read("a.example:80  b.example:80,http")
    guard case .failure(let error) = found[1] else { return #expect(Bool(false), "no mistake was seen") }
    #expect(error.offset == 27)
    #expect(error.what.contains("http"))
  }

  @Test(arguments: [
    "host", "host:", ":80", "1.2.3:80", "::1:80", "[::1]80", "[::1:80", "a_b..c:1", "192.0.2.1%eth0:80",
  ])
  func refuses(_ text: String) {
    #expect(throws: InputError.self) { try Target.parse(text, ports: nil).get() }
  }
}

@Suite struct LineSplitterTests {
  @Test(arguments: 1...9) func splitsTheSameHoweverItArrives(step: Int) {
    let bytes = Array("one\n\ntwo#\r\n\n12345678901234567890\nlast".utf8)
    var splitter = LineSplitter(limit: 10)
    var lines: [LineSplitter.Line] = []
    for start in stride(from: 0, to: bytes.count, by: step) {
      splitter.feed(bytes[start..<min(start + step, bytes.count)]) { lines.append($0) }
    }
    splitter.end { lines.append($0) }
    #expect(lines.map { String(decoding: $0.bytes, as: UTF8.self) } == ["one", "", "two#\r", "", "1234567890", "last"])
    #expect(lines.map(\.number) == [1, 2, 3, 4, 5, 6])
    #expect(lines.map(\.isTooLong) == [false, false, false, false, true, false])
  }
}

@Suite struct PaceScheduleTests {
  @Test func keepsTheRateAndMakesUpForLittle() {
    var schedule = PaceSchedule(interval: 1_000_000, start: 0)
    #expect(schedule.wait(now: 0) == 0)
    #expect(schedule.wait(now: 0) == 1_000_000)
    #expect(schedule.wait(now: 1_000_000) == 0)
    // After a second of silence there are five starts at once and not a thousand.
    let burst = (0..<1000).count { _ in schedule.wait(now: 1_001_000_000) <= 0 }
    #expect(burst == 6)
  }
}

struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 29
  }
}
