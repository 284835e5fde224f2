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

  /// A block of `count` ports outside of the kernel's own range, or exactly the ports of `range`. One is taken at once, so
  /// that a range without a free one shows now and not in every check.
  ///
  /// - Throws: `CheckError` that names the range, if every port of it is in use; without descriptors too.
  init(range: ClosedRange<UInt16>?, count: Int) throws(CheckError) {
    let blocks = range.map { [$0] } ?? SourcePorts.blocks(of: count, avoiding: ephemeralPorts())
    // Where the first port is taken the others are another engine's too, or will be: replies to them would come to both.
    // It is kept at once, for who looks at the same moment.
    var first: PortReservation?
    let free = blocks.first { block in
      first = try? PortReservation(block.lowerBound)
      return first != nil
    }
    window = free ?? blocks[0]
    candidates = window.reversed()
    if let first {
      candidates.removeLast()
      reserved = [first]
      unused = [first.port]
      return
    }
    do throws(SystemCallError) {
      try reserveNext()
    } catch {
      let name =
        window.count == 1
        ? "source port \(window.lowerBound)" : "source ports \(window.lowerBound)-\(window.upperBound)"
      if error.isLackOfDescriptors { throw CheckError(error, subject: "reserving \(name)") }
      throw CheckError(
        .addressNotAvailable, subject: name, advice: "choose another --source-port", errno: error.errno,
        call: "\(error.call)")
    }
  }

  /// Where a block may lie, none over another: above the kernel's range, then below, each from a place at random on. At
  /// least one.
  static func blocks(of count: Int, avoiding taken: ClosedRange<UInt16>) -> [ClosedRange<UInt16>] {
    let count = min(max(count, 1), 30_000)
    let rooms = [(Int(taken.upperBound) + 1)..<65_536, 10_000..<max(10_000, Int(taken.lowerBound))]
    var starts = rooms.flatMap { room in
      let all = Array(stride(from: room.lowerBound, through: room.upperBound - count, by: count))
      // Not shuffled: a random number for each of 1,700 blocks takes a millisecond.
      let first = all.indices.randomElement() ?? 0
      return all[first...] + all[..<first]
    }
    if starts.isEmpty { starts = [.random(in: 10_000...(65_536 - count))] }
    return starts.map { UInt16(clamping: $0)...UInt16(clamping: $0 + count - 1) }
  }

  /// Up to `count` more ports; those in use by others are passed over. Fewer where there are no descriptors for them.
  mutating func reserve(_ count: Int) -> [UInt16] {
    while unused.count < count, (try? reserveNext()) != nil {}
    defer { unused.removeAll() }
    return unused
  }

  /// - Throws: `SystemCallError`, EMFILE without a descriptor for the next port, which is kept for later.
  private mutating func reserveNext() throws(SystemCallError) {
    var failure = SystemCallError(call: "bind", errno: .addressInUse)
    while let port = candidates.last {
      do throws(SystemCallError) {
        reserved.append(try PortReservation(port))
        unused.append(port)
        candidates.removeLast()
        return
      } catch {
        if error.isLackOfDescriptors { throw error }
        failure = error
        candidates.removeLast()
      }
    }
    throw failure
  }
}
