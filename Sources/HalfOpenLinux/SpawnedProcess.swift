// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Synchronization
import SystemPackage

/// A child process, found through PATH, whose output is kept in memory files: no pipe fills up, nothing needs reading
/// while it runs. It inherits the network namespace of the thread that starts it, and is killed when the owner goes.
package final class SpawnedProcess: Sendable {
  /// How a process ended.
  package enum Exit: Hashable, Sendable {
    case code(CInt)
    case signal(CInt)
  }

  /// The process id.
  package let pid: Int32
  private let pidDescriptor: Descriptor
  private let output: Descriptor
  private let errors: Descriptor
  private let exit = Mutex<Exit?>(nil)

  /// Starts `arguments[0]`. The corresponding C function is `posix_spawnp`.
  /// - Parameter input: what the child reads from its standard input.
  package init(_ arguments: [String], input: String = "") throws(SystemCallError) {
    let source = try memoryFile()
    output = try memoryFile()
    errors = try memoryFile()
    try writeAll(Array(input.utf8), to: source)
    lseek(source.rawValue, 0, SEEK_SET)
    pid = try spawn(arguments, standard: [source.rawValue, output.rawValue, errors.rawValue])
    let child = pid
    pidDescriptor = try Descriptor(opening: "pidfd_open") { clinux_pidfd_open(child) }
  }

  deinit {
    if exit.withLock({ $0 }) == nil {
      kill(pid, SIGKILL)
      // The child is ours and unreaped; no status is asked for.
      _ = waitpid(pid, nil, 0)
    }
  }

  /// What the child has written so far.
  package func outputs() throws(SystemCallError) -> (output: String, errors: String) {
    (try contents(of: output), try contents(of: errors))
  }

  /// Sends a signal, unless the child has been reaped: its number may belong to another by then.
  ///
  /// The corresponding C function is `kill`.
  package func signal(_ number: CInt) {
    exit.withLock { if $0 == nil { kill(pid, number) } }
  }

  /// Waits for the end and reaps. Blocks: not for the cooperative pool.
  /// - Returns: nil where `deadline` came first.
  package func wait(until deadline: Instant = .never) throws(SystemCallError) -> Exit? {
    var request = pollfd(fd: pidDescriptor.rawValue, events: Int16(POLLIN), revents: 0)
    let left = deadline == .never ? -1 : max(0, deadline.nanoseconds(since: .now)) / 1_000_000 &+ 1
    // SAFETY: one pollfd is lent for the call.
    let ready = try retrying("poll") { unsafe poll(&request, 1, CInt(clamping: left)) }
    guard ready > 0 else { return nil }
    return exit.withLock { exit in
      if exit == nil {
        var status: CInt = 0
        // SAFETY: `status` outlives the call, and a child that poll called ended is there to be reaped.
        _ = unsafe waitpid(pid, &status, 0)
        let signal = clinux_exit_signal(status)
        exit = signal == 0 ? .code(clinux_exit_code(status)) : .signal(signal)
      }
      return exit
    }
  }
}

private func memoryFile() throws(SystemCallError) -> Descriptor {
  // SAFETY: the name is a literal. 1 is MFD_CLOEXEC.
  try Descriptor(opening: "memfd_create") { unsafe clinux_memfd_create("halfopen", 1) }
}

/// The file's bytes by `pread`: its position is shared with the child and stays where the child left it.
private func contents(of file: borrowing Descriptor) throws(SystemCallError) -> String {
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  let fd = file.rawValue
  while true {
    // SAFETY: at most `chunk.count` bytes are written to `chunk`.
    let count = try retryingSize("pread") { unsafe pread(fd, &chunk, chunk.count, off_t(bytes.count)) }
    if count == 0 { return String(decoding: bytes, as: UTF8.self) }
    bytes += chunk[..<count]
  }
}

/// Starts a child whose descriptors 0, 1 and 2 are `standard`, with no signal blocked or ignored.
private func spawn(_ arguments: [String], standard: [CInt]) throws(SystemCallError) -> pid_t {
  var actions = unsafe posix_spawn_file_actions_t()
  var attributes = posix_spawnattr_t()
  var none = sigset_t()
  var all = sigset_t()
  // SAFETY: each structure is initialized before it is used and destroyed once. The argument strings are copies that
  // live until the child has its own, and the array ends with nil.
  unsafe posix_spawn_file_actions_init(&actions)
  defer { unsafe posix_spawn_file_actions_destroy(&actions) }
  for (index, fd) in standard.enumerated() {
    unsafe posix_spawn_file_actions_adddup2(&actions, fd, CInt(index))
  }
  unsafe posix_spawnattr_init(&attributes)
  defer { unsafe posix_spawnattr_destroy(&attributes) }
  unsafe sigemptyset(&none)
  unsafe sigfillset(&all)
  unsafe posix_spawnattr_setsigmask(&attributes, &none)
  unsafe posix_spawnattr_setsigdefault(&attributes, &all)
  unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
  var words = unsafe arguments.map { unsafe strdup($0) }
  unsafe words.append(nil)
  defer { unsafe words.forEach { word in unsafe free(word) } }
  var pid = pid_t()
  let code = unsafe posix_spawnp(&pid, arguments[0], &actions, &attributes, &words, environ)
  guard code == 0 else { throw SystemCallError(call: "posix_spawnp", errno: .init(rawValue: code)) }
  return pid
}
