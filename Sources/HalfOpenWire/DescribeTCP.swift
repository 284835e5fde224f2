// SPDX-License-Identifier: Apache-2.0

extension Describe {
  static func tcp(_ view: borrowing TCPView, length: Int) -> String {
    // A length below zero is a header that claims to reach beyond its IP packet.
    let length = Swift.max(0, length)
    var text = "Flags [\(view.flags)]"
    if length > 0 || !view.flags.isDisjoint(with: [.syn, .fin, .rst]) {
      text += ", seq \(view.sequence)"
      if length > 0 { text += ":\(view.sequence + UInt32(truncatingIfNeeded: length))" }
    }
    if view.flags.contains(.ack) { text += ", ack \(view.acknowledgment)" }
    text += ", win \(view.window)"
    if view.flags.contains(.urg) { text += ", urg \(view.urgentPointer)" }
    let bytes = view.optionBytes
    if !bytes.isEmpty {
      guard let list = options(bytes) else { return text + ", options [bad opt]" }
      text += ", options [\(list)]"
    }
    return text + ", length \(length)"
  }

  /// The options between commas, nil if they do not parse: tcpdump gives up on the packet there.
  private static func options(_ bytes: Span<UInt8>) -> String? {
    var names: [String] = []
    var iterator = TCPOptionIterator(bytes)
    while let option = iterator.next() {
      switch option {
      case .noOperation: names.append("nop")
      case .maximumSegmentSize(let size): names.append("mss \(size)")
      case .windowScale(let shift): names.append("wscale \(shift)")
      case .sackPermitted: names.append("sackOK")
      case .sack(let blocks): names.append(sack(blocks))
      case .timestamps(let clocks): names.append("TS val \(clocks.value) ecr \(clocks.echo)")
      case .unknown(let kind, let data): names.append(unknown(kind, bytes.slice(data.lowerBound, data.upperBound)))
      }
    }
    guard iterator.error == nil else { return nil }
    if iterator.metEnd { names.append("eol") }
    return names.joined(separator: ",")
  }

  private static func sack(_ blocks: TCPSACKBlocks) -> String {
    var text = "sack \(blocks.count) "
    for index in 0..<blocks.count {
      guard let block = blocks[index] else { break }
      text += "{\(block.left):\(block.right)}"
    }
    return text
  }

  private static func unknown(_ kind: UInt8, _ data: Span<UInt8>) -> String {
    var digits = ""
    for index in data.indices { digits += hexadecimal(UInt64(data.load8(index)), digits: 2) }
    switch kind {
    case 34: return data.isEmpty ? "tfo  cookiereq" : "tfo  cookie \(digits)"
    default: return data.isEmpty ? "unknown-\(kind)" : "unknown-\(kind) 0x\(digits)"
    }
  }
}
