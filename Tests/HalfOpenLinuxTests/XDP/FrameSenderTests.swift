// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import TestSupport
import Testing

@testable import HalfOpenLinux

@Suite("A sender of frames, against a kernel in memory") struct FrameSenderTests {
  /// Sends `batches` of 64 numbered frames each, and says which failed and why.
  private static func run(
    _ kernel: ModelKernel, batches: Int, frames: Int = 256, onBatch: (Int) -> Void = { _ in }
  ) -> [(number: Int, errno: Errno)] {
    var sender = FrameSender(ModelPort(kernel: kernel), capacity: 64, frames: frames, places: kernel.places)
    var failures: [(number: Int, errno: Errno)] = []
    for batch in 0..<batches {
      onBatch(batch)
      // Two kinds of frames, so that memory goes from one to the other.
      sender.append(40, length: 60, start: 0, begin: begin(0)) { write(batch * 64 + $0, into: &$1) }
      sender.append(24, length: 61, start: 1, begin: begin(1)) { write(batch * 64 + 40 + $0, into: &$1) }
      let before = failures.count
      let sent = sender.flush { failures.append((Int($0), $1)) }
      #expect(sent + failures.count - before == 64)
    }
    return failures
  }

  private static func begin(_ kind: UInt8) -> (inout MutableSpan<UInt8>) -> Void {
    { span in for byte in span.indices { span[byte] = kind } }
  }

  private static func write(_ number: Int, into span: inout MutableSpan<UInt8>) -> UInt64 {
    for byte in 0..<4 { span[byte] = UInt8(truncatingIfNeeded: number >> (24 - 8 * byte)) }
    return UInt64(number)
  }

  private static func numbers(_ kernel: ModelKernel) -> [Int] {
    kernel.wire.map { $0.prefix(4).reduce(0) { $0 << 8 | Int($1) } }
  }

  /// Each frame has left once or failed once, and those that left did so in order where none was dropped.
  private static func expectSettled(
    _ kernel: ModelKernel, _ failures: [(number: Int, errno: Errno)], count: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let sent = numbers(kernel)
    #expect(kernel.breaches.isEmpty, "\(kernel.breaches.prefix(3))", sourceLocation: sourceLocation)
    let isWhole = kernel.wire.indices.allSatisfy { index in
      let kind: UInt8 = sent[index] % 64 < 40 ? 0 : 1
      return kernel.wire[index].count == 60 + Int(kind) && kernel.wire[index].dropFirst(4).allSatisfy { $0 == kind }
    }
    #expect(isWhole, sourceLocation: sourceLocation)
    #expect(kernel.faults.drops > 0 || sent == sent.sorted(), sourceLocation: sourceLocation)
    #expect((sent + failures.map(\.number)).sorted() == Array(0..<count), sourceLocation: sourceLocation)
  }

  @Test("without faults every frame leaves, once and in order", arguments: [65, 128, 1024])
  func plain(frames: Int) {
    let kernel = ModelKernel(frames: frames, places: 1024, seed: 1)
    let failures = Self.run(kernel, batches: 100, frames: frames)
    Self.expectSettled(kernel, failures, count: 6400)
    #expect(failures.isEmpty)
  }

  @Test("a kernel that tells late what it took loses and doubles nothing") func lateWord() {
    let kernel = ModelKernel(frames: 128, places: 128, seed: 2, faults: .init(busy: 20))
    kernel.isLate = true
    let failures = Self.run(kernel, batches: 200, frames: 128)
    #expect(failures.isEmpty && Self.numbers(kernel) == Array(0..<12_800) && kernel.breaches.isEmpty)
  }

  @Test(
    "a frame that the driver drops is sent again, and no other; where too many are, they fail",
    arguments: [30, 500, 1000])
  func drops(of1000: Int) {
    let kernel = ModelKernel(frames: 256, places: 256, seed: 3, faults: .init(drops: of1000))
    let failures = Self.run(kernel, batches: 50)
    Self.expectSettled(kernel, failures, count: 3200)
    #expect(failures.allSatisfy { $0.errno == .noBufferSpace })
    switch of1000 {
    case 30: #expect(failures.isEmpty)
    case 500: #expect(failures.count > 500 && failures.count < 2500)
    default: #expect(failures.count == 3200)
    }
  }

  @Test("while nothing leaves, everything fails with the reason; then everything leaves") func outage() {
    let kernel = ModelKernel(frames: 256, places: 256, seed: 4)
    let failures = Self.run(kernel, batches: 100) { batch in kernel.faults.down = (10..<90).contains(batch) ? 1000 : 0
    }
    Self.expectSettled(kernel, failures, count: 6400)
    #expect(failures.map(\.number) == Array(640..<5760) && failures.allSatisfy { $0.errno == .networkDown })
    // Only one batch stood in the ring meanwhile.
    #expect(kernel.voided == 64)
  }

  @Test("a queue that takes nothing gives the frames up after a while, and sends none of them later") func stuck() {
    let kernel = ModelKernel(frames: 256, places: 256, seed: 5)
    let failures = Self.run(kernel, batches: 30) { kernel.isStuck = (10..<20).contains($0) }
    Self.expectSettled(kernel, failures, count: 1920)
    #expect(failures.map(\.number) == Array(640..<1280))
    #expect(failures.allSatisfy { $0.errno == .resourceTemporarilyUnavailable })
  }

  @Test("under every fault at once each frame leaves once or fails once", arguments: 0..<30 as Range<UInt64>)
  func faults(seed: UInt64) {
    let batches = LongRun.count(short: 40, long: 1000)
    let kernel = ModelKernel(
      frames: 192, places: 128, seed: seed, faults: .init(drops: 20, busy: 100, down: 30))
    let failures = Self.run(kernel, batches: batches, frames: 192)
    Self.expectSettled(kernel, failures, count: batches * 64)
    #expect(failures.count < batches * 64 / 2)
  }

  @Test("a device that takes frames when it likes has each once, or never", arguments: 0..<10 as Range<UInt64>)
  func zeroCopy(seed: UInt64) {
    let kernel = ModelKernel(frames: 128, places: 128, seed: seed, takesInKick: false, faults: .init(down: 20))
    var failures = Self.run(kernel, batches: 200, frames: 128) { kernel.isStuck = (50..<60).contains($0) }
    // The last are still with the device.
    let sent = Set(Self.numbers(kernel))
    let known = sent.union(failures.map(\.number))
    failures += (0..<12_800).filter { !known.contains($0) }.suffix(128).map { ($0, .resourceBusy) }
    Self.expectSettled(kernel, failures, count: 12_800)
    #expect(failures.contains { $0.errno == .resourceTemporarilyUnavailable } && sent.count > 2000)
  }
}
