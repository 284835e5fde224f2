// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// The owner of one file descriptor, closed when the owner goes.
package struct Descriptor: ~Copyable, Sendable {
  package let rawValue: CInt

  /// Takes over `rawValue`: nobody else may close it.
  package init(owning rawValue: CInt) { self.rawValue = rawValue }

  deinit {
    // EINTR is not retried: Linux has freed the number by then (close(2), https://lwn.net/Articles/576478/).
    let result = Glibc.close(rawValue)
    assert(result == 0 || errno != EBADF, "descriptor \(rawValue) was closed by someone else")
  }

  /// Gives the descriptor up without closing it.
  package consuming func release() -> CInt {
    let value = rawValue
    discard self
    return value
  }
}

extension Descriptor {
  /// Lookups of names at a time that there is room for: one for each 16 descriptors, from one to 64. So many that the
  /// default concurrency passes a resolver that takes a tenth of a second within the default timeout.
  package static var lookups: Int { lookups(limit: descriptorLimit()) }

  /// How many of the highest numbers below the limit of open files (RLIMIT_NOFILE) nothing of ours ever has.
  ///
  /// The language's runtime needs them. libdispatch opens /proc/PID/stat of its threads once a second and traps where it
  /// can't (`_dispatch_workq_count_runnable_workers` in src/event/workqueue.c); so it does where it can't have its epoll and
  /// eventfd (`_dispatch_epoll_init` in src/event/event_epoll.c), and without its two timerfds no timer of the process
  /// fires. These are five; three are for what libpcap and calls that are about to be refused hold for a moment, and two for
  /// each lookup: the C library opens sockets and files of its own.
  package static var reserve: Int { reserve(limit: descriptorLimit()) }

  /// Takes over what a call opens. The kernel gives the lowest free number: one of the reserve means that no other is free.
  ///
  /// - Throws: `SystemCallError`, EMFILE for a number of the reserve too.
  package init(opening call: StaticString, _ body: () -> CInt) throws(SystemCallError) {
    let number = try retrying(call, body)
    guard !Descriptor.isReserved(number) else {
      _ = Descriptor(owning: number)
      throw SystemCallError(call: call, errno: .tooManyOpenFiles)
    }
    self.init(owning: number)
  }

  /// Whether a number is one of the reserve.
  ///
  /// The corresponding C function is `getrlimit(RLIMIT_NOFILE)`.
  package static func isReserved(_ number: CInt) -> Bool {
    let limit = descriptorLimit()
    return Int(number) >= limit - reserve(limit: limit)
  }

  private static func lookups(limit: Int) -> Int { min(64, max(1, limit / 16)) }
  private static func reserve(limit: Int) -> Int { 8 + 2 * lookups(limit: limit) }
}

/// Descriptors that this process may still open, without the reserve. What is open already is counted in /proc/self/fd.
package func freeDescriptors() -> Int {
  max(0, descriptorLimit() - Descriptor.reserve - openDescriptors())
}

/// Descriptors that this process has open; 0 without /proc.
package func openDescriptors() -> Int {
  // SAFETY: the directory stream is closed once, after its last use.
  guard let directory = unsafe opendir("/proc/self/fd") else { return 0 }
  defer { unsafe closedir(directory) }
  var entries = 0
  while unsafe readdir(directory) != nil { entries += 1 }
  // Without ".", ".." and the directory's own.
  return max(0, entries - 3)
}

private func descriptorLimit() -> Int {
  var limit = rlimit()
  // SAFETY: `limit` outlives the call.
  guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
  return Int(clamping: limit.rlim_cur)
}
