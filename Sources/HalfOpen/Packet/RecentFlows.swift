// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// The last SYN-ACKs, for a second or so: who repeats one has not had our RST. And where the engine resets, the last
/// checks that ended without one: it may come yet.
struct RecentFlows {
  struct Entry {
    var flow: Flow
    var path: Path
    /// The acknowledgment number of the check's SYN-ACK.
    var expected: SequenceNumber
    var scope: UInt32
    var wasOpen: Bool
    var at: Instant
  }

  static var capacity: Int { 8192 }
  private var places = FlowTable()
  private var entries: [Entry] = []
  private var oldest = 0

  mutating func note(_ entry: Entry) {
    places.remove(entry.flow)
    if entries.count < RecentFlows.capacity {
      _ = places.insert(entry.flow, entries.count)
      entries.append(entry)
      return
    }
    // The place's last owner may have moved on to a newer one.
    if places.find(entries[oldest].flow) == oldest { places.remove(entries[oldest].flow) }
    _ = places.insert(entry.flow, oldest)
    entries[oldest] = entry
    oldest = oldest &+ 1 < RecentFlows.capacity ? oldest &+ 1 : 0
  }

  var count: Int { places.count }

  func find(_ flow: Flow) -> Entry? { places.find(flow).map { entries[$0] } }

  /// A new check has the flow.
  mutating func forget(_ flow: Flow) { places.remove(flow) }
}
