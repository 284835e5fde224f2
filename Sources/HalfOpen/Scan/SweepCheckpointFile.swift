// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization
import SystemPackage

/// A checkpoint on disk. However the process ends, it holds the last one that was stored, whole.
///
/// One process at a time has the file.
package final class SweepCheckpointFile: Sendable {
  /// Where the file is.
  package let path: String
  /// What it says beside the checkpoint.
  package let introduction: SweepCheckpointIntroduction
  private let descriptor: Descriptor
  private let journal: Mutex<SweepCheckpointJournal>
  private let executor: ThreadExecutor

  private init(
    _ descriptor: consuming Descriptor, path: String, introduction: SweepCheckpointIntroduction,
    journal: SweepCheckpointJournal
  ) throws(SystemCallError) {
    self.path = path
    self.introduction = introduction
    self.descriptor = descriptor
    self.journal = Mutex(journal)
    executor = try ThreadExecutor(name: "halfopen-resume")
  }

  deinit { executor.close() }

  /// Looks whether a new checkpoint may go there: no file is there, or one that is nobody's any more. Blocks.
  ///
  /// - Returns: an earlier checkpoint is there.
  /// - Throws: `CheckError` if it is in use, or something else.
  @discardableResult
  package static func look(at path: String) throws(CheckError) -> Bool {
    guard isRegularFile(path) else { return false }
    do throws(SystemCallError) { try refuseForeign(path) } catch { throw unwritable(path, error) }
    return true
  }

  /// Makes the file, with a first checkpoint in it, in the place of any that is there. Blocks.
  ///
  /// - Throws: `CheckError` if it can't be written, or if the one that is there is in use.
  package static func create(
    _ path: String, _ introduction: SweepCheckpointIntroduction, first: SweepCheckpoint
  ) throws(CheckError) -> SweepCheckpointFile {
    var introduction = introduction
    introduction.makeRoom(for: first.window)
    let bytes = SweepCheckpointFormat.encode(introduction)
    let journal = SweepCheckpointJournal(introductionSize: bytes.count, bitsSize: introduction.bitsSize)
    do throws(SystemCallError) {
      if isRegularFile(path) { try refuseForeign(path) }
      // Under another name until it is whole.
      let unfinished = "\(path).new"
      let descriptor = try openScratch(unfinished, keeping: true)
      try lock(descriptor)
      try setSize(of: descriptor, to: 0)
      try setSize(of: descriptor, to: Int64(journal.fileSize))
      try write(bytes, at: 0, to: descriptor)
      let file = try SweepCheckpointFile(descriptor, path: path, introduction: introduction, journal: journal)
      try file.perform(first)
      try renameFile(unfinished, to: path)
      return file
    } catch {
      throw unwritable(path, error)
    }
  }

  /// Nobody's checkpoint is taken away while it is in use, nor a file that is something else.
  private static func refuseForeign(_ path: String) throws(SystemCallError) {
    let descriptor = try openForUpdate(path)
    try lock(descriptor)
    let start = try HalfOpenLinux.read(Int(SweepCheckpointFormat.pageSize), at: 0, from: descriptor)
    guard start.isEmpty || SweepCheckpointFormat.isCheckpoint(start) else {
      throw SystemCallError(call: "open", errno: .fileExists)
    }
  }

  /// Opens a file to go on from what it holds. Blocks.
  ///
  /// - Returns: the file, and its checkpoint with all answered bits that are not zero.
  /// - Throws: `CheckError` if it can't be read, is in use, or is not a whole checkpoint.
  package static func open(
    _ path: String
  ) throws(CheckError) -> (file: SweepCheckpointFile, checkpoint: SweepCheckpoint) {
    let contents: Result<(file: SweepCheckpointFile, checkpoint: SweepCheckpoint), SweepCheckpointFormat.Fault>
    do throws(SystemCallError) {
      contents = try read(path)
    } catch {
      throw unreadable(path, error)
    }
    switch contents {
    case .success(let contents): return contents
    case .failure(let fault): throw fault.error(path)
    }
  }

  private static func read(
    _ path: String
  ) throws(SystemCallError) -> Result<
    (file: SweepCheckpointFile, checkpoint: SweepCheckpoint), SweepCheckpointFormat.Fault
  > {
    let descriptor = try openForUpdate(path)
    try lock(descriptor)
    let size = try status(of: descriptor).size
    let contents = try SweepCheckpointContents.read(size: UInt64(size)) { offset, count throws(SystemCallError) in
      try HalfOpenLinux.read(count, at: Int64(offset), from: descriptor)
    }
    switch contents {
    case .success(let contents):
      let file = try SweepCheckpointFile(
        descriptor, path: path, introduction: contents.introduction, journal: contents.journal)
      return .success((file, contents.checkpoint))
    case .failure(let fault): return .failure(fault)
    }
  }

  /// Stores a checkpoint in the place of the one before. What it says to be done has to be on disk before.
  ///
  /// - Throws: `CheckError` if it can't be written; the one before is still there.
  package func store(_ checkpoint: SweepCheckpoint) async throws(CheckError) {
    let result = await withTaskExecutorPreference(executor) { () async -> Result<Void, CheckError> in
      do throws(SystemCallError) {
        try self.perform(checkpoint)
        return .success(())
      } catch {
        return .failure(SweepCheckpointFile.unwritable(self.path, error))
      }
    }
    try result.get()
  }

  /// Takes the file away: the sweep is complete. Blocks for a moment.
  package func remove() throws(CheckError) {
    do throws(SystemCallError) { try removeFile(path) } catch {
      // Whoever finds it must not take it for an unfinished sweep.
      try? setSize(of: descriptor, to: 0)
      throw CheckError(
        .system, subject: "can't remove '\(path)'", advice: "the sweep is complete; remove it by hand",
        errno: error.errno, call: "\(error.call)")
    }
  }

  private func perform(_ checkpoint: SweepCheckpoint) throws(SystemCallError) {
    try journal.withLock { journal throws(SystemCallError) in
      precondition(journal.fits(checkpoint), "a window of bits beyond the first one's size")
      try journal.store(checkpoint) { step throws(SystemCallError) in
        switch step {
        case .write(let offset, let bytes): try write(bytes, at: Int64(offset), to: descriptor)
        case .synchronize: try synchronize(descriptor)
        }
      }
    }
  }

  private static func unwritable(_ path: String, _ error: SystemCallError) -> CheckError {
    CheckError(
      .system, subject: "can't write the checkpoint '\(path)'",
      advice: error.errno == .wouldBlock
        ? inUse
        : error.errno == .fileExists
          ? "it is something else; choose another place with --checkpoint"
          : "make room, choose another place with --checkpoint, or go without by --no-checkpoint",
      errno: error.errno, call: "\(error.call)")
  }

  private static func unreadable(_ path: String, _ error: SystemCallError) -> CheckError {
    CheckError(
      .system, subject: "can't resume from '\(path)'",
      advice: error.errno == .wouldBlock ? inUse : "check that it is the checkpoint of an interrupted sweep",
      errno: error.errno, call: "\(error.call)")
  }

  private static var inUse: String { "another halfopen has it; end that one first" }
}

extension SweepCheckpointFormat.Fault {
  fileprivate func error(_ path: String) -> CheckError {
    let (what, advice) =
      switch self {
      case .notACheckpoint:
        ("is not a checkpoint", "give the file that --checkpoint named, or start again without --resume")
      case .version(let version):
        (
          "is a checkpoint of another version of halfopen (form \(version))",
          "resume with the halfopen that made it, or start again without --resume"
        )
      case .damaged: ("is damaged: its checksums do not fit", "start again without --resume")
      case .truncated(let needed):
        ("is cut short: it has less than \(needed) bytes", "take a whole copy, or start again without --resume")
      }
    return CheckError(.invalidArgument, subject: "can't resume: '\(path)' \(what)", advice: advice)
  }
}
