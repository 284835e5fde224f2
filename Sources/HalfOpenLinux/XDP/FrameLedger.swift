// SPDX-License-Identifier: Apache-2.0

/// Whose each frame of an AF_XDP socket's memory is. Pure: the rings are somebody else's.
///
/// A frame is free, is a slot's to write a message into, stands in the transmit ring, is the kernel's, and is free again
/// when the kernel has completed it. The kernel takes frames in the order of the ring and completes them in any order.
/// Places count up from 0 and wrap at 2^32.
struct FrameLedger: ~Copyable {
  /// A frame that is out: where it stands in the ring, and the slot that its message had.
  // Not private: Swift 6.3 then makes no debug build.
  struct Entry {
    var isOut = false
    var place: UInt32 = 0
    var slot = 0
  }

  /// The place of the next frame to be put in.
  private(set) var put: UInt32 = 0
  /// The first place that the kernel has not taken, as far as is known: it may have gone further.
  private(set) var taken: UInt32 = 0

  /// How many frames may go out: so many that each slot is sure of one to write into.
  private(set) var room: Int

  private var entries: Slab<Entry>
  /// A stack of `freeCount` frames. The last one that came back is the first one given out: it is warm in the processor's
  /// cache.
  private var free: Slab<Int>
  private var freeCount: Int
  /// By slot: its frame, nil while it has none.
  private var slots: Slab<Int?>
  private var order: Slab<Int>
  private var newest: Int?

  /// - Parameters:
  ///   - frames: how many there are: more than slots.
  ///   - slots: messages that are written at a time.
  ///   - places: of the transmit ring, a power of two.
  init(frames: Int, slots: Int, places: Int) {
    precondition(slots > 0 && frames > slots && places > 0 && places & (places - 1) == 0)
    room = frames - slots
    entries = Slab(repeating: Entry(), count: frames)
    free = Slab(repeating: 0, count: frames)
    freeCount = frames
    for frame in 0..<frames { free[frame] = frames - 1 - frame }
    self.slots = Slab(repeating: nil, count: slots)
    order = Slab(repeating: 0, count: places)
  }

  /// Places that the kernel has still to go over.
  var untaken: Int { Int(put &- taken) }

  /// The frame to write a slot's message into: the same until it is put into the ring.
  mutating func frame(of slot: Int) -> Int {
    if let frame = slots[slot] { return frame }
    // There is one: see `room`.
    freeCount -= 1
    let frame = free[freeCount]
    slots[slot] = frame
    return frame
  }

  /// Puts a slot's frame into the ring.
  /// - Returns: nil where too many frames are out or the ring is full: the slot keeps its frame.
  mutating func put(slot: Int) -> (frame: Int, place: UInt32)? {
    guard room > 0, untaken < order.count else { return nil }
    let frame = frame(of: slot)
    slots[slot] = nil
    return (frame, put(frame, of: slot))
  }

  /// Puts a frame that has come back into the ring once more, as its slot's.
  /// - Returns: nil where it is not free, too many frames are out or the ring is full.
  mutating func putAgain(_ frame: Int) -> UInt32? {
    guard room > 0, untaken < order.count else { return nil }
    guard var index = (0..<freeCount).last(where: { free[$0] == frame }) else { return nil }
    freeCount -= 1
    while index < freeCount {
      free[index] = free[index + 1]
      index += 1
    }
    return put(frame, of: entries[frame].slot)
  }

  private mutating func put(_ frame: Int, of slot: Int) -> UInt32 {
    defer { put &+= 1 }
    room -= 1
    entries[frame] = Entry(isOut: true, place: put, slot: slot)
    order[index(put)] = frame
    return put
  }

  /// The kernel says that it has gone on to this place. It may say so late, and never goes back.
  mutating func noteTaken(upTo place: UInt32) {
    if place &- taken <= put &- taken { taken = place }
  }

  /// The kernel gives a frame back, and so has taken all before it.
  /// - Returns: false for one that is not out, which changes nothing.
  @discardableResult
  mutating func complete(_ frame: Int) -> Bool {
    guard frame >= 0, frame < entries.count, entries[frame].isOut else { return false }
    release(frame)
    let place = entries[frame].place
    noteTaken(upTo: place &+ 1)
    if newest.map({ Int32(bitPattern: place &- entries[$0].place) > 0 }) ?? true { newest = frame }
    return true
  }

  /// The frame furthest on in the ring of those that have come back since this was asked last, and the slot it had.
  mutating func takeNewest() -> (frame: Int, slot: Int)? {
    defer { newest = nil }
    return newest.map { ($0, entries[$0].slot) }
  }

  /// Frees every frame that the kernel has not taken. Their places remain for it to go over: they must hold nothing then.
  mutating func takeBack(_ body: (_ place: UInt32, _ slot: Int) -> Void) {
    var place = taken
    while place != put {
      let frame = order[index(place)]
      if entries[frame].isOut, entries[frame].place == place {
        release(frame)
        body(place, entries[frame].slot)
      }
      place &+= 1
    }
  }

  private mutating func release(_ frame: Int) {
    entries[frame].isOut = false
    free[freeCount] = frame
    freeCount += 1
    room += 1
  }

  private func index(_ place: UInt32) -> Int { Int(place) & (order.count - 1) }
}
