// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenTesting
public import Testing

extension Trait where Self == ConditionTrait {
  /// Runs the test where the process may open raw sockets: tried, not concluded from the user id.
  public static var requiresRawSocket: Self {
    .enabled("needs CAP_NET_RAW: run as root or in 'unshare -rn'") { Abilities.rawSocket }
  }

  /// Runs the test where the process may make network namespaces: tried, not concluded from the user id.
  public static var requiresNetworkNamespace: Self {
    .enabled("needs CAP_SYS_ADMIN: run as root or in 'unshare -rn'") { Abilities.networkNamespace }
  }
}

/// What this process is able to do, tried once.
private enum Abilities {
  static let rawSocket: Bool = {
    let fd = socket(AF_INET, CInt(SOCK_RAW.rawValue), CInt(IPPROTO_TCP))
    if fd != -1 { close(fd) }
    return fd != -1
  }()
  static let networkNamespace = (try? NetworkNamespace()) != nil
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
