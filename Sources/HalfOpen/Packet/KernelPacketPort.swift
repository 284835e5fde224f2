// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire
  import SystemPackage

  /// The packet engine's way into the kernel: raw sockets out, captures in, netlink for the rest.
  final class KernelPacketPort: PacketPort {
    /// A packet that did not leave.
    struct Failure {
      var tag: UInt64
      var wasReset: Bool
      var errno: Errno
    }

    private static var resetBit: UInt64 { 1 << 63 }

    let captures: Captures
    /// Of the running round. The loop sets it.
    var now: Instant
    /// Captures that were opened and that the loop does not yet wait for.
    var opened: [Captures.Entry] = []
    private(set) var failures: [Failure] = []

    private let routes: Routes
    private let configuration: CheckerConfiguration
    private var ports: SourcePorts
    private let socket4: RawSocket
    private let socket6: IPv6Socket?
    private var batch4: TransmitBatch
    private var batch6: TransmitBatch
    private var templates: [IPAddress: Templates] = [:]
    private var lastTemplates: Templates?
    private var drops: UInt64 = 0
    private var dropsAreFresh = false

    /// A socket that may not be there: an optional of a descriptor's owner can't be borrowed from a class.
    private final class IPv6Socket {
      let socket: RawSocket
      init(_ socket: consuming RawSocket) { self.socket = socket }
    }

    private final class Templates {
      let syn: ProbeTemplate
      let reset: ResetTemplate

      init(_ source: IPAddress, _ configuration: CheckerConfiguration) {
        syn = ProbeTemplate(source: source, ttl: configuration.ttl ?? 64, layout: configuration.tcpOptions)
        reset = ResetTemplate(source: source, ttl: configuration.ttl ?? 64)
      }
    }

    /// Opens what every check needs, in the calling thread's network namespace.
    init(_ configuration: CheckerConfiguration, now: Instant) throws(CheckError) {
      self.configuration = configuration
      self.now = now
      socket4 = try KernelPacketPort.openSocket(.v4, configuration)
      do throws(CheckError) {
        socket6 = try IPv6Socket(KernelPacketPort.openSocket(.v6, configuration))
      } catch {
        if error.code == .tooManyFiles { throw error }
        // A host without IPv6 still checks IPv4.
        socket6 = nil
      }
      routes = try Routes(configuration)
      ports = try SourcePorts(range: configuration.sourcePorts, count: configuration.maximumPorts)
      captures = Captures(routes: routes, ports: ports.window, configuration)
      batch4 = TransmitBatch(capacity: PacketLoop.batch)
      batch6 = TransmitBatch(capacity: PacketLoop.batch)
      for name in configuration.captureInterfaces {
        if let entry = try captures.open(named: name) { opened.append(entry) }
      }
    }

    private static func openSocket(
      _ family: IPFamily, _ configuration: CheckerConfiguration
    ) throws(CheckError) -> RawSocket {
      do throws(SystemCallError) {
        let socket = try RawSocket(family)
        if let interface = configuration.interface { try socket.bind(toDevice: interface) }
        if let mark = configuration.mark { try socket.setMark(mark) }
        try socket.setSendBuffer(4 << 20)
        return socket
      } catch {
        guard error.errno == .notPermitted else { throw CheckError(error, subject: "the packet engine's socket") }
        throw CheckError(
          .notPermitted, subject: "the packet engine needs CAP_NET_RAW",
          advice: "grant it: \(Capabilities.grantCommand), or use the connect engine", errno: error.errno,
          call: "\(error.call)")
      }
    }

    func path(to target: SocketAddress, zone: String?) throws(CheckError) -> Path {
      if target.address.family == .v6, socket6 == nil {
        throw CheckError(
          .noRoute, subject: "no IPv6 on this host for \(target.address)", advice: "check an IPv4 address")
      }
      let path = try routes.path(to: target, zone: zone, now: now)
      if let entry = try captures.open(on: path.interface, source: path.source) { opened.append(entry) }
      return path
    }

    func neighbour(of path: Path) -> NeighbourAnswer { routes.neighbour(of: path, now: now) }

    func reservePorts(_ count: Int) -> [UInt16] { ports.reserve(count) }

    func watchResets(on interface: UInt32, _ watch: Bool) { captures.watchResets(on: interface, watch) }

    func captureDrops() -> UInt64 {
      if !dropsAreFresh {
        drops = captures.drops()
        dropsAreFresh = true
      }
      return drops
    }

    func sendSYN(_ flow: Flow, path: Path, sequence: SequenceNumber, scope: UInt32, tag: UInt64) {
      let template = templates(for: path.source).syn
      append(to: flow.address, scope: scope, length: template.length, tag: tag) { slot in
        template.write(into: &slot)
        template.patch(
          into: &slot, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
          sequence: sequence)
      }
    }

    func sendReset(_ flow: Flow, path: Path, sequence: SequenceNumber, scope: UInt32, tag: UInt64) {
      let template = templates(for: path.source).reset
      append(to: flow.address, scope: scope, length: template.length, tag: tag | KernelPacketPort.resetBit) { slot in
        template.write(into: &slot)
        template.patch(
          into: &slot, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
          sequence: sequence)
      }
    }

    private func templates(for source: IPAddress) -> Templates {
      if let last = lastTemplates, last.syn.source == source { return last }
      // A host has few addresses; only loopback's AnyIP has more than anyone wants to keep.
      if templates.count > 1024 { templates.removeAll(keepingCapacity: true) }
      let made = templates[source] ?? Templates(source, configuration)
      templates[source] = made
      lastTemplates = made
      return made
    }

    private func append(
      to address: IPAddress, scope: UInt32, length: Int, tag: UInt64, fill: (inout MutableSpan<UInt8>) -> Void
    ) {
      switch address.family {
      case .v4:
        if batch4.isFull { flush() }
        batch4.append(to: address, length: length, tag: tag, fill: fill)
      case .v6:
        if batch6.isFull { flush() }
        batch6.append(to: address, scope: scope, length: length, tag: tag, fill: fill)
      }
    }

    /// Sends what has gathered; what did not leave is in `failures`.
    func flush() {
      if !batch4.isEmpty { batch4.flush(on: socket4) { failed($0, $1) } }
      if batch6.isEmpty { return }
      if let socket6 { batch6.flush(on: socket6.socket) { failed($0, $1) } } else { batch6.removeAll() }
    }

    private func failed(_ tag: UInt64, _ errno: Errno) {
      let bit = KernelPacketPort.resetBit
      failures.append(Failure(tag: tag & ~bit, wasReset: tag & bit != 0, errno: errno))
    }

    func takeFailures() -> [Failure] {
      defer { failures.removeAll() }
      return failures
    }

    /// A new round: what was fresh is not any more.
    func beginRound(now: Instant) {
      self.now = now
      dropsAreFresh = false
      captures.beginRound()
    }

    /// Routes through a lost interface are void.
    func forgetRoutes() { routes.forget() }
  }

#endif
