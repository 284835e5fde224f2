// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import SystemPackage

/// The engine's block of source ports, reserved one by one as they are needed.
struct SourcePorts {
  /// Every port that may be reserved: what the capture's filter lets through.
  let window: ClosedRange<UInt16>
  private var candidates: [UInt16]
  private var reserved: [PortReservation] = []
  /// Reserved and not yet handed out.
  private var unused: [UInt16] = []

  /// A block of `count` ports outside of the kernel's own range, or exactly the ports of `range`.
  ///
  /// - Throws: `CheckError` that names the range, if every port of it is in use.
  init(range: ClosedRange<UInt16>?, count: Int) throws(CheckError) {
    if let range {
      window = range
      candidates = Array(range).reversed()
      try reserveFirst(of: range)
      return
    }
    window = SourcePorts.block(of: count, avoiding: ephemeralPorts())
    candidates = window.reversed()
  }

  /// Where a block lies: above the kernel's range or below, at random so that two engines seldom want the same ports.
  static func block(of count: Int, avoiding taken: ClosedRange<UInt16>) -> ClosedRange<UInt16> {
    let count = min(max(count, 1), 30_000)
    let above = (Int(taken.upperBound) + 1)..<65_536
    let below = 10_000..<max(10_000, Int(taken.lowerBound))
    let room = above.count >= count ? above : below.count >= count ? below : 10_000..<65_536
    let start = Int.random(in: room.lowerBound...(room.upperBound - count))
    return UInt16(clamping: start)...UInt16(clamping: start + count - 1)
  }

  /// Up to `count` more ports; those in use by others are passed over.
  mutating func reserve(_ count: Int) -> [UInt16] {
    var found = unused
    unused.removeAll()
    while found.count < count, let port = candidates.popLast() {
      guard let reservation = try? PortReservation(port) else { continue }
      reserved.append(reservation)
      found.append(port)
    }
    return found
  }

  /// One port is taken at once, so that a range without a free one shows now and not in every check.
  private mutating func reserveFirst(of range: ClosedRange<UInt16>) throws(CheckError) {
    var failure = SystemCallError(call: "bind", errno: .addressInUse)
    while let port = candidates.popLast() {
      do throws(SystemCallError) {
        reserved.append(try PortReservation(port))
        unused.append(port)
        return
      } catch {
        failure = error
      }
    }
    let name =
      range.count == 1 ? "source port \(range.lowerBound)" : "source ports \(range.lowerBound)-\(range.upperBound)"
    throw CheckError(
      .addressNotAvailable, subject: name, advice: "choose another --source-port", errno: failure.errno,
      call: "\(failure.call)")
  }
}
