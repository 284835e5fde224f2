// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// What a descriptor is ready for.
package struct EpollEvents: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  package static let input = EpollEvents(rawValue: 0x001)
  package static let output = EpollEvents(rawValue: 0x004)
  package static let error = EpollEvents(rawValue: 0x008)
  package static let hangUp = EpollEvents(rawValue: 0x010)
  package static let edgeTriggered = EpollEvents(rawValue: 1 << 31)
}

/// An epoll instance with a fixed room for events. See epoll(7).
@safe package struct Epoll: ~Copyable {
  private let descriptor: Descriptor
  private let room: UnsafeMutableBufferPointer<epoll_event>

  /// - Parameter capacity: events taken from the kernel in one wait.
  package init(capacity: Int = 256) throws(SystemCallError) {
    descriptor = try Descriptor(opening: "epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) }
    unsafe room = .allocate(capacity: capacity)
    unsafe room.initialize(repeating: epoll_event())
  }

  deinit { unsafe room.deallocate() }

  /// The corresponding C call is `epoll_ctl(EPOLL_CTL_ADD)`.
  /// - Parameter tag: comes back with each event. Where descriptor numbers are reused, put a generation into it.
  package func add(_ fd: CInt, events: EpollEvents, tag: UInt64) throws(SystemCallError) {
    // SAFETY: `event` lives for the call, and data is only ever used as u64.
    var event = unsafe epoll_event()
    unsafe event.events = events.rawValue
    unsafe event.data.u64 = tag
    try retrying("epoll_ctl(ADD)") { unsafe epoll_ctl(descriptor.rawValue, EPOLL_CTL_ADD, fd, &event) }
  }

  /// The corresponding C call is `epoll_ctl(EPOLL_CTL_DEL)`.
  package func remove(_ fd: CInt) throws(SystemCallError) {
    try retrying("epoll_ctl(DEL)") { epoll_ctl(descriptor.rawValue, EPOLL_CTL_DEL, fd, nil) }
  }

  /// Waits, and keeps what came for `event(_:)`.
  /// - Parameter timeout: nanoseconds, nil for ever. Rounded up to the next millisecond.
  /// - Returns: how many events there are; `capacity` means that there may be more.
  package func wait(timeout: Int64?) throws(SystemCallError) -> Int {
    let milliseconds = roundedUp(timeout)
    // SAFETY: `room` is initialized for its whole count and lives as long as `self`.
    return Int(
      try retrying("epoll_wait") {
        unsafe epoll_wait(descriptor.rawValue, room.baseAddress, CInt(room.count), milliseconds)
      })
  }

  /// The event at `index` of the last `wait`, below what that returned.
  package func event(_ index: Int) -> (tag: UInt64, events: EpollEvents) {
    // SAFETY: the whole room is initialized, and data is only ever set as u64.
    let event = unsafe room[index]
    return unsafe (event.data.u64, EpollEvents(rawValue: event.events))
  }
}
