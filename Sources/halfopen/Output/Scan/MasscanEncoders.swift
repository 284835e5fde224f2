// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenWire

/// `masscan-list`, the lines of masscan's `-oL`: `open tcp 80 192.0.2.1 1390380064`. It has a word for open and for closed.
struct MasscanListEncoder: SweepEncoder {
  private static let last = "# end\n"

  mutating func begin(_ bytes: inout [UInt8]) { bytes += "#masscan\n".utf8 }

  mutating func resume(after count: Int64, end: ArraySlice<UInt8>) -> Int {
    end.ends(with: MasscanListEncoder.last) ? MasscanListEncoder.last.utf8.count : 0
  }

  mutating func encode(_ results: [SweepResult], into bytes: inout [UInt8]) {
    for result in results {
      guard let words = MasscanWords(result.verdict) else { continue }
      bytes += words.status.utf8
      bytes += " tcp ".utf8
      bytes.append(decimal: result.port)
      bytes.append(UInt8(ascii: " "))
      bytes.append(result.verdict.address, zone: result.zone)
      bytes.append(UInt8(ascii: " "))
      bytes.append(decimal: Timestamp.seconds(result.time))
      bytes.append(0x0a)
    }
  }

  mutating func end(_ progress: SweepProgress, into bytes: inout [UInt8]) { bytes += MasscanListEncoder.last.utf8 }
}

/// `masscan-json`, the array of masscan's `-oJ`, a record on each line and between them a line with the comma.
struct MasscanJSONEncoder: SweepEncoder {
  private var isFirst = true

  mutating func begin(_ bytes: inout [UInt8]) { bytes += "[\n".utf8 }

  mutating func resume(after count: Int64, end: ArraySlice<UInt8>) -> Int {
    var cut = 0
    if end.ends(with: "\n]\n") { cut = 2 }
    if end.dropLast(cut).ends(with: "\n,\n") { cut += 2 }
    isFirst = count - Int64(cut) <= 2
    return cut
  }

  mutating func encode(_ results: [SweepResult], into bytes: inout [UInt8]) {
    for result in results {
      guard let words = MasscanWords(result.verdict) else { continue }
      bytes += (isFirst ? "{   \"ip\": \"" : ",\n{   \"ip\": \"").utf8
      isFirst = false
      bytes.append(result.verdict.address, zone: result.zone)
      bytes += "\",   \"timestamp\": \"".utf8
      bytes.append(decimal: Timestamp.seconds(result.time))
      bytes += "\", \"ports\": [ {\"port\": ".utf8
      bytes.append(decimal: result.port)
      bytes += ", \"proto\": \"tcp\", \"status\": \"".utf8
      bytes += words.status.utf8
      bytes += "\", \"reason\": \"".utf8
      bytes += words.reason.utf8
      bytes += "\", \"ttl\": ".utf8
      bytes.append(decimal: result.verdict.answer?.ttl ?? 0)
      bytes += "} ] }\n".utf8
    }
  }

  mutating func end(_ progress: SweepProgress, into bytes: inout [UInt8]) { bytes += "]\n".utf8 }
}

/// A verdict in masscan's words; nil where it has none.
private struct MasscanWords {
  let status: String
  /// The flags of the segment.
  let reason: String

  init?(_ verdict: CheckResult) {
    switch verdict.state {
    case .open: (status, reason) = ("open", "syn-ack")
    case .closed: (status, reason) = ("closed", "rst-ack")
    case .unreachable, .noAnswer: return nil
    }
  }
}

extension Sequence<UInt8> where Self: BidirectionalCollection {
  fileprivate func ends(with text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
