// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import HalfOpenLinux

@Suite("A ledger of frames") struct FrameLedgerTests {
  @Test("gives each frame out once until it comes back") func room() {
    var ledger = FrameLedger(frames: 5, slots: 1, places: 8)
    var frames: Set<Int> = []
    for _ in 0..<4 { if let (frame, _) = ledger.put(slot: 0) { frames.insert(frame) } }
    let none = ledger.put(slot: 0)?.frame
    let own = ledger.frame(of: 0)
    #expect(frames.count == 4 && none == nil && !frames.contains(own))
    let back = frames.first ?? -1
    ledger.complete(back)
    let next = [ledger.put(slot: 0)?.frame, ledger.frame(of: 0)]
    #expect(next == [own, back])
  }

  @Test("a slot keeps its frame until that is put into the ring, and always has one") func slots() {
    var ledger = FrameLedger(frames: 4, slots: 3, places: 8)
    let first = (0..<3).map { ledger.frame(of: $0) }
    let again = (0..<3).map { ledger.frame(of: $0) }
    #expect(first == again && Set(first).count == 3)
    let out = [ledger.put(slot: 1)?.frame, ledger.put(slot: 2)?.frame]
    #expect(out == [first[1], nil])
    let second = (0..<3).map { ledger.frame(of: $0) }
    #expect(second[0] == first[0] && second[2] == first[2] && Set(first + second).count == 4)
  }

  @Test("is full where the kernel has not gone over the ring, however many frames are free") func fullRing() {
    var ledger = FrameLedger(frames: 8, slots: 4, places: 4)
    for slot in 0..<4 { _ = ledger.put(slot: slot) }
    ledger.takeBack { _, _ in }
    let none = ledger.put(slot: 0)?.place
    let (room, untaken) = (ledger.room, ledger.untaken)
    #expect(room == 4 && untaken == 4 && none == nil)
    ledger.noteTaken(upTo: 4)
    let place = ledger.put(slot: 0)?.place
    #expect(place == 4)
  }

  @Test("a frame that has come back goes out again as it is, unless a slot has it already") func again() {
    var ledger = FrameLedger(frames: 6, slots: 2, places: 8)
    let frames = (0..<4).compactMap { ledger.put(slot: $0 % 2)?.frame }
    let isOut = ledger.putAgain(frames[2])
    for frame in frames { ledger.complete(frame) }
    let newest = ledger.takeNewest()
    let place = ledger.putAgain(frames[1])
    #expect(isOut == nil && newest?.frame == frames[3] && newest?.slot == 1 && place == 4)
    let doubled = ledger.putAgain(frames[1])
    let own = [ledger.frame(of: 0), ledger.frame(of: 1)]
    let taken = own.map { ledger.putAgain($0) }
    #expect(doubled == nil && own == [frames[3], frames[2]] && taken == [nil, nil])
  }

  @Test("a frame that is not out is not given back, nor is one that there never was") func strangers() {
    var ledger = FrameLedger(frames: 2, slots: 1, places: 2)
    _ = ledger.put(slot: 0)
    let known = [1, -1, 2, .max, 0, 0].map { ledger.complete($0) }
    let room = ledger.room
    #expect(known == [false, false, false, false, true, false] && room == 1)
  }

  @Test("what has come back was taken, and so was all before it; the furthest of them is the newest")
  func newest() {
    var ledger = FrameLedger(frames: 16, slots: 8, places: 8)
    let frames = (0..<5).compactMap { ledger.put(slot: $0)?.frame }
    ledger.complete(frames[3])
    ledger.complete(frames[1])
    let newest = [ledger.takeNewest()?.slot, ledger.takeNewest()?.slot]
    let (taken, untaken) = (ledger.taken, ledger.untaken)
    #expect(taken == 4 && untaken == 1 && newest == [3, nil])
    var back: [Int] = []
    ledger.takeBack { _, slot in back.append(slot) }
    #expect(back == [4])
  }

  @Test("the kernel's word for where it is counts forward only") func backward() {
    var ledger = FrameLedger(frames: 8, slots: 4, places: 8)
    for slot in 0..<4 { _ = ledger.put(slot: slot) }
    ledger.noteTaken(upTo: 3)
    ledger.noteTaken(upTo: 1)
    ledger.noteTaken(upTo: 5)
    let taken = ledger.taken
    #expect(taken == 3)
  }

  @Test("whatever happens, each frame is in one place and each message ends once", arguments: 0..<20 as Range<UInt64>)
  func walk(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var ledger = FrameLedger(frames: 20, slots: 4, places: 32)
    // The truth: frames by the place they stand at, taken or not, frames of slots, and messages that have not ended.
    var out: [(frame: Int, place: UInt32, message: Int)] = []
    var held: [Int: Int] = [:]
    var returned: [Int] = []
    var (taken, nextMessage) = (UInt32(0), 0)
    var ended: [Int: Int] = [:]
    for _ in 0..<LongRun.count(short: 2000, long: 50_000) {
      let put = ledger.put
      switch Int.random(in: 0..<10, using: &random) {
      case 0...2:
        let slot = Int.random(in: 0..<4, using: &random)
        let isFull = out.count == 16 || put &- taken == 32
        let entry = ledger.put(slot: slot)
        #expect((entry == nil) == isFull)
        guard let entry else { continue }
        #expect(!out.contains { $0.frame == entry.frame } && held[slot].map { $0 == entry.frame } ?? true)
        held[slot] = nil
        out.append((entry.frame, entry.place, nextMessage))
        nextMessage += 1
      case 3:
        // The kernel takes some, and says so.
        taken &+= UInt32.random(in: 0...(put &- taken), using: &random)
        ledger.noteTaken(upTo: taken)
      case 4...6:
        // It completes any that it has taken.
        let candidates = out.indices.filter { Int32(bitPattern: taken &- out[$0].place) > 0 }
        guard let index = candidates.randomElement(using: &random) else { continue }
        let isKnown = ledger.complete(out[index].frame)
        #expect(isKnown)
        returned.append(out[index].frame)
        ended[out.remove(at: index).message, default: 0] += 1
      case 7:
        let slot = Int.random(in: 0..<4, using: &random)
        let frame = ledger.frame(of: slot)
        #expect(!out.contains { $0.frame == frame } && held.allSatisfy { $0.key == slot || $0.value != frame })
        #expect(held[slot].map { $0 == frame } ?? true)
        held[slot] = frame
      case 8:
        guard let frame = returned.randomElement(using: &random) else { continue }
        let isFree = !out.contains { $0.frame == frame } && !held.values.contains(frame)
        let place = ledger.putAgain(frame)
        #expect((place != nil) == (isFree && out.count < 16 && put &- taken < 32))
        guard let place else { continue }
        out.append((frame, place, nextMessage))
        nextMessage += 1
      default:
        guard Int.random(in: 0..<10, using: &random) == 0 else { continue }
        var back: [UInt32] = []
        ledger.takeBack { place, _ in back.append(place) }
        let due = out.filter { Int32(bitPattern: taken &- $0.place) <= 0 }.sorted { $0.message < $1.message }
        #expect(back == due.map(\.place))
        for entry in due {
          ended[entry.message, default: 0] += 1
          returned.append(entry.frame)
        }
        out.removeAll { entry in due.contains { $0.place == entry.place } }
      }
      let (room, isTaken) = (ledger.room, ledger.taken == taken)
      #expect(room == 16 - out.count && isTaken)
    }
    #expect(ended.values.allSatisfy { $0 == 1 } && ended.count + out.count == nextMessage && nextMessage > 200)
  }
}
