// SPDX-License-Identifier: Apache-2.0

/// A suspended caller, to be resumed exactly once: a `CheckedContinuation` without the object that it allocates to find
/// out whether that was so. Only for owners that give it away under a lock, as the sinks of `HalfOpen` do.
@safe package struct Resumption<Value: Sendable>: Sendable {
  private let continuation: UnsafeContinuation<Value, Never>

  fileprivate init(_ continuation: UnsafeContinuation<Value, Never>) { unsafe self.continuation = continuation }

  /// Lets the caller go on. Once.
  package func resume(returning value: sending Value) {
    // SAFETY: the owner takes the resumption out of its place before it calls this.
    unsafe continuation.resume(returning: value)
  }
}

extension Resumption where Value == Void {
  /// Lets the caller go on. Once.
  package func resume() { resume(returning: ()) }
}

/// Suspends the caller until its resumption, which `body` stores or uses.
package func suspended<Value: Sendable>(_ body: (Resumption<Value>) -> Void) async -> Value {
  // SAFETY: `body` gets the only copy.
  unsafe await withUnsafeContinuation { unsafe body(Resumption($0)) }
}
