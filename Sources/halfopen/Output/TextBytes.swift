// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// Text as bytes, without a string for each number.
extension [UInt8] {
  /// Appends a number in decimal digits.
  mutating func append(decimal value: some BinaryInteger) {
    if value < 0 { append(UInt8(ascii: "-")) }
    var rest = UInt64(truncatingIfNeeded: value.magnitude)
    if rest < 10 {
      append(0x30 &+ UInt8(truncatingIfNeeded: rest))
      return
    }
    var digits = [20 of UInt8](repeating: 0)
    var start = 20
    while rest > 0 {
      start &-= 1
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      digits[start] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
      rest = quotient
    }
    for index in start..<20 { append(digits[index]) }
  }

  /// Appends a number in at least `width` decimal digits.
  mutating func append(decimal value: Int64, width: Int) {
    var bound: Int64 = 10
    for _ in 1..<width {
      if value < bound { append(0x30) }
      bound &*= 10
    }
    append(decimal: value)
  }

  /// Appends `value` / 10^`places` without zeros at its end.
  mutating func append(decimal value: Int64, places: Int) {
    var unit: UInt64 = 1
    for _ in 0..<places { unit &*= 10 }
    let (whole, fraction) = value.magnitude.quotientAndRemainder(dividingBy: unit)
    if value < 0 { append(UInt8(ascii: "-")) }
    append(decimal: whole)
    guard fraction > 0 else { return }
    append(UInt8(ascii: "."))
    append(decimal: Int64(fraction), width: places)
    while last == 0x30 { removeLast() }
  }

  /// Appends an address in its canonical text.
  mutating func append(_ address: IPAddress) {
    switch address {
    case .v4(let address):
      let bytes = address.bytes
      append(decimal: bytes[0])
      append(UInt8(ascii: "."))
      append(decimal: bytes[1])
      append(UInt8(ascii: "."))
      append(decimal: bytes[2])
      append(UInt8(ascii: "."))
      append(decimal: bytes[3])
    case .v6(let address): append(contentsOf: address.description.utf8)
    }
  }

  /// Appends an address with its zone.
  mutating func append(_ address: IPAddress, zone: String?) {
    append(address)
    guard let zone else { return }
    append(UInt8(ascii: "%"))
    append(contentsOf: zone.utf8)
  }
}
