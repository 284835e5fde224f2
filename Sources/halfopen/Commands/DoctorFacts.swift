// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// What `halfopen doctor` looked up. Plain values: `DoctorReport` says what they mean.
struct DoctorFacts: Sendable {
  struct Path: Sendable {
    var address: IPAddress
    var route: RouteAnswer
    var interface: Link?
    var neighbour: Neighbour?
    /// What is asked with ARP or neighbour discovery; nil where nobody is.
    var nextHop: IPAddress?
    var isSourceLocal: Bool
    /// The stricter of the interface's setting and the one for all; nil for IPv6.
    var reversePathFilter: Int?
  }

  struct Conntrack: Hashable, Sendable {
    var count: Int
    var limit: Int
  }

  var options: EngineOptions
  var capabilities: Capabilities
  var hasLibpcap: Bool
  var engine: Result<CheckResult.Backend, CheckError> = .success(.connect)
  var why = ""
  var localPorts: String?
  var conntrack: Conntrack?
  var firewallModules: [String] = []
  var target: String?
  var path: Result<Path, CheckError>?

  static func ofThisHost(_ options: EngineOptions) -> DoctorFacts {
    #if HALFOPEN_LIBPCAP
      let hasLibpcap = true
    #else
      let hasLibpcap = false
    #endif
    var facts = DoctorFacts(options: options, capabilities: .probe(), hasLibpcap: hasLibpcap)
    facts.localPorts = system("net/ipv4/ip_local_port_range")?.split(whereSeparator: \.isWhitespace)
      .joined(separator: "-")
    if let count = number("net/netfilter/nf_conntrack_count"), let limit = number("net/netfilter/nf_conntrack_max") {
      facts.conntrack = Conntrack(count: count, limit: limit)
    }
    facts.firewallModules = text("/proc/modules").map(loadedFilters) ?? []
    return facts
  }

  /// Starts the engine that a check would use and ends it again.
  mutating func addEngine(_ options: EngineOptions) async {
    do throws(CheckError) {
      let started = try Engine.start(options, mode: .halfOpen, replyBuffer: .socket)
      engine = .success(started.backend)
      why = started.why
      await started.checker.shutdown()
    } catch {
      engine = .failure(error)
    }
  }

  mutating func addTarget(_ host: Endpoint.Host, _ options: EngineOptions) async {
    target = "\(host)"
    do throws(CheckError) {
      let (address, zone) = try await resolve(host, family: options.family)
      target = host == .address(address, zone: zone) ? "\(host)" : "\(host) is \(address)"
      path = .success(try look(to: address, zone: zone, options))
    } catch {
      path = .failure(error)
    }
  }

  private func resolve(_ host: Endpoint.Host, family: IPFamily?) async throws(CheckError) -> (IPAddress, String?) {
    var host = host
    if case .name(let name) = host {
      let deadline = Instant.now.advanced(by: .seconds(5))
      host = try await NameResolver.shared.resolve(name, family: family, deadline: deadline).first ?? host
    }
    guard case .address(let address, let zone) = host else {
      throw .invalid("host \(host)", advice: "use a name that resolves, or an address")
    }
    return (address, zone)
  }

  private func look(to address: IPAddress, zone: String?, _ options: EngineOptions) throws(CheckError) -> Path {
    let wanted = options.interface ?? zone
    if let wanted, interfaceIndex(wanted) == nil {
      throw CheckError(.linkDown, subject: "interface '\(wanted)' is not there", advice: "see `ip link`")
    }
    do throws(SystemCallError) {
      var netlink = try Netlink()
      let links = try netlink.links()
      let index = wanted.flatMap { name in links.first { $0.name == name }?.index }
      let configuration = options.configuration
      let query = RouteQuery(
        to: address, from: configuration.source, interfaceIndex: index ?? 0, mark: configuration.mark ?? 0)
      let route = try netlink.route(query)
      let nextHop = route.isLocal ? nil : route.gateway ?? address
      let neighbour: Neighbour? =
        if let nextHop { try netlink.neighbour(nextHop, interfaceIndex: route.interfaceIndex) } else { nil }
      let own = try netlink.addresses().map(\.address)
      let interface = links.first { $0.index == route.interfaceIndex }
      return Path(
        address: address, route: route, interface: interface, neighbour: neighbour,
        nextHop: interface?.isLoopback == true ? nil : nextHop,
        isSourceLocal: route.source.map { own.contains($0) || $0.isLoopback } ?? true,
        reversePathFilter: DoctorFacts.reversePathFilter(address.family, interface: interface?.name))
    } catch {
      throw CheckError(error, subject: "looking up the route to \(address)")
    }
  }

  /// The kernel takes the larger of the two (ip-sysctl.rst, rp_filter).
  private static func reversePathFilter(_ family: IPFamily, interface: String?) -> Int? {
    guard family == .v4, let interface else { return nil }
    let values = ["all", interface].compactMap { number("net/ipv4/conf/\($0)/rp_filter") }
    return values.max()
  }

  /// The modules of packet filters in /proc/modules.
  static func loadedFilters(_ modules: String) -> [String] {
    let known: Set<Substring> = ["nf_tables", "ip_tables", "ip6_tables", "iptable_filter", "ip6table_filter"]
    return modules.split(separator: "\n").compactMap { $0.split(separator: " ").first }.filter(known.contains)
      .map(String.init).sorted()
  }

  private static func system(_ path: String) -> String? { text("/proc/sys/\(path)") }

  private static func number(_ path: String) -> Int? {
    system(path).flatMap { $0.split(whereSeparator: \.isWhitespace).first }.flatMap { Int($0) }
  }

  private static func text(_ path: String) -> String? {
    (try? readFile(path)).map { String(decoding: $0, as: UTF8.self) }
  }
}
