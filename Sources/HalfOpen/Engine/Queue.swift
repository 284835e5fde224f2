// SPDX-License-Identifier: Apache-2.0

/// First in, first out, in one array. What was taken out goes when the queue is empty, or is the lesser half: a queue that
/// is never empty does not grow for that.
package struct Queue<Element> {
  private var elements: [Element] = []
  private var head = 0

  package var isEmpty: Bool { head == elements.count }
  package var count: Int { elements.count - head }

  package mutating func append(_ element: Element) { elements.append(element) }

  package mutating func append(contentsOf more: [Element]) { elements.append(contentsOf: more) }

  package mutating func popFirst() -> Element? {
    guard head < elements.count else { return nil }
    let element = elements[head]
    head += 1
    if head == elements.count {
      elements.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 1024, head > elements.count / 2 {
      elements.removeSubrange(0..<head)
      head = 0
    }
    return element
  }

  package init() {}

  /// All that is left, in its order; the queue is empty then.
  package mutating func takeAll() -> [Element] {
    defer { self = Queue() }
    return Array(elements[head...])
  }
}
