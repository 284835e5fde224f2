// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// What the doctor's facts mean, as lines for people.
struct DoctorReport: Sendable {
  enum Mark: String, Sendable {
    case good = "ok"
    case note = "--"
    case warning = "!"
    case failure = "FAIL"
  }

  struct Row: Sendable {
    var mark: Mark
    var subject: String
    var text: String
  }

  private(set) var rows: [Row] = []
  /// 0, or the code that a check would end with.
  private(set) var exitCode = ExitCode.ok

  init(_ facts: DoctorFacts) {
    addCapability(facts)
    add(facts.hasLibpcap ? .good : .note, "libpcap", facts.hasLibpcap ? "in this build" : "not in this build")
    addEngine(facts)
    if let target = facts.target { add(.note, "target", target) }
    switch facts.path {
    case .success(let path)?: addPath(path, facts)
    case .failure(let error)?:
      add(.failure, error.code == .nameNotResolved ? "name" : "route", "\(error)")
      exitCode = ExitCode.Fault(error.code).rawValue
    case nil: break
    }
    addHost(facts)
  }

  func text(usesColor: Bool) -> String {
    let width = rows.map(\.subject.utf8.count).max() ?? 0
    return rows.map { row in
      let mark = row.mark.rawValue
      let painted = usesColor ? paint(row.mark, mark) : mark
      let lines = Diagnostics.printable(row.text)
      let gap = String(repeating: " ", count: 6 - mark.utf8.count)
      return painted + gap + row.subject + String(repeating: " ", count: width - row.subject.utf8.count + 2) + lines
        + "\n"
    }.joined()
  }

  private func paint(_ mark: Mark, _ text: String) -> String {
    switch mark {
    case .good: "\u{1B}[32m\(text)\u{1B}[0m"
    case .note: text
    case .warning: "\u{1B}[33m\(text)\u{1B}[0m"
    case .failure: "\u{1B}[31m\(text)\u{1B}[0m"
    }
  }

  private mutating func add(_ mark: Mark, _ subject: String, _ text: String) {
    rows.append(Row(mark: mark, subject: subject, text: text))
  }

  private mutating func addCapability(_ facts: DoctorFacts) {
    let capabilities = facts.capabilities
    if capabilities.canSendAndCapture {
      add(.good, "capability", "raw and packet sockets open (CAP_NET_RAW)")
    } else {
      let error = capabilities.rawSocketError ?? capabilities.packetSocketError
      let mark: Mark = facts.options.backend == .packet ? .failure : .warning
      add(
        mark, "capability",
        "no raw sockets\(error.map { ": \($0)" } ?? ""); to have them, run once: \(Capabilities.grantCommand)")
    }
  }

  private mutating func addEngine(_ facts: DoctorFacts) {
    switch facts.engine {
    case .failure(let error):
      add(.failure, "backend", "\(error)")
      exitCode = ExitCode.Fault(error.code).rawValue
    case .success(let backend):
      add(
        .good, "backend", facts.capabilities.canSendAndCapture ? "\(backend.rawValue): \(facts.why)" : backend.rawValue)
      let isPacket = backend == .packet
      add(
        .note, "transmit",
        isPacket ? "raw IP sockets, routed by the kernel" : "kernel TCP sockets, closed before their ACK leaves")
      add(.note, "reset", reset(facts, isPacket: isPacket))
    }
  }

  private func reset(_ facts: DoctorFacts, isPacket: Bool) -> String {
    guard isPacket else { return "the kernel's RST+ACK, by SO_LINGER 0" }
    switch facts.options.reset {
    case .kernel: return "kernel: its answer to a SYN-ACK it did not ask for"
    case .engine: return "engine: a RST of our own"
    case .none: return "none of ours; the kernel may still send one"
    case .auto:
      if case .success(let path)? = facts.path, !path.isSourceLocal {
        return "auto: the engine's, since the source is not an address of this host"
      }
      return "auto: the kernel's where it is seen to send one, else the engine's"
    }
  }

  private mutating func addPath(_ path: DoctorFacts.Path, _ facts: DoctorFacts) {
    let interface = path.interface?.name ?? "interface \(path.route.interfaceIndex)"
    let way = path.route.isLocal ? "local" : path.route.gateway.map { "via \($0)" } ?? "on-link"
    let mtu = path.route.mtu ?? path.interface?.mtu
    add(.good, "route", "\(way), \(interface)\(mtu.map { ", MTU \($0)" } ?? "")")
    if let link = path.interface, !link.isUp {
      add(.failure, "interface", "\(link.name) is down; run: sudo ip link set \(link.name) up")
      exitCode = ExitCode.notReachable
    }
    let source = path.route.source.map { "\($0)" } ?? "the kernel's choice"
    add(
      path.isSourceLocal ? .good : .warning, "source",
      path.isSourceLocal
        ? source : "\(source) is not an address of this host: replies come here only if they are routed so")
    if let nextHop = path.nextHop { addNextHop(nextHop, path.neighbour) }
    if let filter = path.reversePathFilter { addReversePathFilter(filter, interface) }
  }

  private mutating func addNextHop(_ address: IPAddress, _ neighbour: Neighbour?) {
    guard let neighbour else {
      return add(.note, "next hop", "\(address): not asked yet (ARP or neighbour discovery comes with the first SYN)")
    }
    let mac = neighbour.macAddress.map { " at \($0)" } ?? ""
    if neighbour.state.isUsable {
      add(.good, "next hop", "\(address): \(neighbour.state)\(mac)")
    } else if neighbour.state.contains(.failed) {
      add(.warning, "next hop", "\(address): \(neighbour.state); it did not answer, checks will say host-unreach")
    } else {
      add(.note, "next hop", "\(address): \(neighbour.state)")
    }
  }

  private mutating func addReversePathFilter(_ value: Int, _ interface: String) {
    switch value {
    case 0: add(.good, "rp_filter", "off on \(interface)")
    case 1: add(.note, "rp_filter", "strict on \(interface): replies that come by another interface are dropped")
    default: add(.good, "rp_filter", "loose on \(interface)")
    }
  }

  private mutating func addHost(_ facts: DoctorFacts) {
    if let ports = facts.localPorts { add(.note, "local ports", ports) }
    if let conntrack = facts.conntrack {
      let percent = conntrack.limit > 0 ? conntrack.count.multipliedReportingOverflow(by: 100).0 / conntrack.limit : 0
      let fill = "\(conntrack.count) of \(conntrack.limit) entries (\(percent)%)"
      add(
        percent >= 80 ? .warning : .good, "conntrack",
        percent >= 80
          ? "\(fill): a full table drops SYNs; raise net.netfilter.nf_conntrack_max or lower the rate" : fill)
    } else {
      add(.good, "conntrack", "not in use")
    }
    add(
      .note, "firewall",
      facts.firewallModules.isEmpty
        ? "no filter modules loaded (they may be built in: sudo nft list ruleset)"
        : "\(facts.firewallModules.joined(separator: ", ")) loaded; rules that drop replies: sudo nft list ruleset")
  }
}
