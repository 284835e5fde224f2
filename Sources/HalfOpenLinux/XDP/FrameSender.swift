// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// What a `FrameSender` sends through: the rings of an AF_XDP socket, or a model of them.
protocol FramePort: ~Copyable {
  /// The kernel takes frames within `kick` and at no other time. Otherwise the device takes them when it likes.
  var takesInKick: Bool { get }
  /// Has the first bytes of a frame written, which are what was last left there.
  mutating func write<Value>(_ frame: Int, length: Int, _ body: (inout MutableSpan<UInt8>) -> Value) -> Value
  /// Writes the descriptor of a frame at a place of the transmit ring.
  mutating func describe(_ frame: Int, length: Int, at place: UInt32)
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
  /// Waits of one `flush` for room, as in `MessageSlots`.
  private static var waits: Int { 16 }

  /// What stands in a frame.
  // Not private: Swift 6.3 then makes no debug build.
  struct Contents {
    /// What it began as.
    var start = -1
    var length = 0
  }

  private(set) var port: Port
  /// Messages appended since the last flush.
  private(set) var count = 0
  private var ledger: FrameLedger
  /// By slot: what its message is called by who wrote it.
  private var tags: Slab<UInt64>
  /// By frame.
  private var contents: Slab<Contents>

  init(_ port: consuming Port, capacity: Int, frames: Int, places: Int) {
    self.port = port
    ledger = FrameLedger(frames: frames, slots: capacity, places: places)
    tags = Slab(repeating: 0, count: capacity)
    contents = Slab(repeating: Contents(), count: frames)
  }

  /// Adds messages, as any `FrameBatch` does: they are written where they leave from.
  mutating func append(
    _ number: Int, length: Int, start: Int, begin: (inout MutableSpan<UInt8>) -> Void,
    fill: (_ index: Int, _ frame: inout MutableSpan<UInt8>) -> UInt64
  ) {
    for index in 0..<number {
      let frame = ledger.frame(of: count)
      let isBegun = contents[frame].start == start
      tags[count] = port.write(frame, length: length) { bytes in
        if !isBegun { begin(&bytes) }
        return fill(index, &bytes)
      }
      contents[frame] = Contents(start: start, length: length)
      count += 1
    }
  }

  /// Sends all messages in order. One that fails does not hold up the others.
  ///
  /// Where there is no room it is waited for, a few milliseconds at most in one call. A frame that the driver drops is sent
  /// again behind the others while such a wait remains.
  /// - Parameter onFailure: gets the tag of each message that did not leave, and why.
  /// - Returns: how many left.
  mutating func flush(onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) -> Int {
    var failed = 0
    let count = count
    self.count = 0
    func fail(_ tag: UInt64, _ errno: Errno) {
      failed += 1
      onFailure(tag, errno)
    }
    reclaim()
    // What an earlier call left in the ring is gone over first: while nothing leaves, nothing more is put in.
    var obstacle = ledger.untaken > 0 ? push(fail) : nil
    var next = 0
    while next < count, obstacle == nil {
      if let (frame, place) = ledger.put(slot: next) {
        port.describe(frame, length: contents[frame].length, at: place)
        next += 1
      } else {
        obstacle = makeRoom(fail)
      }
    }
    if obstacle == nil { obstacle = push(fail) }
    for slot in next..<count { fail(tags[slot], obstacle ?? .resourceTemporarilyUnavailable) }
    return count - failed
  }

  /// Has the kernel take what stands in the ring. What it does not take is taken back and has failed.
  /// - Returns: why nothing can be sent at present.
  private mutating func push(_ onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) -> Errno? {
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
        if let (frame, slot) = ledger.takeNewest() {
          if waits > 0, let place = ledger.putAgain(frame) {
            port.describe(frame, length: contents[frame].length, at: place)
            port.publish(ledger.put)
          } else {
            onFailure(tags[slot], .noBufferSpace)
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

  private mutating func giveUp(_ errno: Errno, _ onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) -> Errno {
    // A device may be at it; what it has been given leaves when it can.
    if port.takesInKick { Self.takeBack(&port, &ledger, tags) { onFailure($0, errno) } }
    return errno
  }

  private static func takeBack(
    _ port: inout Port, _ ledger: inout FrameLedger, _ tags: borrowing Slab<UInt64>, _ body: (_ tag: UInt64) -> Void
  ) {
    ledger.takeBack { place, slot in
      port.void(place)
      body(tags[slot])
    }
  }

  /// Waits for a frame to come back.
  private mutating func makeRoom(_ onFailure: (_ tag: UInt64, _ errno: Errno) -> Void) -> Errno? {
    if let obstacle = push(onFailure) { return obstacle }
    for _ in 0..<Self.waits where ledger.room == 0 {
      port.pause()
      reclaim()
    }
    return ledger.room > 0 ? nil : .resourceTemporarilyUnavailable
  }

  private mutating func reclaim() { Self.reclaim(&port, &ledger) }

  private static func reclaim(_ port: inout Port, _ ledger: inout FrameLedger) {
    port.drainCompleted { ledger.complete($0) }
    ledger.noteTaken(upTo: port.taken)
  }
}
