// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Opens a file. The corresponding C function is `open`.
package func openFile(_ path: String, flags: CInt) throws(SystemCallError) -> Descriptor {
  // SAFETY: the path is a C string for the length of the call.
  try Descriptor(opening: "open") { unsafe open(path, flags | O_CLOEXEC, 0o600) }
}

/// The whole of a file, read from its start.
package func readFile(_ path: String) throws(SystemCallError) -> [UInt8] {
  try readAll(try openFile(path, flags: O_RDONLY))
}

/// Reads from the descriptor's position to the end.
package func readAll(_ descriptor: borrowing Descriptor) throws(SystemCallError) -> [UInt8] {
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  let fd = descriptor.rawValue
  while true {
    // SAFETY: at most `chunk.count` bytes are written to `chunk`.
    let count = try retryingSize("read") { unsafe read(fd, &chunk, chunk.count) }
    if count == 0 { return bytes }
    bytes += chunk[..<count]
  }
}

/// Writes all of `bytes`, from `position` on where the file has positions.
package func writeAll(_ bytes: [UInt8], to descriptor: borrowing Descriptor) throws(SystemCallError) {
  let fd = descriptor.rawValue
  var rest = bytes[...]
  while !rest.isEmpty {
    // SAFETY: no more bytes are read than the buffer has.
    let count = try retryingSize("write") {
      unsafe rest.withUnsafeBytes { buffer in unsafe write(fd, buffer.baseAddress, buffer.count) }
    }
    rest = rest.dropFirst(count)
  }
}

/// Replaces what a file holds, making the file where there is none.
package func writeFile(_ path: String, _ text: String) throws(SystemCallError) {
  try writeAll(Array(text.utf8), to: try openFile(path, flags: O_WRONLY | O_CREAT | O_TRUNC))
}

/// A new empty folder below the temporary one. The corresponding C function is `mkdtemp`.
package func makeTemporaryFolder(in parent: String = "/tmp", prefix: String) throws(SystemCallError) -> String {
  var template = Array("\(parent)/\(prefix)XXXXXX".utf8CString)
  // SAFETY: the template ends with a zero byte and is changed in place.
  try retrying("mkdtemp") { unsafe mkdtemp(&template) == nil ? -1 : 0 }
  return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
