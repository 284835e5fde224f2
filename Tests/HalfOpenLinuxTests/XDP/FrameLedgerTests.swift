// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import HalfOpenLinux

@Suite("A ledger of frames") struct FrameLedgerTests {
  @Test("gives each frame out once until it comes back") func room() {
    var ledger = FrameLedger(frames: 4, places: 8)
    var frames: Set<Int> = []
    for tag in 0..<4 { if let (frame, _) = ledger.put(tag: tag) { frames.insert(frame) } }
    #expect(frames == [0, 1, 2, 3] && ledger.freeCount == 0)
    let none = ledger.put(tag: 4)?.frame
    #expect(none == nil)
    ledger.complete(2)
    let next = ledger.put(tag: 5)?.frame
    #expect(next == 2)
  }

  @Test("is full where the kernel has not gone over the ring, however many frames are free") func fullRing() {
    var ledger = FrameLedger(frames: 4, places: 4)
    for tag in 0..<4 { _ = ledger.put(tag: tag) }
    ledger.takeBack { _, _ in }
    let none = ledger.put(tag: 0)?.place
    #expect(ledger.freeCount == 4 && ledger.untaken == 4 && none == nil)
    ledger.noteTaken(upTo: 4)
    let place = ledger.put(tag: 0)?.place
    #expect(place == 4)
  }

  @Test("a frame that is not out is not given back, nor is one that there never was") func strangers() {
    var ledger = FrameLedger(frames: 2, places: 2)
    _ = ledger.put(tag: 0)
    let known = [1, -1, 2, .max, 0, 0].map { ledger.complete($0) }
    #expect(known == [false, false, false, false, true, false] && ledger.freeCount == 2)
  }

  @Test("what has come back was taken, and so was all before it; the furthest of them is the newest")
  func newest() {
    var ledger = FrameLedger(frames: 8, places: 8)
    let frames = (0..<5).compactMap { ledger.put(tag: $0)?.frame }
    ledger.complete(frames[3])
    ledger.complete(frames[1])
    let newest = [ledger.takeNewest(), ledger.takeNewest()]
    #expect(ledger.taken == 4 && ledger.untaken == 1 && newest == [3, nil])
    var taken: [Int] = []
    ledger.takeBack { _, tag in taken.append(tag) }
    #expect(taken == [4])
  }

  @Test("the kernel's word for where it is counts forward only") func backward() {
    var ledger = FrameLedger(frames: 8, places: 8)
    for tag in 0..<4 { _ = ledger.put(tag: tag) }
    ledger.noteTaken(upTo: 3)
    ledger.noteTaken(upTo: 1)
    ledger.noteTaken(upTo: 5)
    #expect(ledger.taken == 3)
  }

  @Test("whatever happens, each frame is in one place and each tag ends once", arguments: 0..<20 as Range<UInt64>)
  func walk(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var ledger = FrameLedger(frames: 16, places: 32)
    // The truth: frames by the place they stand at, taken or not, and tags that have not ended.
    var out: [(frame: Int, place: UInt32, tag: Int)] = []
    var (taken, nextTag) = (UInt32(0), 0)
    var ended: [Int: Int] = [:]
    for _ in 0..<LongRun.count(short: 2000, long: 50_000) {
      switch Int.random(in: 0..<8, using: &random) {
      case 0...2:
        let isFull = out.count == 16 || ledger.put &- taken == 32
        let entry = ledger.put(tag: nextTag)
        #expect((entry == nil) == isFull)
        guard let entry else { continue }
        #expect(!out.contains { $0.frame == entry.frame })
        out.append((entry.frame, entry.place, nextTag))
        nextTag += 1
      case 3:
        // The kernel takes some, and says so.
        taken &+= UInt32.random(in: 0...(ledger.put &- taken), using: &random)
        ledger.noteTaken(upTo: taken)
      case 4...6:
        // It completes any that it has taken.
        let candidates = out.indices.filter { Int32(bitPattern: taken &- out[$0].place) > 0 }
        guard let index = candidates.randomElement(using: &random) else { continue }
        let isKnown = ledger.complete(out[index].frame)
        #expect(isKnown)
        ended[out.remove(at: index).tag, default: 0] += 1
      default:
        guard Int.random(in: 0..<10, using: &random) == 0 else { continue }
        var back: [Int] = []
        ledger.takeBack { _, tag in back.append(tag) }
        let due = out.filter { Int32(bitPattern: taken &- $0.place) <= 0 }.sorted { $0.tag < $1.tag }.map(\.tag)
        #expect(back == due)
        out.removeAll { due.contains($0.tag) }
        for tag in back { ended[tag, default: 0] += 1 }
      }
      #expect(ledger.freeCount == 16 - out.count && ledger.taken == taken)
    }
    #expect(ended.values.allSatisfy { $0 == 1 } && ended.count + out.count == nextTag && nextTag > 200)
  }
}
