// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HalfOpen

/// Starts a second, or no bound: `1000`, `0.5`, `max`.
enum RateArgument: Hashable, Sendable, ExpressibleByArgument {
  case unlimited
  case perSecond(Double)

  init?(argument: String) {
    if argument == "max" {
      self = .unlimited
      return
    }
    guard let rate = FixedDecimal(argument), rate.billionths > 0 else { return nil }
    self = .perSecond(Double(rate.billionths) / Double(FixedDecimal.one))
  }

  var defaultValueDescription: String {
    switch self {
    case .unlimited: "max"
    case .perSecond(let rate): rate == rate.rounded() ? "\(Int64(rate))" : "\(rate)"
    }
  }
}

/// `40000-40999`, or a single port.
struct PortRangeArgument: Hashable, Sendable, ExpressibleByArgument {
  let range: ClosedRange<UInt16>

  init?(argument: String) {
    guard let list = try? PortSet(argument), list.ranges.count == 1 else { return nil }
    range = list.ranges[0]
  }
}

/// A firewall mark, decimal or `0x` and hexadecimal.
struct MarkArgument: Hashable, Sendable, ExpressibleByArgument {
  let value: UInt32

  init?(argument: String) {
    let isHexadecimal = argument.hasPrefix("0x") || argument.hasPrefix("0X")
    let digits = isHexadecimal ? argument.dropFirst(2) : argument[...]
    guard digits.first?.isHexDigit == true, let number = UInt32(digits, radix: isHexadecimal ? 16 : 10) else {
      return nil
    }
    value = number
  }
}
