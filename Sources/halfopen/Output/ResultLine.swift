// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// A result as it is about to be written.
struct ResultLine: Sendable {
  /// When it was received, in nanoseconds since 1970.
  var time: Int64
  var endpoint: Endpoint
  /// The name that the endpoint was given by; nil for an address.
  var name: String?
  var result: CheckResult
  /// Which round of `--count`, from one, and of how many (nil without an end).
  var round: Round?

  struct Round: Hashable, Sendable {
    var number: Int
    var of: Int?
  }

  init(time: Int64, endpoint: Endpoint, name: String?, result: CheckResult, round: Round? = nil) {
    self.time = time
    self.endpoint = endpoint
    self.result = result
    self.round = round
    if case .name(let own) = endpoint.host { self.name = own } else { self.name = name }
  }

  /// The zone of the address that was checked.
  var zone: String? {
    guard case .address(result.address, let zone) = endpoint.host else { return nil }
    return zone
  }

  /// The address that was checked, with its zone.
  var address: String { zone.map { "\(result.address)%\($0)" } ?? "\(result.address)" }

  /// How people name the endpoint: by its name if it has one.
  var label: String { name.map { "\($0):\(endpoint.port)" } ?? "\(endpoint)" }
}

/// A fault on our side, or input that makes no sense, as it is about to be written.
struct FaultLine: Sendable {
  var time: Int64
  /// The host, the hosts from one to another, or the text that could not be read.
  var target: String
  var port: UInt16?
  /// How many, where it is about several.
  var targets: UInt64?
  var error: CheckError
  /// The input is at fault, not the network.
  var isInput = false
}

extension FaultLine {
  init(_ fault: SweepFault) {
    self.init(
      time: realtimeNanoseconds(), target: "\(fault.range)", targets: fault.targets, error: fault.error)
  }
}
