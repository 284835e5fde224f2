// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A system call that failed, and why.
package struct SystemCallError: Error, CustomStringConvertible {
  /// The call as C spells it, such as `connect` or `setsockopt(TCP_QUICKACK)`. A literal: an error allocates nothing.
  package let call: StaticString
  package let errno: Errno

  package init(call: StaticString, errno: Errno) {
    self.call = call
    self.errno = errno
  }

  package var description: String { "\(call): \(errno)" }

  /// The process or the system is out of file descriptors.
  package var isLackOfDescriptors: Bool { errno == .tooManyOpenFiles || errno == .tooManyOpenFilesInSystem }
}

/// Runs one system call, again while it is interrupted. With `retryingSize` the only place that reads `errno`.
///
/// Never inlined: reference counting between the call and the read could change `errno`.
@inline(never)
@discardableResult
package func retrying(_ call: StaticString, _ body: () -> CInt) throws(SystemCallError) -> CInt {
  while true {
    let result = body()
    if result != -1 { return result }
    let code = errno
    if code != EINTR { throw SystemCallError(call: call, errno: Errno(rawValue: code)) }
  }
}

/// `retrying` for the calls that return a byte count.
@inline(never)
@discardableResult
package func retryingSize(_ call: StaticString, _ body: () -> Int) throws(SystemCallError) -> Int {
  while true {
    let result = body()
    if result != -1 { return result }
    let code = errno
    if code != EINTR { throw SystemCallError(call: call, errno: Errno(rawValue: code)) }
  }
}
