// SPDX-License-Identifier: Apache-2.0

/// A point of wall time as RFC 3339 in UTC, to the microsecond.
enum Timestamp {
  static func text(realtimeNanoseconds: Int64) -> String {
    var clock = TimestampWriter()
    var bytes: [UInt8] = []
    clock.append(realtimeNanoseconds, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The date and time of day in UTC, such as `Thu Jan  1 00:00:00 1970` (asctime(3)).
  static func calendarText(seconds: Int64) -> String {
    let (days, second) = floorDivide(seconds, by: 86400)
    let (year, month, day) = date(daysSince1970: days)
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][Int(floorDivide(days, by: 7).remainder)]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    var bytes = Array("\(weekday) \(months[Int(month) - 1]) \(day < 10 ? " " : "")\(day) ".utf8)
    bytes.append(timeOfDay: second)
    return String(decoding: bytes, as: UTF8.self) + " \(year)"
  }

  /// The proleptic Gregorian date, by 400-year eras that begin on 1 March (Howard Hinnant, "chrono-Compatible Low-Level
  /// Date Algorithms", civil_from_days).
  static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = floorDivide(days + 719_468, by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  /// Whole seconds since 1970.
  static func seconds(_ realtimeNanoseconds: Int64) -> Int64 {
    floorDivide(realtimeNanoseconds, by: 1_000_000_000).quotient
  }

  static func floorDivide(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}

/// Writes times one after the other. Those of one second share the work.
struct TimestampWriter: Sendable {
  private var second: Int64?
  private var secondText: [UInt8] = []

  /// Appends RFC 3339 in UTC, to the microsecond.
  mutating func append(_ realtimeNanoseconds: Int64, to bytes: inout [UInt8]) {
    let fraction = appendSecond(realtimeNanoseconds, to: &bytes)
    bytes.append(UInt8(ascii: "."))
    bytes.append(decimal: fraction / 1000, width: 6)
    bytes.append(UInt8(ascii: "Z"))
  }

  /// Appends date and time to the second, and returns the nanoseconds beyond.
  mutating func appendSecond(_ realtimeNanoseconds: Int64, to bytes: inout [UInt8]) -> Int64 {
    let (seconds, fraction) = Timestamp.floorDivide(realtimeNanoseconds, by: 1_000_000_000)
    if seconds != second {
      let (days, second) = Timestamp.floorDivide(seconds, by: 86400)
      let (year, month, day) = Timestamp.date(daysSince1970: days)
      secondText.removeAll(keepingCapacity: true)
      secondText.append(decimal: year, width: 4)
      secondText.append(UInt8(ascii: "-"))
      secondText.append(decimal: month, width: 2)
      secondText.append(UInt8(ascii: "-"))
      secondText.append(decimal: day, width: 2)
      secondText.append(UInt8(ascii: "T"))
      secondText.append(timeOfDay: second)
      self.second = seconds
    }
    bytes += secondText
    return fraction
  }
}

extension [UInt8] {
  fileprivate mutating func append(timeOfDay second: Int64) {
    append(decimal: second / 3600, width: 2)
    append(UInt8(ascii: ":"))
    append(decimal: second / 60 % 60, width: 2)
    append(UInt8(ascii: ":"))
    append(decimal: second % 60, width: 2)
  }
}
