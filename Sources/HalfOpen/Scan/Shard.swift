// SPDX-License-Identifier: Apache-2.0

/// One of several equal parts of a sweep. The parts of equal job and seed are disjoint and together complete.
package struct Shard: Hashable, Sendable {
  /// From 0 to `count` - 1.
  package let index: UInt64
  /// How many parts there are, at least one. More than there are targets leaves some parts empty.
  package let count: UInt64

  /// Everything.
  package static let whole = Shard(index: 0, count: 1)

  private init(index: UInt64, count: UInt64) {
    self.index = index
    self.count = count
  }

  /// The positions of the order that fall to this part: the sizes of two parts differ by one at most.
  package func positions(of total: UInt64) -> Range<UInt64> {
    // Part i starts at ⌊i x total / count⌋; index <= count keeps the quotient within 64 bits.
    func start(_ index: UInt64) -> UInt64 { count.dividingFullWidth(index.multipliedFullWidth(by: total)).quotient }
    return start(index)..<(index + 1 == count ? total : start(index + 1))
  }
}

extension Shard {
  /// Reads `i/n`, counted from one: `1/4` to `4/4`.
  ///
  /// - Throws: `InputError`.
  package init(_ text: String) throws(InputError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let number = Shard.number(parts[0]), let count = Shard.number(parts[1]),
      number >= 1, number <= count
    else {
      throw InputError(what: "shard '\(text)'", advice: "use i/n with i from 1 to n: 1/4, 2/4, 3/4 and 4/4")
    }
    self.init(index: number - 1, count: count)
  }

  /// What a scheduler's environment says, nil where none set one.
  ///
  /// Kubernetes Indexed Jobs set `JOB_COMPLETION_INDEX` from 0; the manifest gives `HALFOPEN_SHARD_COUNT`, the job's
  /// `completions`. Slurm arrays set `SLURM_ARRAY_TASK_ID`, `_MIN`, `_MAX`, `_STEP` and `_COUNT`; an array with gaps, as
  /// a rerun of single tasks has, does not say which parts its tasks are.
  ///
  /// - Throws: `InputError` for an environment that says it in part, or twice.
  package init?(environment: [String: String]) throws(InputError) {
    let inKubernetes = environment["JOB_COMPLETION_INDEX"] != nil
    let inSlurm = environment["SLURM_ARRAY_TASK_ID"] != nil
    switch (inKubernetes, inSlurm) {
    case (false, false): return nil
    case (true, true):
      throw InputError(
        what: "environment: JOB_COMPLETION_INDEX and SLURM_ARRAY_TASK_ID are both set",
        advice: "say which part this is with --shard i/n")
    case (true, false): self = try Shard(kubernetes: environment)
    case (false, true): self = try Shard(slurm: environment)
    }
  }

  private init(kubernetes environment: [String: String]) throws(InputError) {
    let index = try Shard.value("JOB_COMPLETION_INDEX", in: environment)
    guard environment["HALFOPEN_SHARD_COUNT"] != nil else {
      throw InputError(
        what: "environment: JOB_COMPLETION_INDEX without HALFOPEN_SHARD_COUNT",
        advice: "set it to the job's completions, or give --shard 1/1 to sweep everything")
    }
    let count = try Shard.value("HALFOPEN_SHARD_COUNT", in: environment)
    guard index < count else {
      throw InputError(
        what: "environment: JOB_COMPLETION_INDEX \(index) with HALFOPEN_SHARD_COUNT \(count)",
        advice: "set HALFOPEN_SHARD_COUNT to the job's completions")
    }
    self.init(index: index, count: count)
  }

  private init(slurm environment: [String: String]) throws(InputError) {
    let task = try Shard.value("SLURM_ARRAY_TASK_ID", in: environment)
    let count = try Shard.value("SLURM_ARRAY_TASK_COUNT", in: environment)
    let first = try Shard.value("SLURM_ARRAY_TASK_MIN", in: environment)
    let last = try Shard.value("SLURM_ARRAY_TASK_MAX", in: environment)
    let step =
      try environment["SLURM_ARRAY_TASK_STEP"] == nil ? 1 : Shard.value("SLURM_ARRAY_TASK_STEP", in: environment)
    guard count >= 1, step >= 1, first <= task, task <= last, (task - first) % step == 0,
      (last - first) / step == count - 1
    else {
      throw InputError(
        what: "environment: task \(task) of a Slurm array of \(count) from \(first) to \(last) by \(step)",
        advice: "use an array without gaps, as in --array=0-\(max(count, 1) - 1), or give --shard i/n")
    }
    self.init(index: (task - first) / step, count: count)
  }

  private static func value(_ name: String, in environment: [String: String]) throws(InputError) -> UInt64 {
    guard let text = environment[name], let value = number(text) else {
      let found = environment[name].map { "is '\($0)'" } ?? "is missing"
      throw InputError(what: "environment: \(name) \(found)", advice: "it has to be a number; or give --shard i/n")
    }
    return value
  }

  private static func number(_ text: some StringProtocol) -> UInt64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt64(text)
  }
}

extension Shard: CustomStringConvertible {
  /// The text that `init(_:)` reads.
  package var description: String { "\(index + 1)/\(count)" }
}
