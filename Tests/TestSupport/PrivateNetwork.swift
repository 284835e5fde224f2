// SPDX-License-Identifier: Apache-2.0

import HalfOpenTesting

/// Runs `body` on a thread of its own in a new network namespace without a route out, with `lo` up, and returns its value.
/// - Parameter setup: what ip(8) is told first, with spaces between the words.
package func withPrivateNetwork<R: Sendable>(
  _ setup: [String] = [], _ body: @escaping @Sendable (PrivateNetwork) throws -> R
) async throws -> R {
  let network = PrivateNetwork(namespace: try NetworkNamespace())
  for command in setup { try network.ip(command) }
  return try await network.namespace.run { try body(network) }
}

/// A namespace spoken to in lines of text.
package struct PrivateNetwork: Sendable {
  let namespace: NetworkNamespace

  /// Runs ip(8) with space-separated arguments. `addr add PREFIX dev NAME nodad` returns when the address is usable.
  package func ip(_ arguments: String, input: String = "") throws {
    let words = arguments.split(separator: " ").map(String.init)
    if words.count == 6, words[0...1] == ["addr", "add"], words[5] == "nodad", let prefix = IPPrefix(words[2]) {
      return try namespace.addAddress(prefix, to: words[4])
    }
    try run("ip " + arguments, input: input)
  }

  /// Runs a command of space-separated words.
  /// - Parameter input: what the command reads from its standard input.
  package func run(_ command: String, input: String = "") throws {
    try namespace.command(command.split(separator: " ").map(String.init), input: input)
  }
}
