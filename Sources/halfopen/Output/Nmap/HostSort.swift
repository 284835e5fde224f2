// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// Gives a file's records sorted by host, in a few mebibytes of memory however many there are: sorted runs on a second
/// file, merged.
struct HostSort {
  /// Records that are sorted at a time, 4 MiB.
  var runLength = 1 << 16
  /// Runs that are merged at a time, with 32 KiB each.
  var fanIn = 64
  /// Where scratch files go, which have no name.
  let folder: String

  private struct Run {
    var start: Int64
    var count: Int64
  }

  /// - Parameters:
  ///   - start: where in the file the records begin.
  ///   - count: how many there are.
  func sorted(
    _ source: borrowing Descriptor, from start: Int64, count: Int64,
    _ body: (HostRecord) throws(SystemCallError) -> Void
  ) throws(SystemCallError) {
    var scratch = try openUnnamed(in: folder)
    var runs = try makeRuns(source, from: start, count: count, to: scratch)
    while runs.count > fanIn {
      let next = try openUnnamed(in: folder)
      let writer = RunWriter(start: 0)
      var merged: [Run] = []
      for group in stride(from: 0, to: runs.count, by: fanIn) {
        let part = runs[group..<min(group + fanIn, runs.count)]
        merged.append(Run(start: writer.position, count: part.reduce(0) { $0 + $1.count }))
        try merge(part, of: scratch) { record throws(SystemCallError) in try writer.append(record, to: next) }
      }
      try writer.flush(to: next)
      scratch = next
      runs = merged
    }
    try merge(runs[...], of: scratch, body)
  }

  private func makeRuns(
    _ source: borrowing Descriptor, from start: Int64, count: Int64, to scratch: borrowing Descriptor
  ) throws(SystemCallError) -> [Run] {
    var runs: [Run] = []
    var first: Int64 = 0
    let writer = RunWriter(start: 0)
    while first < count {
      let length = min(Int64(runLength), count - first)
      let bytes = try read(Int(length) * HostRecord.size, at: start + first * Int64(HostRecord.size), from: source)
      var records = stride(from: 0, through: bytes.count - HostRecord.size, by: HostRecord.size)
        .map { HostRecord(bytes, at: $0) }
      records.sort(by: HostRecord.precedes)
      runs.append(Run(start: writer.position, count: Int64(records.count)))
      for record in records { try writer.append(record, to: scratch) }
      first += length
    }
    try writer.flush(to: scratch)
    return runs
  }

  private func merge(
    _ runs: ArraySlice<Run>, of file: borrowing Descriptor, _ body: (HostRecord) throws(SystemCallError) -> Void
  ) throws(SystemCallError) {
    var readers: [RunReader] = []
    // A heap: no entry precedes the one at half its place.
    var heads: [(record: HostRecord, reader: Int)] = []
    for run in runs {
      let reader = RunReader(position: run.start, count: run.count)
      if let record = try reader.next(from: file) {
        heads.append((record, readers.count))
        rise(&heads)
      }
      readers.append(reader)
    }
    while let (record, reader) = heads.first {
      try body(record)
      if let next = try readers[reader].next(from: file) {
        heads[0].record = next
      } else {
        heads.swapAt(0, heads.count - 1)
        heads.removeLast()
      }
      sink(&heads)
    }
  }

  private func rise(_ heads: inout [(record: HostRecord, reader: Int)]) {
    var place = heads.count - 1
    while place > 0, HostRecord.precedes(heads[place].record, heads[(place - 1) / 2].record) {
      heads.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  private func sink(_ heads: inout [(record: HostRecord, reader: Int)]) {
    var place = 0
    while 2 * place + 1 < heads.count {
      var child = 2 * place + 1
      if child + 1 < heads.count, HostRecord.precedes(heads[child + 1].record, heads[child].record) { child += 1 }
      guard HostRecord.precedes(heads[child].record, heads[place].record) else { return }
      heads.swapAt(child, place)
      place = child
    }
  }
}

/// Reads a run's records in blocks.
private final class RunReader {
  private static let block: Int64 = 512
  private var position: Int64
  private var rest: Int64
  private var bytes: [UInt8] = []
  private var offset = 0

  init(position: Int64, count: Int64) {
    self.position = position
    rest = count
  }

  func next(from file: borrowing Descriptor) throws(SystemCallError) -> HostRecord? {
    if offset + HostRecord.size > bytes.count {
      guard rest > 0 else { return nil }
      let count = min(rest, RunReader.block)
      bytes = try read(Int(count) * HostRecord.size, at: position, from: file)
      position += Int64(bytes.count)
      rest -= count
      offset = 0
      guard bytes.count >= HostRecord.size else { return nil }
    }
    defer { offset += HostRecord.size }
    return HostRecord(bytes, at: offset)
  }
}

/// Writes records one behind the other.
private final class RunWriter {
  private var written: Int64
  private var bytes: [UInt8] = []

  init(start: Int64) { written = start }

  var position: Int64 { written + Int64(bytes.count) }

  func append(_ record: HostRecord, to file: borrowing Descriptor) throws(SystemCallError) {
    record.append(to: &bytes)
    if bytes.count >= 1 << 18 { try flush(to: file) }
  }

  func flush(to file: borrowing Descriptor) throws(SystemCallError) {
    try write(bytes, at: written, to: file)
    written += Int64(bytes.count)
    bytes.removeAll(keepingCapacity: true)
  }
}
