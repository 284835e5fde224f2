// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// What a `FrameSender` sends through: the rings of an AF_XDP socket, or a model of them.
protocol FramePort: ~Copyable {
  /// The kernel takes frames within `kick` and at no other time. Otherwise the device takes them when it likes.
  var takesInKick: Bool { get }
  /// Writes a frame, and its descriptor at a place of the transmit ring.
  mutating func write(_ bytes: Span<UInt8>, frame: Int, place: UInt32)
  /// Writes a descriptor that the kernel passes over.
  mutating func void(_ place: UInt32)
  /// Shows the kernel all places before this one.
  mutating func publish(_ put: UInt32)
  /// Has the kernel take what is shown, where it does not do so by itself.
  /// - Returns: why it stopped before the end; nil where it did not, or does not say.
  mutating func kick() -> Errno?
  /// The first place that the kernel has not taken, as it says itself.
  var taken: UInt32 { get }
  /// Frames that the kernel has given back since the last time.
  mutating func drainCompleted(_ body: (_ frame: Int) -> Void)
  /// Lets a little time pass.
  mutating func pause()
}

/// Sends frames through the rings of a port, and says which of them did not leave and why. Each leaves once or is said to
/// have failed, never both.
///
/// How the kernel tells what it did is `__xsk_generic_xmit` in its net/xdp/xsk.c.
struct FrameSender<Port: FramePort & ~Copyable>: ~Copyable {
  /// Waits of one `send` for room, as in `MessageSlots`.
  private static var waits: Int { 16 }

  private(set) var port: Port
  private var ledger: FrameLedger

  init(_ port: consuming Port, frames: Int, places: Int) {
    self.port = port
    ledger = FrameLedger(frames: frames, places: places)
  }

  /// Sends the first `count` messages in order. One that fails does not hold up the others.
  ///
  /// Where there is no room it is waited for, a few milliseconds at most in one call. A frame that the driver drops is sent
  /// again behind the others while such a wait remains.
  /// - Parameter onFailure: gets the slot of each message that did not leave, and why.
  /// - Returns: how many left.
  mutating func send(
    _ slots: borrowing MessageSlots, _ count: Int, onFailure: (_ index: Int, _ errno: Errno) -> Void
  ) -> Int {
    var failed = 0
    func fail(_ index: Int, _ errno: Errno) {
      failed += 1
      onFailure(index, errno)
    }
    reclaim()
    // What an earlier call left in the ring is gone over first: while nothing leaves, nothing more is put in.
    var obstacle = ledger.untaken > 0 ? push(slots, fail) : nil
    var next = 0
    while next < count, obstacle == nil {
      if put(next, of: slots) {
        next += 1
      } else {
        obstacle = makeRoom(slots, fail)
      }
    }
    if obstacle == nil { obstacle = push(slots, fail) }
    for index in next..<count { fail(index, obstacle ?? .resourceTemporarilyUnavailable) }
    return count - failed
  }

  private mutating func put(_ index: Int, of slots: borrowing MessageSlots) -> Bool {
    guard let (frame, place) = ledger.put(tag: index) else { return false }
    port.write(slots.packet(index), frame: frame, place: place)
    return true
  }

  /// Has the kernel take what stands in the ring. What it does not take is taken back and has failed.
  /// - Returns: why nothing can be sent at present.
  private mutating func push(
    _ slots: borrowing MessageSlots, _ onFailure: (_ index: Int, _ errno: Errno) -> Void
  ) -> Errno? {
    port.publish(ledger.put)
    var waits = Self.waits
    // A call may do no more than pass over one voided place, and say nothing.
    var silences = ledger.untaken + 2
    var isFirst = true
    while true {
      let before = ledger.taken
      _ = ledger.takeNewest()
      let errno = port.kick()
      reclaim()
      switch errno {
      case nil:
        if ledger.untaken == 0 || !port.takesInKick { return nil }
        silences -= 1
        if silences > 0 { continue }
      case .resourceBusy? where port.takesInKick:
        // The driver has dropped a frame, which counts as completed, and the call ended with that.
        if let index = ledger.takeNewest() {
          if waits > 0, put(index, of: slots) {
            port.publish(ledger.put)
          } else {
            onFailure(index, .noBufferSpace)
          }
        }
        if ledger.untaken == 0 { return nil }
        if waits == 0 { continue }
      case .resourceTemporarilyUnavailable?, .noBufferSpace?, .noMemory?, .resourceBusy?:
        // A call takes only so many (`max_tx_budget`), and old kernels show late what they took.
        if ledger.taken != before || isFirst {
          isFirst = false
          continue
        }
      case let errno?: return giveUp(errno, onFailure)
      }
      guard waits > 0 else { return giveUp(.resourceTemporarilyUnavailable, onFailure) }
      waits -= 1
      port.pause()
    }
  }

  private mutating func giveUp(_ errno: Errno, _ onFailure: (_ index: Int, _ errno: Errno) -> Void) -> Errno {
    // A device may be at it; what it has been given leaves when it can.
    if port.takesInKick { Self.takeBack(&port, &ledger) { onFailure($0, errno) } }
    return errno
  }

  private static func takeBack(_ port: inout Port, _ ledger: inout FrameLedger, _ body: (_ index: Int) -> Void) {
    ledger.takeBack { place, index in
      port.void(place)
      body(index)
    }
  }

  /// Waits for a frame to come back.
  private mutating func makeRoom(
    _ slots: borrowing MessageSlots, _ onFailure: (_ index: Int, _ errno: Errno) -> Void
  ) -> Errno? {
    if let obstacle = push(slots, onFailure) { return obstacle }
    for _ in 0..<Self.waits where ledger.freeCount == 0 {
      port.pause()
      reclaim()
    }
    return ledger.freeCount > 0 ? nil : .resourceTemporarilyUnavailable
  }

  private mutating func reclaim() { Self.reclaim(&port, &ledger) }

  private static func reclaim(_ port: inout Port, _ ledger: inout FrameLedger) {
    port.drainCompleted { ledger.complete($0) }
    ledger.noteTaken(upTo: port.taken)
  }
}
