// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import SystemPackage

/// `nmap-xml`: results go to a spool beside the output while the sweep runs. At the end they are grouped by host and
/// written in one go. The spool stays, for a resume: who has no use for it takes it away.
final class NmapFile: OutputSink {
  private static let magic = Array("halfopen spool 1".utf8)
  private static let block = 1 << 20

  private let output: Descriptor
  private let spool: Descriptor
  private let folder: String
  private let job: OutputJob
  private let startTime: Int64
  private var buffer: [UInt8] = []

  /// Where the results for an output wait.
  static func spool(of path: String) -> String { "\(path).spool" }

  /// - Parameter path: nil for standard output, whose spool is in the folder for temporary files and can't be resumed.
  init(
    _ output: consuming Descriptor, path: String?, job: OutputJob, isResuming: Bool
  ) throws(SystemCallError) {
    self.output = output
    self.job = job
    folder = path.map(HalfOpenLinux.folder(of:)) ?? environmentVariable("TMPDIR") ?? "/tmp"
    if let path {
      spool = try openScratch(NmapFile.spool(of: path), keeping: isResuming)
    } else {
      spool = try openUnnamed(in: folder)
    }
    let start = try read(HostRecord.size, at: 0, from: spool)
    if start.count < HostRecord.size {
      startTime = realtimeNanoseconds()
      var header = NmapFile.magic
      for shift in stride(from: Int64(0), to: 64, by: 8) {
        header.append(UInt8(truncatingIfNeeded: startTime >> shift))
      }
      header += [UInt8](repeating: 0, count: HostRecord.size - header.count)
      try setSize(of: spool, to: 0)
      try writeAll(header, to: spool)
    } else {
      // Not ours: nothing of it may be lost.
      guard start.starts(with: NmapFile.magic) else { throw SystemCallError(call: "open", errno: .fileExists) }
      startTime = start[16..<24].reversed().reduce(0) { $0 << 8 | Int64($1) }
      let size = try status(of: spool).size
      try setSize(of: spool, to: size - size % Int64(HostRecord.size))
    }
  }

  func take(_ pieces: [SweepPiece]) throws(SystemCallError) {
    for piece in pieces {
      switch piece {
      case .results(let results):
        for result in results { HostRecord(result).append(to: &buffer) }
        if buffer.count >= NmapFile.block { try writeSpool() }
      case .fault: break
      case .end(let progress):
        try writeSpool()
        try finish(progress)
      }
    }
    try writeSpool()
  }

  func synchronize() throws(SystemCallError) { try HalfOpenLinux.synchronize(spool) }

  private func writeSpool() throws(SystemCallError) {
    try writeAll(buffer[...], to: spool.rawValue)
    buffer.removeAll(keepingCapacity: true)
  }

  private func finish(_ progress: SweepProgress) throws(SystemCallError) {
    let isRegular = try status(of: output).isRegular
    if isRegular { try setSize(of: output, to: 0) }
    let size = Int64(HostRecord.size)
    let count = try status(of: spool).size / size - 1
    var xml = NmapXML(job: job, startTime: startTime)
    var text: [UInt8] = []
    var ports: [HostRecord] = []
    xml.begin(&text)
    try HostSort(folder: folder).sorted(spool, from: size, count: count) { record throws(SystemCallError) in
      if let last = ports.last, last.host == record.host {
        // What was found again after a kill.
        if last.port == record.port { return }
      } else {
        xml.append(host: ports, to: &text)
        ports.removeAll(keepingCapacity: true)
        if text.count >= NmapFile.block { try write(&text) }
      }
      ports.append(record)
    }
    xml.append(host: ports, to: &text)
    xml.end(progress, time: realtimeNanoseconds(), to: &text)
    try write(&text)
    if isRegular { try HalfOpenLinux.synchronize(output) }
  }

  private func write(_ text: inout [UInt8]) throws(SystemCallError) {
    try writeAll(text[...], to: output.rawValue)
    text.removeAll(keepingCapacity: true)
  }
}
