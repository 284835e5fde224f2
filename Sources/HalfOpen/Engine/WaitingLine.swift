// SPDX-License-Identifier: Apache-2.0

/// Checks in line for something that has run out. Those that end while they wait stay in line until it is their turn.
struct WaitingLine {
  private var tags: [UInt64] = []
  private var head = 0

  var isEmpty: Bool { head == tags.count }
  var count: Int { tags.count - head }

  mutating func append(_ tag: UInt64) { tags.append(tag) }

  mutating func popFirst() -> UInt64? {
    guard head < tags.count else { return nil }
    let tag = tags[head]
    head += 1
    if head == tags.count {
      tags.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 1024, head > tags.count / 2 {
      tags.removeSubrange(0..<head)
      head = 0
    }
    return tag
  }
}
