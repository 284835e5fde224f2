// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// Whose RSTs end the half-open connections of a sweep, interface by interface; keeps those that wait for the kernel's.
struct ResetKeeper {
  /// A RST that may be due from us.
  struct Due: Sendable {
    var flow: Flow
    var source: IPAddress
    var sequence: SequenceNumber
    var interface: UInt32
    /// The place of the target's zone in the target set, 0 for none.
    var zone = 0
    /// Who sent us the frame; nil where frames have no senders.
    var hardware: MACAddress?
  }

  /// Replies that wait until it is clear who resets. More than these get their RST when they repeat themselves.
  private static var capacity: Int { 4096 }

  private let policy: CheckerConfiguration.ResetPolicy
  private var watches: [UInt32: ResetWatch] = [:]
  private var waiting: [(due: Due, until: Instant)] = []
  private(set) var deadline = Instant.never

  init(policy: CheckerConfiguration.ResetPolicy) { self.policy = policy }

  /// No reply waits for a RST.
  var isSettled: Bool { waiting.isEmpty }

  /// A SYN-ACK has come. True if it has to be reset now.
  mutating func answer(_ due: Due, sourceIsLocal: Bool, isRepeated: Bool, now: Instant) -> Bool {
    var watch = watches[due.interface] ?? ResetWatch(policy: policy)
    defer { watches[due.interface] = watch }
    if isRepeated, sourceIsLocal {
      // A RST would have kept it from that.
      return watch.sawNoReset()
    }
    switch watch.answer(sourceIsLocal: sourceIsLocal, now: now) {
    case .leave: return false
    case .reset: return true
    case .wait(let until):
      if waiting.count < ResetKeeper.capacity { waiting.append((due, until)) }
      deadline = min(deadline, until)
      return false
    }
  }

  /// A RST of the host's was seen to leave by that interface. True if that settled who resets there.
  mutating func sawReset(on interface: UInt32) -> Bool {
    guard watches[interface, default: ResetWatch(policy: policy)].sawReset() else { return false }
    waiting.removeAll { $0.due.interface == interface }
    deadline = nextDeadline
    return true
  }

  /// Time has passed: the RSTs that are due from us now, and the interfaces on which we reset from here on.
  mutating func expire(now: Instant) -> (due: [Due], taken: Set<UInt32>) {
    guard now >= deadline else { return ([], []) }
    // Each interface has its own wait.
    let due = waiting.filter { $0.until <= now }.map(\.due)
    waiting.removeAll { $0.until <= now }
    deadline = nextDeadline
    let taken = Set(due.map(\.interface))
    for interface in taken { _ = watches[interface]?.sawNoReset() }
    return (due, taken)
  }

  private var nextDeadline: Instant { waiting.map(\.until).min() ?? .never }
}
