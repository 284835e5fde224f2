// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenLinux
import Synchronization
import TestSupport
import Testing

@testable import halfopen_command

@Suite(.timeLimit(.minutes(2))) struct LineWriterTests {
  /// More than a pipe holds, twice: the writer is in the midst of the first batch when the second one is queued.
  @Test func closingWaitsForTheLastLineAndNotForAnEarlierBatch() async throws {
    var ends: [CInt] = [0, 0]
    try retrying("pipe") { unsafe pipe(&ends) }
    let reading = Descriptor(owning: ends[0])
    let writing = Descriptor(owning: ends[1])
    let writer = try LineWriter(descriptor: writing.rawValue) { _ in }
    let batch = [UInt8](repeating: 0x0a, count: 200_000)
    await writer.write(batch)
    // The writer has taken the first batch once something of it can be read.
    var byte: [UInt8] = [0]
    #expect(try readSome(into: &byte, from: reading.rawValue) == 1)
    await writer.write(batch)
    let isClosed = Atomic(false)
    async let failure = {
      let failure = await writer.close()
      isClosed.store(true, ordering: .releasing)
      return failure
    }()
    var count = 1
    var chunk = [UInt8](repeating: 0, count: 4096)
    while count < 2 * batch.count {
      // What a pipe holds (64 KiB) may be written and not read.
      let hasClosed = isClosed.load(ordering: .acquiring)
      #expect(!hasClosed || count >= 2 * batch.count - 65_536)
      count += try readSome(into: &chunk, from: reading.rawValue)
      try await Task.sleep(for: .microseconds(100))
    }
    #expect(await failure == nil)
  }
}
