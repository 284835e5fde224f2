// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import TestSupport

@testable import HalfOpenLinux

/// An AF_XDP socket's kernel side in memory: what `__xsk_generic_xmit` of net/xdp/xsk.c (Linux 6.18) does with the rings,
/// with faults by chance.
final class ModelKernel {
  struct Faults {
    /// Of 1000 frames, those that the driver drops.
    var drops = 0
    /// Of 1000 frames, those that it has no room for at present.
    var busy = 0
    /// Of 1000 calls, those that find the link down.
    var down = 0
  }

  enum Descriptor: Equatable {
    case frame(Int)
    case void
  }

  /// What has left, in order.
  private(set) var wire: [[UInt8]] = []
  private(set) var voided = 0
  /// What must never happen.
  private(set) var breaches: [String] = []
  var faults: Faults
  /// Shows what it took only when it has taken all, as kernels before 6.17 do.
  var isLate = false
  /// Calls that have found every frame refused: nothing moves.
  var isStuck = false

  let takesInKick: Bool
  private let frames: Int
  let places: Int
  private var random: SeededRandom
  private var memory: [Int: [UInt8]] = [:]
  private var lengths: [Int: Int] = [:]
  private var ring: [Int: Descriptor] = [:]
  /// Behind the last place that has been written.
  private var described: UInt32 = 0
  private var shown: UInt32 = 0
  private var seen: UInt32 = 0
  private var taken: UInt32 = 0
  private var told: UInt32 = 0
  /// Frames that the device has not done with.
  private var inFlight: [Int] = []
  private var completed: [Int] = []

  init(frames: Int, places: Int, seed: UInt64, takesInKick: Bool = true, faults: Faults = Faults()) {
    (self.frames, self.places, self.takesInKick, self.faults) = (frames, places, takesInKick, faults)
    random = SeededRandom(seed: seed)
  }

  private func chance(_ of1000: Int) -> Bool { of1000 > 0 && Int.random(in: 0..<1000, using: &random) < of1000 }

  fileprivate func write<Value>(
    _ frame: Int, length: Int, _ body: (inout MutableSpan<UInt8>) -> Value
  ) -> Value {
    expectOurs(frame, "written")
    let old = memory[frame] ?? []
    var bytes = Array((old + [UInt8](repeating: 0xee, count: length)).prefix(length))
    var span = bytes.mutableSpan
    let value = body(&span)
    memory[frame] = bytes + old.dropFirst(length)
    return value
  }

  fileprivate func describe(_ frame: Int, length: Int, at place: UInt32) {
    expectOurs(frame, "described")
    if place &- taken >= UInt32(places) { breaches.append("place \(place) written before it was taken") }
    lengths[frame] = length
    ring[Int(place) % places] = .frame(frame)
    described = place &+ 1
  }

  private func expectOurs(_ frame: Int, _ event: String) {
    if inFlight.contains(frame) || completed.contains(frame) { breaches.append("\(frame) \(event) in flight") }
    var other = taken
    while other != described {
      if ring[Int(other) % places] == .frame(frame) { breaches.append("\(frame) \(event) in the ring") }
      other &+= 1
    }
  }

  fileprivate func void(_ place: UInt32) { ring[Int(place) % places] = .void }
  fileprivate func publish(_ put: UInt32) { shown = put }
  fileprivate var toldTaken: UInt32 { told }

  fileprivate func drain() -> [Int] {
    defer { completed = [] }
    return completed
  }

  /// The device is done with some of its frames, in any order.
  fileprivate func pass() {
    if !takesInKick, !isStuck { transmit(upTo: Int.random(in: 0...8, using: &random)) }
    finish()
  }

  private func finish() {
    for _ in 0..<Int.random(in: 0...max(1, inFlight.count), using: &random) {
      guard let index = inFlight.indices.randomElement(using: &random) else { return }
      completed.append(inFlight.remove(at: index))
    }
  }

  fileprivate func kick() -> Errno? {
    defer { finish() }
    if chance(faults.down) { return .networkDown }
    guard takesInKick else { return nil }
    var hasSent = false
    func end(_ errno: Errno?) -> Errno? {
      if hasSent, !isLate { told = taken }
      return errno
    }
    for count in 0... {
      if seen == taken {
        (told, seen) = (taken, shown)
        if seen == taken { return end(nil) }
      }
      guard case .frame(let frame)? = ring[Int(taken) % places] else {
        voided += 1
        taken &+= 1
        return end(nil)
      }
      if count == 32 || isStuck || chance(faults.busy) { return end(.resourceTemporarilyUnavailable) }
      taken &+= 1
      if chance(faults.drops) {
        completed.append(frame)
        return end(.resourceBusy)
      }
      hasSent = true
      send(frame)
    }
    return nil
  }

  private func send(_ frame: Int) {
    wire.append(Array((memory[frame] ?? []).prefix(lengths[frame] ?? 0)))
    inFlight.append(frame)
  }

  private func transmit(upTo limit: Int) {
    for _ in 0..<limit where taken != shown {
      if case .frame(let frame)? = ring[Int(taken) % places] { send(frame) }
      taken &+= 1
    }
    told = taken
  }
}

/// A sender's way to a `ModelKernel`.
struct ModelPort: FramePort, ~Copyable {
  let kernel: ModelKernel

  var takesInKick: Bool { kernel.takesInKick }
  func write<Value>(_ frame: Int, length: Int, _ body: (inout MutableSpan<UInt8>) -> Value) -> Value {
    kernel.write(frame, length: length, body)
  }
  func describe(_ frame: Int, length: Int, at place: UInt32) { kernel.describe(frame, length: length, at: place) }
  func void(_ place: UInt32) { kernel.void(place) }
  func publish(_ put: UInt32) { kernel.publish(put) }
  func kick() -> Errno? { kernel.kick() }
  var taken: UInt32 { kernel.toldTaken }
  func drainCompleted(_ body: (_ frame: Int) -> Void) { for frame in kernel.drain() { body(frame) } }
  func pause() { kernel.pass() }
}
