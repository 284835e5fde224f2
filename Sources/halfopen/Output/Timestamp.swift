// SPDX-License-Identifier: Apache-2.0

/// A point of wall time as RFC 3339 in UTC, to the microsecond.
enum Timestamp {
  static func text(realtimeNanoseconds: Int64) -> String {
    let microseconds = floorDivide(realtimeNanoseconds, by: 1000).quotient
    let (seconds, fraction) = floorDivide(microseconds, by: 1_000_000)
    let (days, second) = floorDivide(seconds, by: 86400)
    let (year, month, day) = date(daysSince1970: days)
    let time = "\(pad(second / 3600, 2)):\(pad(second / 60 % 60, 2)):\(pad(second % 60, 2)).\(pad(fraction, 6))"
    return "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))T\(time)Z"
  }

  /// The proleptic Gregorian date, by 400-year eras that begin on 1 March (Howard Hinnant, "chrono-Compatible Low-Level
  /// Date Algorithms", civil_from_days).
  private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = floorDivide(days + 719_468, by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  private static func floorDivide(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }

  private static func pad(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: Swift.max(0, width - digits.utf8.count)) + digits
  }
}
