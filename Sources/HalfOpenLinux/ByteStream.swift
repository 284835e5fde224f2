// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// Writes all of `bytes`, in one system call where the kernel takes them at once. Waits where the descriptor is
/// non-blocking (another program may have made a shared terminal or pipe so).
///
/// - Throws: `SystemCallError`, such as EPIPE or ENOSPC. What was written before stays written.
/// The corresponding C function is `write`.
package func writeAll(_ bytes: ArraySlice<UInt8>, to descriptor: CInt) throws(SystemCallError) {
  var rest = bytes
  while !rest.isEmpty {
    do throws(SystemCallError) {
      let written = try retryingSize("write") {
        // SAFETY: the kernel reads at most `count` bytes of the slice during the call.
        unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
      }
      rest = rest.dropFirst(written)
    } catch {
      guard error.errno == .resourceTemporarilyUnavailable else { throw error }
      waitUntilReady(descriptor, for: POLLOUT)
    }
  }
}

/// Reads what there is, at most `buffer.count` bytes, into the start of `buffer`. Blocks while there is nothing.
///
/// - Returns: the bytes read; zero at the end.
/// The corresponding C function is `read`.
package func readSome(into buffer: inout [UInt8], from descriptor: CInt) throws(SystemCallError) -> Int {
  while true {
    do throws(SystemCallError) {
      return try retryingSize("read") {
        // SAFETY: the kernel writes at most `count` bytes into the buffer during the call.
        unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      }
    } catch {
      guard error.errno == .resourceTemporarilyUnavailable else { throw error }
      waitUntilReady(descriptor, for: POLLIN)
    }
  }
}

/// Opens a file for reading, owned by the caller.
///
/// The corresponding C function is `open`.
package func openForReading(_ path: String) throws(SystemCallError) -> Descriptor {
  // SAFETY: the path is a C string for the time of the call.
  try Descriptor(opening: "open") { unsafe open(path, O_RDONLY | O_CLOEXEC) }
}

/// Whether a path leads to a named pipe, whose opening waits for the other side.
///
/// The corresponding C function is `stat`.
package func isNamedPipe(_ path: String) -> Bool {
  var status = stat()
  // SAFETY: the path is a C string for the time of the call, which writes one struct.
  return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
}

/// Puts something in the place of standard descriptors that are closed, before a socket gets one of their numbers and
/// with it what was meant for people. Reading or writing them fails still (EBADF).
///
/// The corresponding C function is `open`.
package func holdStandardDescriptors() {
  for fd in STDIN_FILENO...STDERR_FILENO where fcntl(fd, F_GETFD) == -1 {
    // The lowest free number is this one.
    _ = unsafe open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY)
  }
}

/// A second descriptor for standard input, owned by the caller.
///
/// The corresponding C function is `fcntl(F_DUPFD_CLOEXEC)`.
package func duplicateOfStandardInput() throws(SystemCallError) -> Descriptor {
  try Descriptor(opening: "fcntl(F_DUPFD_CLOEXEC)") { fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) }
}

/// Whether a descriptor is a terminal.
///
/// The corresponding C function is `isatty`.
package func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

/// A variable of the environment, nil if it is not set.
///
/// The corresponding C function is `getenv`.
package func environmentVariable(_ name: String) -> String? {
  // SAFETY: the value is copied at once; nothing here changes the environment.
  unsafe getenv(name).map { unsafe String(cString: $0) }
}

private func waitUntilReady(_ descriptor: CInt, for events: CInt) {
  var entry = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
  // SAFETY: one entry, which outlives the call. A failure shows again at the next read or write.
  _ = unsafe poll(&entry, 1, 1000)
}
