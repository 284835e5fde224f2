// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// What a file is, as far as whoever writes it needs to know.
package struct FileStatus: Hashable, Sendable {
  /// It has positions and can be cut, unlike a pipe or a terminal.
  package let isRegular: Bool
  /// In bytes.
  package let size: Int64
}

/// The corresponding C function is `fstat`.
package func status(of descriptor: borrowing Descriptor) throws(SystemCallError) -> FileStatus {
  let fd = descriptor.rawValue
  var status = stat()
  // SAFETY: the call writes one struct.
  try retrying("fstat") { unsafe fstat(fd, &status) }
  return FileStatus(isRegular: status.st_mode & S_IFMT == S_IFREG, size: Int64(status.st_size))
}

/// Opens a file to write results to, made with the permissions that the umask leaves.
///
/// - Parameter keeping: what it holds stays, and can be read where it is a regular file; else it is emptied.
/// The corresponding C function is `open`.
package func openOutput(_ path: String, keeping: Bool) throws(SystemCallError) -> Descriptor {
  let flags = keeping ? (isRegularFile(path) ? O_RDWR : O_WRONLY) : O_WRONLY | O_TRUNC
  // SAFETY: the path is a C string for the time of the call.
  return try Descriptor(opening: "open") { unsafe open(path, flags | O_CREAT | O_CLOEXEC, 0o666) }
}

/// Whether a path leads to a regular file.
///
/// The corresponding C function is `stat`.
package func isRegularFile(_ path: String) -> Bool {
  var status = stat()
  // SAFETY: the path is a C string for the time of the call, which writes one struct.
  return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
}

/// Whether a path leads to a regular file, or to nothing, so that it can become one.
///
/// The corresponding C function is `stat`.
package func canBeRegularFile(_ path: String) -> Bool {
  var status = stat()
  // SAFETY: the path is a C string for the time of the call, which writes one struct.
  return unsafe stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
}

/// Opens a file for reading and writing that nobody else has: an earlier one of that name is emptied.
///
/// The corresponding C function is `open`.
package func openScratch(_ path: String, keeping: Bool = false) throws(SystemCallError) -> Descriptor {
  try openFile(path, flags: O_RDWR | O_CREAT | (keeping ? 0 : O_TRUNC))
}

/// Opens a file without a name in a folder, gone when it is closed or the process ends.
///
/// The corresponding C functions are `open(O_EXCL)` and `unlink`.
package func openUnnamed(in folder: String) throws(SystemCallError) -> Descriptor {
  let path = "\(folder)/.halfopen-\(String(UInt64.random(in: .min ... .max), radix: 36))"
  let descriptor = try openFile(path, flags: O_RDWR | O_CREAT | O_EXCL)
  try removeFile(path)
  return descriptor
}

/// The folder that a path leads into.
package func folder(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// Opens an existing file for reading and writing.
///
/// The corresponding C function is `open`.
package func openForUpdate(_ path: String) throws(SystemCallError) -> Descriptor { try openFile(path, flags: O_RDWR) }

/// A second descriptor for standard output, owned by the caller.
///
/// The corresponding C function is `fcntl(F_DUPFD_CLOEXEC)`.
package func duplicateOfStandardOutput() throws(SystemCallError) -> Descriptor {
  try Descriptor(opening: "fcntl(F_DUPFD_CLOEXEC)") { fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) }
}

/// Reads `count` bytes from `offset` on, fewer only where the file ends.
///
/// The corresponding C function is `pread`.
package func read(
  _ count: Int, at offset: Int64, from descriptor: borrowing Descriptor
) throws(SystemCallError) -> [UInt8] {
  let fd = descriptor.rawValue
  var bytes = [UInt8](repeating: 0, count: count)
  var filled = 0
  while filled < count {
    let start = filled
    // SAFETY: at most the rest of the buffer is written.
    let read = try retryingSize("pread") {
      unsafe bytes.withUnsafeMutableBytes {
        unsafe pread(fd, $0.baseAddress.map { unsafe $0 + start }, count - start, off_t(offset) + off_t(start))
      }
    }
    if read == 0 { break }
    filled += read
  }
  bytes.removeLast(count - filled)
  return bytes
}

/// Writes all of `bytes` at `offset`, making the file longer where it ends before.
///
/// The corresponding C function is `pwrite`.
package func write(
  _ bytes: [UInt8], at offset: Int64, to descriptor: borrowing Descriptor
) throws(SystemCallError) {
  let fd = descriptor.rawValue
  var written = 0
  while written < bytes.count {
    let start = written
    // SAFETY: at most the rest of the buffer is read.
    written += try retryingSize("pwrite") {
      unsafe bytes.withUnsafeBytes {
        unsafe pwrite(fd, $0.baseAddress.map { unsafe $0 + start }, bytes.count - start, off_t(offset) + off_t(start))
      }
    }
  }
}

/// Cuts a file, or lengthens it by zeros, and sets the position to its end.
///
/// The corresponding C functions are `ftruncate` and `lseek`.
package func setSize(of descriptor: borrowing Descriptor, to size: Int64) throws(SystemCallError) {
  let fd = descriptor.rawValue
  try retrying("ftruncate") { ftruncate(fd, off_t(size)) }
  _ = try retryingSize("lseek") { lseek(fd, 0, SEEK_END) }
}

/// Waits until what was written outlasts a loss of power.
///
/// The corresponding C function is `fdatasync`.
package func synchronize(_ descriptor: borrowing Descriptor) throws(SystemCallError) {
  let fd = descriptor.rawValue
  try retrying("fdatasync") { fdatasync(fd) }
}

/// Has the kernel begin to write what a file was given last, so that a later `synchronize` finds little left to wait for.
/// Where that can't be done, nothing happens.
///
/// The corresponding C function is `sync_file_range` with `SYNC_FILE_RANGE_WRITE`.
/// - Parameter count: how many bytes before the file's position.
package func beginSynchronizing(last count: Int, of descriptor: borrowing Descriptor) {
  let fd = descriptor.rawValue
  let end = lseek(fd, 0, SEEK_CUR)
  guard end >= 0 else { return }
  _ = clinux_begin_writeback(fd, max(0, end - off_t(count)), off_t(count))
}

/// Gives a file another name, in the place of any file that has it, so that both outlast a loss of power.
///
/// The corresponding C functions are `rename` and, of the folder, `fsync`.
package func renameFile(_ path: String, to other: String) throws(SystemCallError) {
  // SAFETY: both paths are C strings for the time of the call.
  try retrying("rename") { unsafe rename(path, other) }
  let descriptor = try openFile(folder(of: other), flags: O_RDONLY | O_DIRECTORY)
  let fd = descriptor.rawValue
  try retrying("fsync") { fsync(fd) }
}

/// Keeps a file from other processes that ask in the same way, as long as it is open.
///
/// - Throws: `SystemCallError` with EWOULDBLOCK where another has it.
/// The corresponding C function is `flock`.
package func lock(_ descriptor: borrowing Descriptor) throws(SystemCallError) {
  let fd = descriptor.rawValue
  try retrying("flock") { flock(fd, LOCK_EX | LOCK_NB) }
}

/// Takes a file's name away. No error where there is none.
///
/// The corresponding C function is `unlink`.
package func removeFile(_ path: String) throws(SystemCallError) {
  do throws(SystemCallError) {
    // SAFETY: the path is a C string for the time of the call.
    try retrying("unlink") { unsafe unlink(path) }
  } catch {
    guard error.errno == .noSuchFileOrDirectory else { throw error }
  }
}

/// Has relative paths start from another folder, in the whole process.
///
/// The corresponding C function is `chdir`.
package func changeFolder(to path: String) throws(SystemCallError) {
  // SAFETY: the path is a C string for the time of the call.
  try retrying("chdir") { unsafe chdir(path) }
}

/// The folder that relative paths start from.
///
/// The corresponding C function is `getcwd`.
package func currentFolder() throws(SystemCallError) -> String {
  var bytes = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
  // SAFETY: at most `count` bytes are written, with a zero byte at the end.
  try retrying("getcwd") { unsafe getcwd(&bytes, bytes.count) == nil ? -1 : 0 }
  return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
