// SPDX-License-Identifier: Apache-2.0

import CCalls
import CMeasure

@testable import ResultLines

/// Something done many times by one thread.
struct Benchmark {
  let name: String
  /// How often, in a run.
  var count = 1 << 20
  /// Does it so often and returns something that depends on all of it.
  let run: (Int) -> UInt64

  init(_ name: String, count: Int = 1 << 20, run: @escaping (Int) -> UInt64) {
    (self.name, self.count, self.run) = (name, count, run)
  }

  func measure(rounds: Int) -> Measured {
    kept ^= run(count / 8)
    var measured = Measured()
    for _ in 0..<rounds {
      let start = meter_now()
      kept ^= run(count)
      measured.nanoseconds.append(Double(meter_now() - start) / Double(count))
    }
    let before = Taken.now
    count_allocations(1)
    kept ^= run(count)
    count_allocations(0)
    measured.taken = (Taken.now - before) / count
    return measured
  }
}

/// What benchmarks return goes here, so that the compiler has to work it out.
nonisolated(unsafe) var kept: UInt64 = 0

struct Measured {
  /// Of one operation, by round.
  var nanoseconds: [Double] = []
  var taken = Taken()

  var times: String {
    let sorted = nanoseconds.sorted()
    guard let least = sorted.first, let most = sorted.last else { return "" }
    return "\(fixed(sorted[sorted.count / 2], 1)) (\(fixed(least, 1))–\(fixed(most, 1)))"
  }
}

/// What a thousand operations take.
struct Taken {
  /// Calls of malloc and its kin.
  var allocations = 0.0
  /// System calls of the kinds that `counted_calls` has.
  var calls = 0.0

  /// All of this process, a thousand times over; allocations while they are counted.
  static var now: Taken {
    var meter = meter()
    let calls = counted_calls()
    meter_read(&meter)
    return Taken(allocations: Double(meter.allocations) * 1000, calls: Double(calls) * 1000)
  }

  static func - (a: Taken, b: Taken) -> Taken {
    Taken(allocations: max(0, a.allocations - b.allocations), calls: max(0, a.calls - b.calls))
  }

  static func / (taken: Taken, count: Int) -> Taken {
    Taken(allocations: taken.allocations / Double(count), calls: taken.calls / Double(count))
  }
}

func fixed(_ value: Double, _ places: Int) -> String {
  var unit = 1.0
  for _ in 0..<places { unit *= 10 }
  return Decimal.text(Int64((value * unit).rounded()), places: places)
}
