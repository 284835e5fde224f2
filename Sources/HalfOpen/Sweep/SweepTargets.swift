// SPDX-License-Identifier: Apache-2.0

/// What a sweep probes: addresses and ports, each pair once.
public struct SweepTargets: Sendable {
  let targetSet: TargetSet

  /// Reads targets as the command does: addresses, `192.0.2.0/24`, `192.0.2.1-192.0.2.9`, IPv6 likewise, each with ports
  /// of its own or without. Reserved ranges are left out of every target that does not lie inside one.
  ///
  /// - Parameters:
  ///   - targets: what to probe.
  ///   - ports: for targets without ports, as in `22,80,8000-8100` or `-` for all.
  ///   - exclusions: what not to probe, in the same words.
  /// - Throws: `CheckError` for what can't be read, and for names, which are to be resolved before.
  public init(_ targets: [String], ports: String? = nil, excluding exclusions: [String] = []) throws(CheckError) {
    do throws(InputError) {
      var builder = TargetSetBuilder(ports: try ports.map { text throws(InputError) in try PortSet(text) })
      for text in targets { try builder.include(try TargetWord(text)) }
      for text in exclusions { builder.exclude(try TargetWord(text)) }
      guard let name = builder.names.first else {
        targetSet = try SweepTargets.build(builder)
        return
      }
      throw InputError(what: "target '\(name.name)': a name", advice: "resolve it and give its addresses")
    } catch {
      throw .invalid(error.what, advice: error.advice)
    }
  }

  private static func build(_ builder: TargetSetBuilder) throws(InputError) -> TargetSet {
    do throws(CheckError) { return try builder.build().targets } catch {
      throw InputError(what: error.subject, advice: error.advice)
    }
  }

  /// How many pairs of address and port there are.
  public var count: UInt64 { targetSet.count }
}
