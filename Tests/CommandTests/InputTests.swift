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
    #expect(RateArgument(argument: "1000") == .perSecond(1000))
    for text in ["1000", "0.5", "max"] { #expect(RateArgument(argument: text)?.defaultValueDescription == text) }
    #expect(RateArgument(argument: "0.5") == .perSecond(0.5))
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

@Suite struct InputFuzzTests {
  @Test func noTextCrashesIt() {
    var generator = SeededGenerator(state: 7)
    let alphabet = Array("0123456789,-. :[]%#abcx\u{0}é".utf8)
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
      }
      let text = String(decoding: bytes, as: UTF8.self)
      _ = try? PortSet(text)
      _ = DurationArgument(text)
      _ = RateArgument(argument: text)
      _ = MarkArgument(argument: text)
      _ = PortRangeArgument(argument: text)
      _ = Target.parse(text, ports: nil)
      _ = TargetLine.parse(bytes, read: { Target.parse($0, ports: PortSet([80...80])) })
    }
  }
}

@Suite struct TargetTests {
  private func read(_ line: String, ports: String? = nil) throws -> [Result<Target, InputError>] {
    let ports = try ports.map { try PortSet($0) }
    return TargetLine.parse(Array(line.utf8), read: { Target.parse($0, ports: ports) })
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

struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 29
  }
}
