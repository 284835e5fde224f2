// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// A thread of its own for work that blocks: packet loops, resolvers, namespaces. Never the cooperative pool's.
///
/// The new thread inherits its creator's network namespace and capabilities (clone(2)).
package struct DedicatedThread: ~Copyable, Sendable {
  // pthread_t is an integer on Linux.
  private let handle: pthread_t

  /// Starts `body`. It runs to its end whether or not anybody joins.
  /// - Parameters:
  ///   - name: shown by ps and perf; the kernel keeps 15 bytes (pthread_setname_np(3)).
  ///   - body: what it brings along is the thread's alone from here on.
  package init(name: String, _ body: sending @escaping () -> Void) throws(SystemCallError) {
    let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
    var thread = pthread_t()
    // SAFETY: `start` is released by the thread that takes it, or below if there is none.
    let code = unsafe pthread_create(
      &thread, nil,
      { raw in
        guard let raw = unsafe raw else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(raw).takeRetainedValue()
        _ = unsafe clinux_name_thread(String(start.name.prefix(15)))
        start.body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      unsafe start.release()
      throw SystemCallError(call: "pthread_create", errno: .init(rawValue: code))
    }
    handle = thread
  }

  /// Waits for the body's end. Blocks: not for the cooperative pool.
  package consuming func join() {
    let thread = handle
    discard self
    // SAFETY: the thread is joinable and joined once, since `self` is consumed.
    _ = pthread_join(thread, nil)
  }

  deinit { pthread_detach(handle) }

  private final class Start {
    let name: String
    let body: () -> Void
    init(name: String, body: @escaping () -> Void) {
      self.name = name
      self.body = body
    }
  }
}
