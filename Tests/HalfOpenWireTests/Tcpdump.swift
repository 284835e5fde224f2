// SPDX-License-Identifier: Apache-2.0

import Foundation
import HalfOpenWire

/// What the real tcpdump prints for packets: `tcpdump -nn -S -t -r`, a line for each.
enum Tcpdump {
  struct Failure: Error {
    var message: String
  }

  static func lines(_ packets: [[UInt8]], _ linkType: LinkType) throws -> [String] {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("halfopen-\(UUID().uuidString).pcap")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(capture(packets, linkType)).write(to: file)
    let process = Process()
    // tcpdump stands in sbin, which a user's PATH may lack.
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.environment = ["PATH": "/usr/bin:/usr/sbin:/bin:/sbin:/usr/local/bin", "LC_ALL": "C"]
    process.arguments = ["tcpdump", "-nn", "-S", "-t", "-K", "-r", file.path]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(message: "tcpdump exited with \(process.terminationStatus): install it (apt-get install tcpdump)")
    }
    // tcpdump dumps what it does not know in lines that begin with a tab.
    return String(decoding: text, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("\t") }.map(String.init)
  }

  /// A capture file in libpcap's classic format.
  private static func capture(_ packets: [[UInt8]], _ linkType: LinkType) -> [UInt8] {
    func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    var bytes = number(0xa1b2_c3d4) + [2, 0, 4, 0] + number(0) + number(0) + number(65535)
    // DLT_RAW is written as LINKTYPE_RAW.
    bytes += number(linkType == .rawIP ? 101 : UInt32(linkType.rawValue))
    for packet in packets {
      bytes += number(0) + number(0) + number(UInt32(packet.count)) + number(UInt32(packet.count)) + packet
    }
    return bytes
  }
}
