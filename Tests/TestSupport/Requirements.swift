// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenTesting
public import Testing

extension Trait where Self == ConditionTrait {
  /// Runs the test where the process may open raw sockets: tried, not concluded from the user id.
  public static var requiresRawSocket: Self {
    .enabled(if: Ability.rawSocket.isPresent, "\(Ability.rawSocket)")
  }

  /// Runs the test where the process may make network namespaces: tried, not concluded from the user id.
  public static var requiresNetworkNamespace: Self {
    .enabled(if: Ability.networkNamespace.isPresent, "\(Ability.networkNamespace)")
  }
}

/// Counts that the default tier of `scripts/test` cuts: a long test is never skipped, it does less.
public enum LongRun {
  /// Whether `scripts/test --long` is running.
  public static let isOn = unsafe getenv("HALFOPEN_LONG").map { unsafe String(cString: $0) == "1" } ?? false

  /// - Parameters:
  ///   - short: for the default tier, a second or so.
  ///   - long: the full count of what the test claims.
  public static func count(short: Int, long: Int) -> Int { isOn ? long : short }
}

/// Whether the tests run under a sanitizer: no exit tests and no rate bars then.
public let isSanitized = unsafe getenv("HALFOPEN_SANITIZER") != nil
