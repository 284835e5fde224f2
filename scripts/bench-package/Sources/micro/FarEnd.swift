// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenWire

@testable import HalfOpen

/// All that a sweep probes, as packets: it is shown a SYN and answers with a SYN-ACK, which is matched.
struct FarEnd {
  let field: Field
  private let matcher: ReplyMatcher
  private let template: ProbeTemplate

  /// IPv6, since no other family has 2^32 addresses in one prefix.
  init(bits: UInt64) throws {
    field = try Field(.v6, hosts: "fd64::/\(128 - bits)")
    matcher = field.matcher
    template = ProbeTemplate(source: field.source)
  }

  func answer(to position: UInt64) -> ReplyMatcher.Match? {
    let flow = field.flow(at: position)
    var buffer = [128 of UInt8](repeating: 0)
    var bytes = buffer.mutableSpan
    template.write(into: &bytes)
    template.patch(
      into: &bytes, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
      sequence: field.cookie.sequence(source: field.source, flow: flow))
    guard let syn = try? Frame(bytes.span.extracting(first: template.length), linkType: .rawIP),
      let network = syn.network, let segment = syn.tcp, segment.flags == .syn,
      case .v6(let source) = network.source, case .v6(let destination) = network.destination
    else { return nil }
    let header = TCPHeader(
      sourcePort: segment.destinationPort, destinationPort: segment.sourcePort, sequence: SequenceNumber(1),
      acknowledgment: segment.sequence + 1, flags: [.syn, .ack], window: 65_535, options: .init(mss: 1440))
    IPv6Header(source: destination, destination: source, nextHeader: .tcp, payloadLength: header.length)
      .emit(into: &bytes)
    header.emit(into: &bytes, at: 40)
    guard let reply = try? Frame(bytes.span.extracting(first: 40 + header.length), linkType: .rawIP),
      case .match(let match) = matcher.look(reply, interface: 1, time: 0)
    else { return nil }
    return match
  }
}

/// Numbers below a bound, a bit each.
struct BitSet {
  private var words: [UInt64]
  private(set) var count: UInt64 = 0

  init(_ bound: UInt64) { words = Array(repeating: 0, count: Int((bound + 63) / 64)) }

  var bytes: Int { words.count * 8 }

  /// False where it was in.
  mutating func insert(_ number: UInt64) -> Bool {
    let (word, bit) = (Int(number / 64), UInt64(1) << (number % 64))
    guard words[word] & bit == 0 else { return false }
    words[word] |= bit
    count += 1
    return true
  }
}

/// This process's, in bytes.
enum Memory {
  /// The peak counts from here (proc(5), clear_refs).
  static func resetPeak() {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return }
    fputs("5", file)
    fclose(file)
  }

  /// The most that was resident.
  static func peak() -> Double {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 256)
    while fgets(&buffer, CInt(buffer.count), file) != nil {
      let line = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if line.hasPrefix("VmHWM:") {
        let digits = line.filter { "0"..."9" ~= $0 }
        return (Double(digits) ?? 0) * 1024
      }
    }
    return 0
  }
}
