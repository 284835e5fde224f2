// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Synchronization
import SystemPackage

/// Memory mapped for as long as its owner lives.
@safe struct MappedMemory: ~Copyable {
  let base: UnsafeMutableRawPointer
  let size: Int

  /// Maps zeroed memory of our own.
  ///
  /// The corresponding C function is `mmap`.
  init(size: Int) throws(SystemCallError) {
    try self.init(size: size, flags: MAP_PRIVATE | MAP_ANONYMOUS, fd: -1, offset: 0)
  }

  /// Maps what a descriptor shares.
  init(size: Int, of fd: CInt, offset: Int) throws(SystemCallError) {
    try self.init(size: size, flags: MAP_SHARED, fd: fd, offset: offset)
  }

  private init(size: Int, flags: CInt, fd: CInt, offset: Int) throws(SystemCallError) {
    var mapped = unsafe UnsafeMutableRawPointer?.none
    // SAFETY: the kernel chooses the place, so no other memory is touched.
    try retrying("mmap") {
      unsafe mapped = mmap(nil, size, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, offset)
      return unsafe mapped == MAP_FAILED ? -1 : 0
    }
    guard let base = unsafe mapped else { throw SystemCallError(call: "mmap", errno: .noMemory) }
    unsafe self.base = unsafe base
    self.size = size
  }

  deinit {
    // SAFETY: the owner goes, and with it the last that could use the memory.
    unsafe munmap(base, size)
  }
}

/// A ring of one producer and one consumer, one of which is the kernel. See Documentation/networking/af_xdp.rst.
///
/// Who has written entries stores its index with release order; who has loaded the other's index with acquire order sees
/// them. Indices count up and wrap at 2^32.
@safe struct XDPRing<Entry: BitwiseCopyable>: ~Copyable {
  private let memory: MappedMemory
  private let producer: UnsafeMutablePointer<Atomic<UInt32>>
  private let consumer: UnsafeMutablePointer<Atomic<UInt32>>
  private let flags: UnsafeMutablePointer<Atomic<UInt32>>
  private let entries: UnsafeMutablePointer<Entry>
  private let mask: UInt32

  /// Maps a ring that a socket has been given.
  /// - Parameters:
  ///   - page: which ring, as an offset of `mmap`.
  ///   - layout: where its parts are, by the kernel (XDP_MMAP_OFFSETS).
  ///   - count: of the entries, a power of two: as many as the ring was made with.
  init(of fd: CInt, page: Int, layout: xdp_ring_offset, count: Int) throws(SystemCallError) {
    precondition(count > 0 && count & (count - 1) == 0)
    // A page has them all; anything else is no kernel's answer.
    guard [layout.producer, layout.consumer, layout.flags, layout.desc].allSatisfy({ $0 < 1 << 12 }) else {
      throw SystemCallError(call: "getsockopt(XDP_MMAP_OFFSETS)", errno: .invalidArgument)
    }
    memory = try MappedMemory(size: Int(layout.desc) + count * MemoryLayout<Entry>.stride, of: fd, offset: page)
    // SAFETY: the kernel's layout puts the indices and the flags before the entries, each aligned, and the entries are
    // within the mapping. An Atomic<UInt32> is four bytes like the UInt32 it holds.
    unsafe producer = (memory.base + Int(layout.producer)).bindMemory(to: Atomic<UInt32>.self, capacity: 1)
    unsafe consumer = (memory.base + Int(layout.consumer)).bindMemory(to: Atomic<UInt32>.self, capacity: 1)
    unsafe flags = (memory.base + Int(layout.flags)).bindMemory(to: Atomic<UInt32>.self, capacity: 1)
    unsafe entries = (memory.base + Int(layout.desc)).bindMemory(to: Entry.self, capacity: count)
    mask = UInt32(count - 1)
  }

  /// The entry at an index. Reading or writing it is for the side that owns it.
  subscript(index: UInt32) -> Entry {
    // SAFETY: the mask keeps the index within the entries.
    get { unsafe entries[Int(index & mask)] }
    nonmutating set { unsafe entries[Int(index & mask)] = newValue }
  }

  // SAFETY of all below: the pointers are to the indices and flags of the mapping, which lives as long as `self`.

  var produced: UInt32 {
    get { unsafe producer.pointee.load(ordering: .acquiring) }
    nonmutating set { unsafe producer.pointee.store(newValue, ordering: .releasing) }
  }

  var consumed: UInt32 {
    get { unsafe consumer.pointee.load(ordering: .acquiring) }
    nonmutating set { unsafe consumer.pointee.store(newValue, ordering: .releasing) }
  }

  /// The kernel wants a system call before it goes on.
  var needsWakeup: Bool {
    // What was stored before must not pass this load: the kernel asks for the call, then looks for entries once more.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    return unsafe flags.pointee.load(ordering: .relaxed) & UInt32(XDP_RING_NEED_WAKEUP) != 0
  }
}
