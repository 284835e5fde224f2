// SPDX-License-Identifier: Apache-2.0

import Glibc
private import HalfOpenLinux
import HalfOpenWire

/// What the real tcpdump prints for packets: `tcpdump -nn -S -t -r`, a line for each.
enum Tcpdump {
  struct Failure: Error {
    var message: String
  }

  static func lines(_ packets: [[UInt8]], _ linkType: HalfOpenWire.LinkType) throws -> [String] {
    let folder = try makeTemporaryFolder(prefix: "halfopen")
    let path = "\(folder)/packets.pcap"
    defer {
      _ = unsafe unlink(path)
      _ = unsafe rmdir(folder)
    }
    try writeAll(capture(packets, linkType), to: try openFile(path, flags: O_WRONLY | O_CREAT))
    // tcpdump stands in sbin, which a user's PATH may lack.
    let search = "PATH=/usr/bin:/usr/sbin:/bin:/sbin:/usr/local/bin"
    let process = try SpawnedProcess(["env", search, "LC_ALL=C", "tcpdump", "-nn", "-S", "-t", "-K", "-r", path])
    guard try process.wait() == .code(0) else {
      throw Failure(message: "tcpdump failed: \(try process.outputs().errors); install it (apt-get install tcpdump)")
    }
    // tcpdump dumps what it does not know in lines that begin with a tab.
    return try process.outputs().output.split(separator: "\n").filter { !$0.hasPrefix("\t") }.map(String.init)
  }

  /// A capture file in libpcap's classic format.
  private static func capture(_ packets: [[UInt8]], _ linkType: HalfOpenWire.LinkType) -> [UInt8] {
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
