// SPDX-License-Identifier: Apache-2.0

/// Decimals from integers: exact, and without Foundation.
enum Decimal {
  /// `value` / 10^`places`, with that many places, or without zeros at the end.
  static func text(_ value: Int64, places: Int, trimmed: Bool = false) -> String {
    var digits = String(value.magnitude)
    if digits.utf8.count <= places { digits = String(repeating: "0", count: places + 1 - digits.utf8.count) + digits }
    var fraction = digits.suffix(places)
    if trimmed { while fraction.last == "0" { fraction.removeLast() } }
    let whole = digits.dropLast(places)
    return (value < 0 ? "-" : "") + (fraction.isEmpty ? String(whole) : "\(whole).\(fraction)")
  }

  /// A quotient rounded to one place, such as a rate; nil where it is no number.
  static func tenths(_ dividend: Double, per divisor: Double) -> Int64? {
    let value = (dividend / divisor * 10).rounded()
    return value.isFinite && value.magnitude < 1e17 ? Int64(value) : nil
  }
}
