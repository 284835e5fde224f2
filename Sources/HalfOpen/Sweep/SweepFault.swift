// SPDX-License-Identifier: Apache-2.0

public import HalfOpenWire

/// Targets of a sweep that can't be probed, since no way leads to them. They have no results.
public struct SweepFault: Hashable, Sendable, CustomStringConvertible {
  /// From the first of their addresses to the last. Other targets may lie between.
  package let range: AddressRange
  /// How many targets: of the whole job, also where a shard of it is swept.
  public let targets: UInt64
  /// Why, of the first.
  public let error: CheckError

  init(_ fault: RouteMap.Fault) { (range, targets, error) = (fault.range, fault.targets, fault.error) }

  /// The lowest of their addresses.
  public var first: IPAddress { range.first }

  /// The highest of their addresses.
  public var last: IPAddress { range.last }

  /// In one line.
  public var description: String { "\(error): \(targets) targets from \(first) to \(last)" }
}
