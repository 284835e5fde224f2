// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux

/// One check on its way to an engine's loop. Plain data but for the sink.
package struct CheckRequest: Sendable {
  package var target: SocketAddress
  /// The name of the interface of a scoped address. The loop looks its index up: it may live in another namespace.
  package var zone: String?
  package var deadline: Instant
  package var attempts: Int
  package var mode: CheckOptions.Mode
  package var settle: Int64
  package var sink: any CheckSink
  /// What the sink knows the check by.
  package var index: Int

  package init(
    target: SocketAddress, zone: String?, deadline: Instant, options: CheckOptions, sink: any CheckSink, index: Int
  ) {
    self.target = target
    self.zone = zone
    self.deadline = deadline
    attempts = min(max(options.attempts, 1), 16)
    mode = options.mode
    settle = options.settle.saturatedNanoseconds
    self.sink = sink
    self.index = index
  }
}

/// How a check ended.
package typealias CheckEnd = Result<CheckResult, CheckError>
