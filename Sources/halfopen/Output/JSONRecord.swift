// SPDX-License-Identifier: Apache-2.0

/// Writes one JSON object and a newline (JSON Lines), field by field in the order of the calls.
struct JSONRecord {
  private(set) var bytes: [UInt8] = []
  private var isFirst = true

  init() { bytes.append(UInt8(ascii: "{")) }

  mutating func field(_ name: String, _ value: String) {
    key(name)
    string(value)
  }

  mutating func field(_ name: String, _ value: some BinaryInteger) {
    key(name)
    bytes += "\(value)".utf8
  }

  mutating func field(_ name: String, _ value: Bool) {
    key(name)
    bytes += (value ? "true" : "false").utf8
  }

  /// A number that is `thousandths` / 1000, without zeros at its end.
  mutating func field(_ name: String, thousandths: Int64) {
    key(name)
    bytes += Decimal.text(thousandths, places: 3, trimmed: true).utf8
  }

  /// A number that is `millionths` / 10^6, without zeros at its end.
  mutating func field(_ name: String, millionths: Int64) {
    key(name)
    bytes += Decimal.text(millionths, places: 6, trimmed: true).utf8
  }

  mutating func field(_ name: String, _ values: [String]) {
    key(name)
    bytes.append(UInt8(ascii: "["))
    for (index, value) in values.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      string(value)
    }
    bytes.append(UInt8(ascii: "]"))
  }

  /// An object within the object.
  mutating func field(_ name: String, _ body: (inout JSONRecord) -> Void) {
    key(name)
    var inner = JSONRecord()
    body(&inner)
    bytes += inner.bytes
    bytes.append(UInt8(ascii: "}"))
  }

  /// The whole line.
  consuming func line() -> [UInt8] {
    bytes += "}\n".utf8
    return bytes
  }

  private mutating func key(_ name: String) {
    if !isFirst { bytes.append(UInt8(ascii: ",")) }
    isFirst = false
    string(name)
    bytes.append(UInt8(ascii: ":"))
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
