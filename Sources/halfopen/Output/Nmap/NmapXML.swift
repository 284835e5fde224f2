// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenWire

/// The elements of nmap's XML, version 1.05 (nmap.dtd), host by host.
struct NmapXML {
  /// A state of which a host has more ports is not listed port by port, as nmap does it.
  private static let mostListed = 25

  let job: OutputJob
  let startTime: Int64
  private var up: UInt64 = 0
  private var seen: UInt64 = 0

  init(job: OutputJob, startTime: Int64) {
    self.job = job
    self.startTime = startTime
  }

  func begin(_ bytes: inout [UInt8]) {
    let start = Timestamp.seconds(startTime)
    bytes += #"<?xml version="1.0" encoding="UTF-8"?>"#.utf8
    bytes += "\n<!DOCTYPE nmaprun>\n".utf8
    // The document type has no other word for the scanner than nmap's.
    element("nmaprun", in: &bytes, isEmpty: false) {
      $0.xml("scanner", "nmap")
      $0.xml("args", job.arguments.joined(separator: " "))
      $0.xml("start", start)
      $0.xml("startstr", Timestamp.calendarText(seconds: start))
      $0.xml("version", job.version)
      $0.xml("xmloutputversion", "1.05")
    }
    element("scaninfo", in: &bytes) {
      $0.xml("type", "syn")
      $0.xml("protocol", "tcp")
      $0.xml("numservices", job.portCount)
      $0.xml("services", job.ports)
    }
    bytes += "<verbose level=\"0\"/>\n<debugging level=\"0\"/>\n".utf8
  }

  /// - Parameter ports: one host's, sorted, each once.
  mutating func append(host ports: [HostRecord], to bytes: inout [UInt8]) {
    guard let first = ports.first else { return }
    let address = first.host.ipAddress
    let proof =
      ports.first { $0.state == .open } ?? ports.first { $0.state == .closed }
      ?? ports.first { $0.sender == address }
    seen += 1
    if proof != nil { up += 1 }
    element("host", in: &bytes, isEmpty: false) {
      $0.xml("starttime", ports.map(\.seconds).min() ?? 0)
      $0.xml("endtime", ports.map(\.seconds).max() ?? 0)
    }
    element("status", in: &bytes) {
      $0.xml("state", proof == nil ? "down" : "up")
      $0.xml("reason", (proof ?? first).reason.description)
      $0.xml("reason_ttl", (proof ?? first).ttl)
    }
    element("address", in: &bytes) {
      $0.xml("addr", first.host.zoneName.map { "\(address)%\($0)" } ?? "\(address)")
      $0.xml("addrtype", address.family == .v4 ? "ipv4" : "ipv6")
    }
    bytes += "<hostnames>\n".utf8
    if let name = job.names[address] {
      element("hostname", in: &bytes) {
        $0.xml("name", name)
        $0.xml("type", "user")
      }
    }
    bytes += "</hostnames>\n<ports>".utf8
    appendPorts(ports, to: &bytes)
    bytes += "</ports>\n".utf8
    appendTimes(ports, to: &bytes)
    bytes += "</host>\n".utf8
  }

  private func appendPorts(_ ports: [HostRecord], to bytes: inout [UInt8]) {
    let groups = ["closed", "filtered"].map { state in (state, ports.filter { NmapXML.word($0.state) == state }) }
    var hidden: Set<String> = []
    for (state, group) in groups where group.count > NmapXML.mostListed {
      hidden.insert(state)
      appendExtra(state, group, to: &bytes)
    }
    if let unlisted = job.portsOfEachHost.map({ $0 - ports.count }), unlisted > 0 {
      // Without --all-states they were not told apart.
      element("extraports", in: &bytes) {
        $0.xml("state", "closed|filtered")
        $0.xml("count", unlisted)
      }
    }
    bytes.append(0x0a)
    for port in ports where !hidden.contains(NmapXML.word(port.state)) {
      bytes += "<port".utf8
      bytes.xml("protocol", "tcp")
      bytes.xml("portid", port.port)
      bytes += "><state".utf8
      bytes.xml("state", NmapXML.word(port.state))
      bytes.xml("reason", port.reason.description)
      bytes.xml("reason_ttl", port.ttl)
      if let sender = port.sender { bytes.xml("reason_ip", "\(sender)") }
      bytes += "/></port>\n".utf8
    }
  }

  private func appendExtra(_ state: String, _ ports: [HostRecord], to bytes: inout [UInt8]) {
    element("extraports", in: &bytes, isEmpty: false) {
      $0.xml("state", state)
      $0.xml("count", ports.count)
    }
    for reason in Set(ports.map(\.reason.description)).sorted() {
      let group = ports.filter { $0.reason.description == reason }
      element("extrareasons", in: &bytes) {
        $0.xml("reason", reason)
        $0.xml("count", group.count)
        $0.xml("proto", "tcp")
        $0.xml("ports", NmapXML.ranges(group.map(\.port)))
      }
    }
    bytes += "</extraports>\n".utf8
  }

  /// Smoothed as RFC 6298 section 2 has it, in microseconds; the time-out within nmap's bounds of 0.1 and 10 s.
  private func appendTimes(_ ports: [HostRecord], to bytes: inout [UInt8]) {
    var smoothed = 0.0
    var variation = 0.0
    let samples = ports.compactMap(\.rtt).map(Double.init)
    guard let first = samples.first else { return }
    (smoothed, variation) = (first, first / 2)
    for sample in samples.dropFirst() {
      variation += ((smoothed - sample).magnitude - variation) / 4
      smoothed += (sample - smoothed) / 8
    }
    element("times", in: &bytes) {
      $0.xml("srtt", Int(smoothed))
      $0.xml("rttvar", Int(variation))
      $0.xml("to", min(max(Int(smoothed + 4 * variation), 100_000), 10_000_000))
    }
  }

  func end(_ progress: SweepProgress, time: Int64, to bytes: inout [UInt8]) {
    let now = Timestamp.seconds(time)
    let total = max(job.hosts ?? seen, seen)
    let hundredths =
      progress.elapsed.components.seconds * 100
      + progress.elapsed.components.attoseconds / 10_000_000_000_000_000
    let elapsed = Decimal.text(hundredths, places: 2)
    let date = Timestamp.calendarText(seconds: now)
    bytes += "<runstats>".utf8
    element("finished", in: &bytes) {
      $0.xml("time", now)
      $0.xml("timestr", date)
      $0.xml(
        "summary",
        "halfopen done at \(date); \(total) IP \(total == 1 ? "address" : "addresses") (\(up) \(up == 1 ? "host" : "hosts")"
          + " up) scanned in \(elapsed) seconds")
      $0.xml("elapsed", elapsed)
      $0.xml("exit", progress.isComplete ? "success" : "error")
      if !progress.isComplete { $0.xml("errormsg", "the sweep was ended before it was complete") }
    }
    element("hosts", in: &bytes) {
      $0.xml("up", up)
      $0.xml("down", total - up)
      $0.xml("total", total)
    }
    bytes += "</runstats>\n</nmaprun>\n".utf8
  }

  /// The state in nmap's words.
  private static func word(_ state: CheckResult.State) -> String {
    switch state {
    case .open: "open"
    case .closed: "closed"
    case .unreachable, .noAnswer: "filtered"
    }
  }

  /// Sorted ports as `22,80-90`.
  static func ranges(_ ports: [UInt16]) -> String {
    var ranges: [ClosedRange<UInt16>] = []
    for port in ports {
      if let last = ranges.last, Int(last.upperBound) + 1 == Int(port) {
        ranges[ranges.count - 1] = last.lowerBound...port
      } else {
        ranges.append(port...port)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }

  private func element(
    _ name: String, in bytes: inout [UInt8], isEmpty: Bool = true, _ attributes: (inout [UInt8]) -> Void
  ) {
    bytes.append(UInt8(ascii: "<"))
    bytes += name.utf8
    attributes(&bytes)
    bytes += (isEmpty ? "/>\n" : ">\n").utf8
  }
}

extension [UInt8] {
  fileprivate mutating func xml(_ name: String, _ value: some BinaryInteger) {
    attribute(name)
    append(decimal: value)
    append(UInt8(ascii: "\""))
  }

  /// XML 1.0 section 2.4, and 2.2: what no document may hold becomes a question mark.
  fileprivate mutating func xml(_ name: String, _ value: String) {
    attribute(name)
    for scalar in value.unicodeScalars {
      switch scalar {
      case "&": self += "&amp;".utf8
      case "<": self += "&lt;".utf8
      case ">": self += "&gt;".utf8
      case "\"": self += "&quot;".utf8
      case "\t", "\n", "\r":
        self += "&#".utf8
        append(decimal: scalar.value)
        append(UInt8(ascii: ";"))
      case "\u{0}"..<" ", "\u{fffe}", "\u{ffff}": append(UInt8(ascii: "?"))
      default: self += String(scalar).utf8
      }
    }
    append(UInt8(ascii: "\""))
  }

  private mutating func attribute(_ name: String) {
    append(UInt8(ascii: " "))
    self += name.utf8
    self += "=\"".utf8
  }
}
