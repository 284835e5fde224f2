// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// Writes JSON Lines, each an object, field by field in the order of the calls.
struct JSONRecord: Sendable {
  /// Whole lines, then what there is of the one that is being written.
  var bytes: [UInt8]
  private var isFirst = true
  private var clock = TimestampWriter()
  /// What was written last of a verdict without evidence: the silent of a sweep are many, and end alike.
  private var last: (verdict: BareVerdict, bytes: [UInt8])?

  /// A writer of one object.
  init() { bytes = [UInt8(ascii: "{")] }

  /// A writer of many, each between `begin` and `end`.
  init(lines: [UInt8]) { bytes = lines }

  mutating func begin() {
    bytes.append(UInt8(ascii: "{"))
    isFirst = true
  }

  mutating func end() { bytes += "}\n".utf8 }

  mutating func field(_ key: JSONKey, _ value: String) {
    begin(key)
    string(value)
  }

  /// A value without anything that has to be escaped.
  mutating func field(_ key: JSONKey, word: String) {
    begin(key)
    bytes.append(UInt8(ascii: "\""))
    bytes += word.utf8
    bytes.append(UInt8(ascii: "\""))
  }

  /// A value as it stands in a record.
  mutating func field(_ key: JSONKey, word: JSONText) {
    begin(key)
    bytes += word.bytes
  }

  mutating func field(_ key: JSONKey, _ value: some BinaryInteger) {
    begin(key)
    bytes.append(decimal: value)
  }

  mutating func field(_ key: JSONKey, _ value: Bool) {
    begin(key)
    bytes += (value ? "true" : "false").utf8
  }

  /// A number that is `thousandths` / 1000, without zeros at its end.
  mutating func field(_ key: JSONKey, thousandths: Int64) {
    begin(key)
    bytes.append(decimal: thousandths, places: 3)
  }

  /// A number that is `millionths` / 10^6, without zeros at its end.
  mutating func field(_ key: JSONKey, millionths: Int64) {
    begin(key)
    bytes.append(decimal: millionths, places: 6)
  }

  /// A point of time, in nanoseconds since 1970.
  mutating func field(_ key: JSONKey, time: Int64) {
    begin(key)
    bytes.append(UInt8(ascii: "\""))
    clock.append(time, to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func field(_ key: JSONKey, address: IPAddress, zone: String? = nil) {
    begin(key)
    bytes.append(UInt8(ascii: "\""))
    bytes.append(address, zone: zone)
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func field(_ key: JSONKey, _ values: [String]) {
    begin(key)
    bytes.append(UInt8(ascii: "["))
    for (index, value) in values.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      string(value)
    }
    bytes.append(UInt8(ascii: "]"))
  }

  /// An object within the object.
  mutating func field(_ key: JSONKey, _ body: (inout JSONRecord) -> Void) {
    begin(key)
    begin()
    body(&self)
    bytes.append(UInt8(ascii: "}"))
    isFirst = false
  }

  /// What `body` writes of a verdict, copied where the last one was the same.
  mutating func repeated(_ verdict: BareVerdict, _ body: (inout JSONRecord) -> Void) {
    if let last, last.verdict == verdict {
      bytes += last.bytes
      return
    }
    let start = bytes.count
    body(&self)
    last = (verdict, Array(bytes[start...]))
  }

  /// The whole line.
  consuming func line() -> [UInt8] {
    end()
    return bytes
  }

  private mutating func begin(_ key: JSONKey) {
    if isFirst { bytes += key.bytes.dropFirst() } else { bytes += key.bytes }
    isFirst = false
  }

  /// RFC 8259 section 7: the quote, the backslash and control characters are escaped, all else is UTF-8.
  private mutating func string(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): bytes += #"\""#.utf8
      case UInt8(ascii: "\\"): bytes += #"\\"#.utf8
      case 0x0a: bytes += #"\n"#.utf8
      case 0x0d: bytes += #"\r"#.utf8
      case 0x09: bytes += #"\t"#.utf8
      case 0..<0x20: bytes += [0x5c, 0x75, 0x30, 0x30, hexDigit(byte >> 4), hexDigit(byte & 15)]
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x61 + value - 10 }
}
