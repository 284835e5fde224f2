// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

@testable import HalfOpen
@testable import ResultLines

extension Benchmark {
  /// Of what is written.
  static func results() throws -> [Benchmark] {
    try IPFamily.allCases.flatMap { family in try Field.Kind.allCases.map { try line(family, $0) } }
  }

  private static func line(_ family: IPFamily, _ kind: Field.Kind) throws -> Benchmark {
    let field = try Field(family)
    let matcher = field.matcher
    let results = (UInt64(0)..<256).compactMap { position -> SweepResult? in
      guard let frame = try? Frame(field.reply(kind, to: position).span, linkType: .rawIP),
        case .match(let match) = matcher.look(
          frame, interface: 1, time: 1_767_323_045_678_901_000 + Int64(position) * 12_345_678)
      else { return nil }
      var result = match.result
      result.verdict.rtt = .nanoseconds(412_000 + Int64(position) * 1_001)
      return result
    }
    return Benchmark("jsonl: \(kind.rawValue), \(family)", count: 1 << 17) { count in
      var encoder = JSONLinesEncoder(names: HostNames())
      var (bytes, written): ([UInt8], Int) = ([], 0)
      for _ in 0..<(count / results.count) {
        encoder.encode(results, into: &bytes)
        written += bytes.count
        bytes.removeAll(keepingCapacity: true)
      }
      precondition(written > count * 100)
      return UInt64(written)
    }
  }
}
