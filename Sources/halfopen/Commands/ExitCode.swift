// SPDX-License-Identifier: Apache-2.0

import HalfOpen

/// How a run ended, as a number for the shell (sysexits.h where it has one).
enum ExitCode {
  static let ok: Int32 = 0
  static let notAsExpected: Int32 = 1
  static let usage: Int32 = 64
  static let inputUnreadable: Int32 = 66
  static let nameNotResolved: Int32 = 68
  static let notReachable: Int32 = 69
  static let internalError: Int32 = 70
  static let outputFailed: Int32 = 74
  static let incomplete: Int32 = 75
  static let noPermission: Int32 = 77

  /// Everything that decides.
  struct Facts: Hashable, Sendable {
    /// Results, and how many of them were not what was expected.
    var results = 0
    var unexpected = 0
    /// Results that a capture drop or a failed send may have spoilt.
    var doubtful = 0
    /// The kinds of fault there were.
    var faults: Set<Fault> = []
    var outputFailed = false
    /// The signal that ended the run.
    var signal: Int32?
  }

  /// A fault, by the exit code it has where it is all that came.
  enum Fault: Int32, Hashable, Sendable, CaseIterable {
    case usage = 64
    case input = 66
    case name = 68
    case network = 69
    case internalError = 70
    case shortage = 75
    case permission = 77

    init(_ code: CheckError.Code) {
      self =
        switch code {
        case .notPermitted: .permission
        case .noRoute, .linkDown, .addressNotAvailable, .sendFailed: .network
        case .nameNotResolved: .name
        case .invalidArgument, .unsupported: .usage
        case .noLocalPorts, .tooManyFiles: .shortage
        default: .internalError
        }
    }
  }

  /// The code of a run. Of several that apply: 130 and 143, 77, 69, 74, 75, 1, 0.
  static func code(_ facts: Facts) -> Int32 {
    if let signal = facts.signal { return 128 + signal }
    if facts.results == 0, !facts.faults.isEmpty {
      if facts.faults.contains(.permission) { return noPermission }
      if facts.faults.contains(.network) { return notReachable }
      if facts.outputFailed { return outputFailed }
      return facts.faults.count == 1 ? facts.faults.first?.rawValue ?? incomplete : incomplete
    }
    if facts.outputFailed { return outputFailed }
    if !facts.faults.isEmpty || facts.doubtful > 0 { return incomplete }
    return facts.unexpected > 0 ? notAsExpected : ok
  }
}
