// SPDX-License-Identifier: Apache-2.0

/// Whose each frame of an AF_XDP socket's memory is. Pure: the rings are somebody else's.
///
/// A frame is free, stands in the transmit ring, is the kernel's, and is free again when the kernel has completed it. The
/// kernel takes frames in the order of the ring and completes them in any order. Places count up from 0 and wrap at 2^32.
struct FrameLedger {
  /// A frame that is not free: where it stands in the ring, and what it is called.
  private struct Entry {
    var isOut = false
    var place: UInt32 = 0
    var tag = 0
  }

  /// The place of the next frame to be put in.
  private(set) var put: UInt32 = 0
  /// The first place that the kernel has not taken, as far as is known: it may have gone further.
  private(set) var taken: UInt32 = 0

  private var entries: [Entry]
  /// The last one that came back is the first one given out: it is warm in the processor's cache.
  private var free: [Int]
  private var order: [Int]
  private var newest: Int?

  /// - Parameters:
  ///   - frames: how many there are.
  ///   - places: of the transmit ring, a power of two.
  init(frames: Int, places: Int) {
    precondition(frames > 0 && places > 0 && places & (places - 1) == 0)
    entries = Array(repeating: Entry(), count: frames)
    free = Array((0..<frames).reversed())
    order = Array(repeating: 0, count: places)
  }

  var freeCount: Int { free.count }
  /// Places that the kernel has still to go over.
  var untaken: Int { Int(put &- taken) }

  /// Puts a free frame into the ring.
  /// - Returns: nil where every frame is out or the ring is full.
  mutating func put(tag: Int) -> (frame: Int, place: UInt32)? {
    guard untaken < order.count, let frame = free.popLast() else { return nil }
    defer { put &+= 1 }
    entries[frame] = Entry(isOut: true, place: put, tag: tag)
    order[index(put)] = frame
    return (frame, put)
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
    entries[frame].isOut = false
    free.append(frame)
    let place = entries[frame].place
    noteTaken(upTo: place &+ 1)
    if newest.map({ Int32(bitPattern: place &- entries[$0].place) > 0 }) ?? true { newest = frame }
    return true
  }

  /// The tag of the frame furthest on in the ring of those that have come back since this was asked last.
  mutating func takeNewest() -> Int? {
    defer { newest = nil }
    return newest.map { entries[$0].tag }
  }

  /// Frees every frame that the kernel has not taken. Their places remain for it to go over: they must hold nothing then.
  mutating func takeBack(_ body: (_ place: UInt32, _ tag: Int) -> Void) {
    var place = taken
    while place != put {
      let frame = order[index(place)]
      if entries[frame].isOut, entries[frame].place == place {
        entries[frame].isOut = false
        free.append(frame)
        body(place, entries[frame].tag)
      }
      place &+= 1
    }
  }

  private func index(_ place: UInt32) -> Int { Int(place) & (order.count - 1) }
}
