// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux

/// Who answers SYN-ACKs with RSTs on one interface, and how sure that is.
///
/// The kernel resets what it does not know, unless a filter drops the SYN-ACK behind the capture point or the RST on its
/// way out. So under `auto` the first replies wait until one of the kernel's RSTs is seen to leave; if none is within
/// 50 ms, or a target repeats its SYN-ACK later, the engine takes over.
struct ResetWatch: Sendable {
  static let patience: Int64 = 50_000_000

  private enum State: Sendable {
    case nobody
    case kernel
    case engine
    /// Not known. The wait of the first reply ends at the instant, `never` before there was one.
    case unverified(until: Instant)
    case verified
  }

  /// What to do about a SYN-ACK.
  enum Answer: Equatable, Sendable {
    /// Somebody else does, or nobody shall.
    case leave
    /// Send a RST.
    case reset
    /// Keep the check until `sawReset` or the instant.
    case wait(until: Instant)
  }

  private var state: State

  init(policy: CheckerConfiguration.ResetPolicy) {
    state =
      switch policy {
      case .auto: .unverified(until: .never)
      case .kernel: .kernel
      case .engine: .engine
      case .none: .nobody
      }
  }

  var isUnverified: Bool { if case .unverified = state { true } else { false } }

  /// Whether the engine, and nobody else, answers SYN-ACKs now.
  func engineResets(sourceIsLocal: Bool) -> Bool {
    switch state {
    case .engine: true
    case .verified, .unverified: !sourceIsLocal
    case .nobody, .kernel: false
    }
  }

  /// A SYN-ACK has come. A source that is not the host's own never gets a RST of the kernel's.
  mutating func answer(sourceIsLocal: Bool, now: Instant) -> Answer {
    switch state {
    case .nobody, .kernel: return .leave
    case .engine: return .reset
    case .verified: return sourceIsLocal ? .leave : .reset
    case .unverified(let until):
      guard sourceIsLocal else { return .reset }
      guard until == .never else { return .wait(until: until) }
      let end = now.advanced(byNanoseconds: ResetWatch.patience)
      state = .unverified(until: end)
      return .wait(until: end)
    }
  }

  /// A RST of ours was seen to leave. True if that settled it.
  mutating func sawReset() -> Bool {
    guard isUnverified else { return false }
    state = .verified
    return true
  }

  /// The wait is over, or a SYN-ACK was repeated. True if the engine resets from here on.
  mutating func sawNoReset() -> Bool {
    switch state {
    case .unverified, .verified:
      state = .engine
      return true
    case .engine: return true
    case .nobody, .kernel: return false
    }
  }
}
