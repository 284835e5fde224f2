// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenWire

/// Turns what a sweep finds into the bytes of one format. Each appends to a buffer that its caller owns.
protocol SweepEncoder {
  /// How a file begins.
  mutating func begin(_ bytes: inout [UInt8])
  /// How a file goes on that already holds `count` bytes, whole lines that end in `end`.
  ///
  /// - Returns: how many bytes at its end have to go before anything is appended.
  mutating func resume(after count: Int64, end: ArraySlice<UInt8>) -> Int
  mutating func encode(_ results: [SweepResult], into bytes: inout [UInt8])
  mutating func encode(_ fault: FaultLine, into bytes: inout [UInt8])
  /// How a file ends.
  mutating func end(_ progress: SweepProgress, into bytes: inout [UInt8])
}

extension SweepEncoder {
  mutating func begin(_ bytes: inout [UInt8]) {}
  mutating func resume(after count: Int64, end: ArraySlice<UInt8>) -> Int { 0 }
  mutating func encode(_ fault: FaultLine, into bytes: inout [UInt8]) {}
  mutating func end(_ progress: SweepProgress, into bytes: inout [UInt8]) {}
}

/// The names that targets were given by.
struct HostNames: Sendable {
  private let names: [IPAddress: String]

  init(_ names: [IPAddress: String] = [:]) { self.names = names }

  subscript(_ address: IPAddress) -> String? { names.isEmpty ? nil : names[address] }
}

/// `jsonl`: the records of `halfopen check`, and a summary with what only a sweep counts.
struct JSONLinesEncoder: SweepEncoder {
  let names: HostNames
  private var record = JSONRecord(lines: [])

  init(names: HostNames) { self.names = names }

  mutating func encode(_ results: [SweepResult], into bytes: inout [UInt8]) {
    swap(&record.bytes, &bytes)
    for result in results {
      record.begin()
      ResultJSON.append(
        result.verdict, time: result.time, zone: result.zone, name: names[result.verdict.address], port: result.port,
        to: &record)
      record.end()
    }
    swap(&record.bytes, &bytes)
  }

  mutating func encode(_ fault: FaultLine, into bytes: inout [UInt8]) { bytes += ResultJSON.record(fault) }
  mutating func end(_ progress: SweepProgress, into bytes: inout [UInt8]) { bytes += ResultJSON.record(progress) }
}

/// `text`: the aligned columns of `halfopen check`.
struct TextEncoder: SweepEncoder {
  let names: HostNames
  private var text: ResultText

  init(names: HostNames, usesColor: Bool, endpointWidth: Int = 21) {
    self.names = names
    text = ResultText(endpointWidth: endpointWidth, usesColor: usesColor, isVerbose: false, expectsFull: false)
  }

  mutating func encode(_ results: [SweepResult], into bytes: inout [UInt8]) {
    for result in results {
      let address = result.verdict.address
      let line = ResultLine(
        time: result.time, endpoint: Endpoint(address, zone: result.zone, port: result.port), name: names[address],
        result: result.verdict)
      bytes += text.line(line).utf8
    }
  }
}

/// `ip-port`: the open endpoints and nothing else, such as `192.0.2.1:80` and `[2001:db8::1]:80`.
struct EndpointEncoder: SweepEncoder {
  mutating func encode(_ results: [SweepResult], into bytes: inout [UInt8]) {
    for result in results where result.verdict.state == .open {
      let isBracketed = result.verdict.address.family == .v6
      if isBracketed { bytes.append(UInt8(ascii: "[")) }
      bytes.append(result.verdict.address, zone: result.zone)
      bytes += (isBracketed ? "]:" : ":").utf8
      bytes.append(decimal: result.port)
      bytes.append(0x0a)
    }
  }
}
