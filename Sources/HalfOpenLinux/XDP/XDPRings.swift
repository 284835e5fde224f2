// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// An AF_XDP socket bound to a queue, the memory of its frames, and its two rings for sending.
struct XDPRings: ~Copyable, FramePort {
  /// In bytes: the least that the kernel allows (XDP_UMEM_MIN_CHUNK_SIZE).
  static var frameSize: Int { 2048 }
  /// For sending: as many as a device may have under way. Also the size of either ring.
  static var frames: Int { 1024 }
  /// For receiving, which a zero-copy driver does by this memory as well, once it is bound. A power of two.
  private static var receiveFrames: Int { 2048 }
  /// Frames that one call takes, where the kernel knows the option (6.17); else it is 32.
  private static var budget: CInt { 128 }
  /// Waits of 5 ms for what a closed socket still has.
  private static var waits: Int { 100 }
  /// XDP_MAX_TX_SKB_BUDGET, which older headers lack.
  private static var budgetOption: CInt { 9 }

  let takesInKick: Bool
  private let descriptor: Descriptor
  private let memory: MappedMemory
  private let transmit: XDPRing<xdp_desc>
  private let completed: XDPRing<UInt64>

  /// Opens a socket and binds it to the first queue of the interface that no other such socket has.
  /// - Parameter isZeroCopy: the driver sends from our memory; else the kernel makes copies.
  init(interfaceIndex: UInt32, isZeroCopy: Bool, isPatient: Bool = true) throws(SystemCallError) {
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let owner = try Descriptor(opening: "socket(AF_XDP)") { socket(AF_XDP, type, 0) }
    let fd = owner.rawValue
    try setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, 4 << 20)
    let count = Self.frames + (isZeroCopy ? Self.receiveFrames : 0)
    let frames = try MappedMemory(size: count * Self.frameSize)
    // Where there is no zero-copy another try comes, with less memory.
    let waits = isZeroCopy || !isPatient ? 0 : Self.waits
    try Self.patiently(waits) { () throws(SystemCallError) in try Self.register(frames, fd) }
    // No socket is bound without a fill ring, even where nothing is received by it.
    let filled = isZeroCopy ? Self.receiveFrames : 1
    try setOption(fd, SOL_XDP, XDP_UMEM_FILL_RING, CInt(filled), "setsockopt(XDP_UMEM_FILL_RING)")
    // With room for every frame the kernel never waits for us.
    try setOption(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, CInt(Self.frames), "setsockopt(XDP_UMEM_COMPLETION_RING)")
    try setOption(fd, SOL_XDP, XDP_TX_RING, CInt(Self.frames), "setsockopt(XDP_TX_RING)")
    try? setOption(fd, SOL_XDP, Self.budgetOption, Self.budget, "setsockopt(XDP_MAX_TX_SKB_BUDGET)")
    let layout = try Self.layout(fd)
    let out: XDPRing<xdp_desc> = try XDPRing(
      of: fd, page: Int(XDP_PGOFF_TX_RING), layout: layout.tx, count: Self.frames)
    let back: XDPRing<UInt64> = try XDPRing(
      of: fd, page: Int(XDP_UMEM_PGOFF_COMPLETION_RING), layout: layout.cr, count: Self.frames)
    if isZeroCopy {
      let fill: XDPRing<UInt64> = try XDPRing(
        of: fd, page: Int(XDP_UMEM_PGOFF_FILL_RING), layout: layout.fr, count: filled)
      for index in 0..<filled { fill[UInt32(index)] = UInt64((Self.frames + index) * Self.frameSize) }
      fill.produced = UInt32(filled)
    }
    let mode = isZeroCopy ? XDP_ZEROCOPY : XDP_COPY
    try Self.patiently(waits) { () throws(SystemCallError) in try Self.bind(fd, interfaceIndex, flags: mode) }
    takesInKick = !isZeroCopy
    descriptor = owner
    memory = frames
    transmit = out
    completed = back
  }

  private static func register(_ memory: borrowing MappedMemory, _ fd: CInt) throws(SystemCallError) {
    var region = xdp_umem_reg()
    region.addr = UInt64(UInt(bitPattern: unsafe memory.base))
    region.len = UInt64(memory.size)
    region.chunk_size = UInt32(frameSize)
    // The first form of the structure, which every kernel knows: without flags and what came behind them.
    let length = socklen_t(24)
    // SAFETY: the kernel reads that many bytes of the region; the memory lives as long as the socket.
    try retrying("setsockopt(XDP_UMEM_REG)") { unsafe setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &region, length) }
  }

  private static func layout(_ fd: CInt) throws(SystemCallError) -> xdp_mmap_offsets {
    var layout = xdp_mmap_offsets()
    var length = socklen_t(MemoryLayout<xdp_mmap_offsets>.size)
    // SAFETY: the kernel writes at most `length` bytes.
    try retrying("getsockopt(XDP_MMAP_OFFSETS)") {
      unsafe getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &layout, &length)
    }
    guard Int(length) == MemoryLayout<xdp_mmap_offsets>.size else {
      throw SystemCallError(call: "getsockopt(XDP_MMAP_OFFSETS)", errno: .invalidArgument)
    }
    return layout
  }

  /// Runs `body` again while what it needs may still be held by a socket that was closed: the kernel gives its queue and
  /// its locked memory back some milliseconds later (`xp_release_deferred` in net/xdp/xsk_buff_pool.c,
  /// `xdp_umem_release_deferred` in net/xdp/xdp_umem.c).
  private static func patiently(
    _ waits: Int, _ body: () throws(SystemCallError) -> Void
  ) throws(SystemCallError) {
    var waits = waits
    while true {
      do throws(SystemCallError) { return try body() } catch {
        guard waits > 0, error.errno == .resourceBusy || error.errno == .noBufferSpace else { throw error }
        waits -= 1
        usleep(5000)
      }
    }
  }

  /// Tries one queue after the other. EBUSY where all are taken.
  private static func bind(_ fd: CInt, _ interfaceIndex: UInt32, flags: CInt) throws(SystemCallError) {
    var address = sockaddr_xdp()
    address.sxdp_family = UInt16(AF_XDP)
    address.sxdp_flags = UInt16(flags | XDP_USE_NEED_WAKEUP)
    address.sxdp_ifindex = interfaceIndex
    while true {
      do throws(SystemCallError) {
        // SAFETY: the kernel reads one sockaddr_xdp.
        try retrying("bind(AF_XDP)") {
          unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
              unsafe Glibc.bind(fd, $0, socklen_t(MemoryLayout<sockaddr_xdp>.size))
            }
          }
        }
        return
      } catch {
        switch error.errno {
        case .resourceBusy: address.sxdp_queue_id += 1
        // There is no such queue.
        case .invalidArgument where address.sxdp_queue_id > 0:
          throw SystemCallError(call: "bind(AF_XDP)", errno: .resourceBusy)
        default: throw error
        }
      }
    }
  }

  // MARK: The port

  /// Where a frame's bytes begin. Not at its own beginning: those of all frames share a few lines of the processor's cache.
  private static func address(of frame: Int) -> Int { frame * frameSize + frame / 2 % 16 * 64 }

  func write<Value>(_ frame: Int, length: Int, _ body: (inout MutableSpan<UInt8>) -> Value) -> Value {
    precondition(frame >= 0 && frame < Self.frames && length >= 0 && length <= Self.frameSize / 2)
    // SAFETY: the frame is within the memory, and the bytes within the frame. The ledger gives out no frame that the
    // kernel has.
    let bytes = unsafe UnsafeMutableRawBufferPointer(start: memory.base + Self.address(of: frame), count: length)
    var span = unsafe bytes.assumingMemoryBound(to: UInt8.self).mutableSpan
    return body(&span)
  }

  func describe(_ frame: Int, length: Int, at place: UInt32) {
    precondition(frame >= 0 && frame < Self.frames && length >= 0 && length <= Self.frameSize / 2)
    transmit[place] = xdp_desc(addr: UInt64(Self.address(of: frame)), len: UInt32(length), options: 0)
  }

  func void(_ place: UInt32) {
    // An address behind all memory (`xp_aligned_validate_desc` in the kernel's net/xdp/xsk_queue.h).
    transmit[place] = xdp_desc(addr: UInt64(memory.size), len: 1, options: 0)
  }

  func publish(_ put: UInt32) { transmit.produced = put }

  func kick() -> Errno? {
    guard transmit.needsWakeup else { return nil }
    do throws(SystemCallError) {
      try retryingSize("sendto(AF_XDP)") { sendto(descriptor.rawValue, nil, 0, CInt(MSG_DONTWAIT), nil, 0) }
      return nil
    } catch {
      return error.errno
    }
  }

  var taken: UInt32 { transmit.consumed }

  func drainCompleted(_ body: (_ frame: Int) -> Void) {
    let end = completed.produced
    var next = completed.consumed
    guard next != end else { return }
    while next != end {
      body(Int(truncatingIfNeeded: completed[next] / UInt64(Self.frameSize)))
      next &+= 1
    }
    completed.consumed = end
  }

  func pause() { usleep(100) }
}
