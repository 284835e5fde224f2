// SPDX-License-Identifier: Apache-2.0

/// As many elements as it was made with, in memory of one owner: a store into it looks for no second one, as a store into
/// an array does.
@safe struct Slab<Element: BitwiseCopyable>: ~Copyable {
  let count: Int
  private let elements: UnsafeMutablePointer<Element>

  init(repeating element: Element, count: Int) {
    self.count = count
    unsafe elements = .allocate(capacity: count)
    // SAFETY: there is room for `count` of them.
    unsafe elements.initialize(repeating: element, count: count)
  }

  deinit { unsafe elements.deallocate() }

  subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      // SAFETY: element `index` is there, and lives as long as `self`.
      return unsafe elements[index]
    }
    set {
      precondition(index >= 0 && index < count)
      // SAFETY: as above.
      unsafe elements[index] = newValue
    }
  }
}
