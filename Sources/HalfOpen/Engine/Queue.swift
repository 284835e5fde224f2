// SPDX-License-Identifier: Apache-2.0

/// First in, first out, in two arrays that keep their memory. What is taken out is gone at once, and a batch is taken over
/// whole where nothing else has come.
package struct Queue<Element> {
  private var incoming: [Element] = []
  /// Those that came before `incoming`, the first of all last.
  private var outgoing: [Element] = []

  package init() {}

  package var isEmpty: Bool { incoming.isEmpty && outgoing.isEmpty }
  package var count: Int { incoming.count + outgoing.count }

  package mutating func append(_ element: consuming Element) { incoming.append(element) }

  /// Appends all of `more`, which is empty afterwards.
  package mutating func append(emptying more: inout [Element]) {
    if incoming.isEmpty { return swap(&incoming, &more) }
    incoming.append(contentsOf: more)
    more.removeAll(keepingCapacity: true)
  }

  package mutating func popFirst() -> Element? {
    if outgoing.isEmpty {
      swap(&incoming, &outgoing)
      outgoing.reverse()
    }
    return outgoing.popLast()
  }

  /// All that is left, in its order; the queue is empty then.
  package mutating func takeAll() -> [Element] {
    defer { self = Queue() }
    return outgoing.reversed() + incoming
  }
}
