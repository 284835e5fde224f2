// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import Synchronization

  /// The next hops of a sweep for all of its sending threads. Each takes the lock once a batch, never once a packet.
  final class SharedNextHops: Sendable {
    private let hops: Mutex<NextHops>

    init(_ job: SweepJob) throws(CheckError) { hops = Mutex(try NextHops(job, now: .now)) }

    @inline(__always)
    func withLock<Value: Sendable>(_ body: (NextHops) -> Value) -> Value { hops.withLock { body($0) } }

    /// For when nobody asks any more.
    func close() { withLock { $0.close() } }
  }

#endif
