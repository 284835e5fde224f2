// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Testing

struct PollTests {
  @Test("a wait ends with what is ready, and tells it from what is not")
  func ready() throws {
    let one = try EventDescriptor()
    let other = try EventDescriptor()
    var poll = Poll()
    poll.add(one.rawValue)
    poll.add(other.rawValue)
    other.signal()
    try poll.wait(timeout: nil)
    #expect(!poll.isReady(one.rawValue) && poll.isReady(other.rawValue))
    other.clear()
    one.signal()
    try poll.wait(timeout: nil)
    #expect(poll.isReady(one.rawValue) && !poll.isReady(other.rawValue))
    // Nothing is known any more of what was removed, and its signal wakes nobody.
    poll.remove(one.rawValue)
    try poll.wait(timeout: 1)
    #expect(!poll.isReady(one.rawValue) && !poll.isReady(other.rawValue))
  }
}
