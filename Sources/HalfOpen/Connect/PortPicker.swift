// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire
import SystemPackage

/// Source ports in turn, for kernels and ranges where the kernel can't choose them itself.
struct PortPicker {
  /// Ports to try for one check before it has to wait.
  var tries: Int { min(range.count, 256) }

  private let range: ClosedRange<UInt16>
  private var following: UInt16

  init(_ range: ClosedRange<UInt16>) {
    self.range = range
    following = range.lowerBound
  }

  mutating func next() -> UInt16 {
    let port = following
    following = port == range.upperBound ? range.lowerBound : port + 1
    return port
  }

  /// Whether IP_LOCAL_PORT_RANGE works here for `range`: it is ignored for ports outside `ip_local_port_range`.
  static func kernelObeys(_ range: ClosedRange<UInt16>, interface: String?) -> Bool {
    var sockets = StreamSockets()
    do throws(SystemCallError) {
      try sockets.open(
        0, .v4, StreamSetup(portRange: range, interface: interface), withholdingACK: true, retransmissions: nil)
      try sockets.bind(0, to: SocketAddress(.v4(.unspecified), port: 0))
    } catch {
      // All of the range is taken: so it is looked at.
      return error.errno == .addressInUse
    }
    return sockets.localAddress(0).map { range.contains($0.port) } ?? false
  }
}

/// Whether a look right behind `connect` has paid lately: on the same host it nearly always does, elsewhere never.
struct LookLuck {
  private var credit = 16
  private var skipped = 0

  var isWorthALook: Bool {
    mutating get {
      if credit > 0 { return true }
      skipped += 1
      if skipped < 64 { return false }
      skipped = 0
      return true
    }
  }

  mutating func note(hit: Bool) { credit = hit ? 16 : max(0, credit - 1) }
}

extension CheckRequest {
  /// For TCP_SYNCNT; nil where the deadline comes before the kernel would send a SYN too many. It repeats them a second
  /// apart at the closest (TCP_TIMEOUT_INIT). One repetition is the least that can be asked for.
  func retransmissionLimit(now: Instant) -> Int? {
    deadline.nanoseconds(since: now) < Int64(attempts) * 1_000_000_000 ? nil : max(1, attempts - 1)
  }
}
