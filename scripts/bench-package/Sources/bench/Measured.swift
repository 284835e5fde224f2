// SPDX-License-Identifier: Apache-2.0

import CMeasure
import Foundation

/// What one run of a program took, by the kernel's accounts. Times in seconds, memory in bytes.
struct Measured: Codable, Sendable {
  var wall = 0.0
  /// User and system, of all its threads (wait4).
  var cpu = 0.0
  /// Of the whole machine, with what else ran on it.
  var busy = 0.0
  var peak = 0.0
  /// From the start to the first packet at the far end, from there to the last one, from there to the end.
  var start = 0.0
  var sending = 0.0
  var tail = 0.0
  /// Packets that the far interface received, and how many a second between a tenth and nine tenths of them.
  var packets = 0
  var rate = 0.0
  /// Resident when half and when all of the packets were there.
  var residentHalfway = 0.0
  var residentAtEnd = 0.0
  var exitCode = 0
  var wasEnded = false

  /// - Throws: where nothing arrived at the far end: then there is nothing to tell.
  func checked(_ name: String) throws -> Measured {
    guard packets > 0 else { throw Failure(description: "\(name) sent nothing and ended with \(exitCode)") }
    return self
  }
}

/// One look at a run.
private struct Look {
  var time: UInt64
  var packets: Int
  var memory: Memory
}

extension Lab {
  /// Runs a program in `near` to its end, or for `seconds`, while the far interface is watched.
  /// - Parameters:
  ///   - output, errors: the files that it writes to.
  ///   - trickles: `near` receives ten frames a second that mean nothing, for programs that look at the clock only when
  ///     something arrives.
  func measure(
    _ words: [String], output: String = "/dev/null", errors: String = "/dev/null", seconds: Double,
    trickles: Bool = false
  ) throws -> Measured {
    let watch = try Watch(self, trickles: trickles)
    var (before, after) = (meter(), meter())
    meter_read(&before)
    let started = meter_now()
    let pid = try near.runBlocking { try startMeasured(words, output: output, errors: errors) }
    watch.follow(pid)
    var spent = spent()
    spawned_await(pid, seconds, &spent)
    meter_read(&after)
    var measured = watch.end(started: started, ended: spent.ended)
    measured.wall = Double(spent.ended - started) / 1e9
    measured.cpu = spent.user + spent.system
    measured.busy = after.busy - before.busy
    measured.exitCode = Int(spent.status)
    measured.wasEnded = spent.was_ended != 0
    return measured
  }
}

/// Starts a program in the calling thread's namespace.
func startMeasured(_ words: [String], output: String, errors: String = "/dev/null") throws -> pid_t {
  var list = words.map { strdup($0) }
  defer { list.forEach { free($0) } }
  list.append(nil)
  let pid = spawned_measured(&list, output, errors)
  guard pid > 0 else { throw Failure(description: "'\(words[0])' does not start") }
  return pid
}

/// A thread in `far` that looks at its interface every few milliseconds.
private final class Watch: @unchecked Sendable {
  private let lock = NSLock()
  private var looks: [Look] = []
  private var pid: pid_t = 0
  private var isOver = false
  private let done = DispatchSemaphore(value: 0)

  init(_ lab: Lab, trickles: Bool) throws {
    let far = lab.far
    let ready = DispatchSemaphore(value: 0)
    let thread = Thread { [self] in
      _ = try? far.runBlocking { [self] in
        look()
        ready.signal()
        watch(trickles)
      }
      done.signal()
    }
    thread.start()
    ready.wait()
  }

  func follow(_ pid: pid_t) { lock.withLock { self.pid = pid } }

  private func watch(_ trickles: Bool) {
    let frames = trickles ? trickle_open(Lab.interface) : -1
    defer { close(frames) }
    var turn = 0
    while !lock.withLock({ isOver }) {
      usleep(5000)
      if frames >= 0, turn % 20 == 0 { trickle_send(frames) }
      turn += 1
      look()
    }
  }

  private func look() {
    let pid = lock.withLock { self.pid }
    let memory = pid > 0 && looks.count % 8 == 0 ? Memory(pid) : nil
    looks.append(
      Look(
        time: meter_now(), packets: receivedPackets(Lab.interface),
        memory: memory ?? looks.last?.memory ?? Memory(resident: 0, peak: 0)))
  }

  func end(started: UInt64, ended: UInt64) -> Measured {
    lock.withLock { isOver = true }
    done.wait()
    var measured = Measured()
    // Not wait4's: that begins with what this process has.
    measured.peak = looks.last?.memory.peak ?? 0
    guard let base = looks.first?.packets, let last = looks.last?.packets, last > base,
      let first = looks.first(where: { $0.packets > base }), let final = looks.first(where: { $0.packets == last })
    else { return measured }
    let total = last - base
    measured.packets = total
    measured.start = Double(first.time &- started) / 1e9
    measured.sending = Double(final.time - first.time) / 1e9
    measured.tail = max(0, (Double(ended) - Double(final.time)) / 1e9)
    if let low = looks.first(where: { $0.packets - base >= total / 10 }),
      let high = looks.last(where: { $0.packets - base <= total - total / 10 }), high.time > low.time
    {
      measured.rate = Double(high.packets - low.packets) / (Double(high.time - low.time) / 1e9)
    }
    if let half = looks.first(where: { $0.packets - base >= total / 2 }) {
      measured.residentHalfway = half.memory.resident
    }
    measured.residentAtEnd = looks.last?.memory.resident ?? 0
    return measured
  }
}

private func receivedPackets(_ interface: String) -> Int {
  let text = (try? String(contentsOfFile: "/proc/thread-self/net/dev", encoding: .utf8)) ?? ""
  for line in text.split(separator: "\n") {
    let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
    if words.first.map(String.init) == interface, words.count > 2 { return Int(words[2]) ?? 0 }
  }
  return 0
}

/// Of a process, in bytes.
private struct Memory {
  var resident: Double
  var peak: Double

  init(resident: Double, peak: Double) { (self.resident, self.peak) = (resident, peak) }

  /// Nil for a process that has ended.
  init?(_ pid: pid_t) {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    func value(_ key: String) -> Double? {
      let line = text.split(separator: "\n").first { $0.hasPrefix(key) }
      return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }.map { $0 * 1024 }
    }
    guard let resident = value("VmRSS:"), let peak = value("VmHWM:") else { return nil }
    self.init(resident: resident, peak: peak)
  }
}
