// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// Words for people, on standard error.
enum Diagnostics {
  /// One line, `halfopen: ` before it, in one write. If it can't be written there is nobody to tell.
  static func say(_ message: String) {
    try? writeAll(Array("halfopen: \(printable(message))\n".utf8)[...], to: 2)
  }

  /// A line that stands until the next takes its place: for terminals.
  static func replaceLine(_ message: String) {
    try? writeAll(Array("\r\u{1B}[2K\(printable(message))".utf8)[...], to: 2)
  }

  /// Lines as they are: for what was laid out here.
  static func table(_ lines: String) { try? writeAll(Array("\(lines)\n".utf8)[...], to: 2) }

  /// The text without control characters: what came from a file or a resolver must not reach a terminal as commands.
  static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { isControl($0) }) else { return text }
    var clean = ""
    for scalar in text.unicodeScalars {
      if isControl(scalar) {
        clean += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        clean.unicodeScalars.append(scalar)
      }
    }
    return clean
  }

  /// C0, DEL, C1, and the bidirectional overrides and isolates.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f..<0xa0, 0x202a...0x202e, 0x2066...0x2069: true
    default: false
    }
  }
}
