// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// A length of time as people write it: `500ms`, `2s`, `1.5s`, `1m`, `1h`, `250us`, or bare seconds.
struct DurationArgument: Hashable, Sendable {
  let duration: Duration

  init(_ duration: Duration) { self.duration = duration }

  /// Nil for anything else, for more than nine decimals and for more than 10^9 seconds.
  init?(_ text: String) {
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let nanosecondsPerUnit = DurationArgument.units[String(text.dropFirst(number.count))],
      let amount = FixedDecimal(number)
    else { return nil }
    // A decimal holds at most 10^9 x 10^9, so 128 bits hold every product.
    let nanoseconds = Int128(amount.billionths) * Int128(nanosecondsPerUnit) / Int128(FixedDecimal.one)
    guard nanoseconds <= Int128(1_000_000_000) * 1_000_000_000 else { return nil }
    duration = .nanoseconds(Int64(nanoseconds))
  }

  private static let units: [String: Int64] = [
    "ns": 1, "us": 1000, "µs": 1000, "ms": 1_000_000, "": 1_000_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
    "min": 60_000_000_000, "h": 3_600_000_000_000,
  ]
}

extension DurationArgument: ExpressibleByArgument {
  init?(argument: String) { self.init(argument) }

  /// As `init` reads it, in the largest unit that leaves no fraction.
  var defaultValueDescription: String {
    let nanoseconds = duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
    for (unit, size) in [("m", Int64(60_000_000_000)), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000)]
    where nanoseconds >= size && nanoseconds % size == 0 {
      return "\(nanoseconds / size)\(unit)"
    }
    return "\(nanoseconds)ns"
  }
}

/// A decimal that is not negative, exact to nine places and at most 10^9.
struct FixedDecimal: Hashable, Sendable {
  static let one: Int64 = 1_000_000_000
  /// The value times 10^9.
  let billionths: Int64

  init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let whole = parts[0]
    let fraction = parts.count == 2 ? parts[1] : ""
    guard !whole.isEmpty || !fraction.isEmpty, whole.utf8.count <= 10, fraction.utf8.count <= 9,
      whole.utf8.allSatisfy(FixedDecimal.isDigit), fraction.utf8.allSatisfy(FixedDecimal.isDigit)
    else { return nil }
    let padded = fraction + String(repeating: "0", count: 9 - fraction.utf8.count)
    guard let units = Int64(whole.isEmpty ? "0" : String(whole)), units <= FixedDecimal.one,
      let rest = Int64(padded)
    else { return nil }
    let sum = units * FixedDecimal.one + rest
    guard sum <= FixedDecimal.one * FixedDecimal.one else { return nil }
    billionths = sum
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
