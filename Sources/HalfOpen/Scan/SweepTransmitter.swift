// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire
  import SystemPackage

  /// Sends a sweep's packets in batches, each the way its path goes. For one thread: sender and receiver have their own.
  final class SweepTransmitter {
    /// A packet that did not leave.
    struct Failure {
      var tag: UInt64
      var errno: Errno
    }

    /// Packets handed to the kernel in one call.
    static let batchSize = 128

    /// What a path's packets begin as.
    private struct Starts {
      let syn: PacketStart<ProbeTemplate>
      let reset: PacketStart<ResetTemplate>
      /// For RSTs to who has no hardware address on the path's link, and their lane: through the kernel's routing.
      let routed: (reset: PacketStart<ResetTemplate>, lane: Int)?
      /// The place in `lanes`.
      let lane: Int
    }

    private let starts: [Starts]
    private var lanes: [Lane]
    private(set) var failures: [Failure] = []
    /// RSTs so far: nobody looks for them by their tags, but each has its own.
    private var resets: UInt64 = 0
    /// Gets a copy of each packet that leaves.
    var recorder: PacketRecorder?
    private var copies = SentCopies()

    /// - Parameters:
    ///   - answers: it answers packets, which may come by other interfaces than the path's.
    ///   - isPatient: waits for a device's queue that may become free.
    init(
      paths: [RouteMap.Path], choice: TransmitChoice, configuration: SweepConfiguration, answers: Bool = false,
      isPatient: Bool = true
    ) throws(CheckError) {
      var places: [Lane.Kind: Int] = [:]
      var starts: [Starts] = []
      var lanes: [Lane] = []
      func lane(_ kind: Lane.Kind, _ path: RouteMap.Path, _ lanes: inout [Lane]) throws(CheckError) -> Int {
        if let place = places[kind] { return place }
        lanes.append(try Lane(kind, configuration, interfaceName: path.interfaceName, isPatient: isPatient))
        places[kind] = lanes.count - 1
        return lanes.count - 1
      }
      for (path, way) in zip(paths, choice.ways) {
        let place = try lane(SweepTransmitter.kind(of: path, way, answers: answers), path, &lanes)
        let isRouted = answers && way.isFramed
        let routed = isRouted ? try lane(.ip(path.source.family), path, &lanes) : nil
        let type: EtherType = path.source.family == .v4 ? .ipv4 : .ipv6
        let header =
          way.isFramed ? path.hardwareAddress.map { EthernetHeader(destination: $0, source: $0, type: type) } : nil
        let number = starts.count * 3
        let reset = ResetTemplate(source: path.source, ttl: configuration.ttl)
        starts.append(
          Starts(
            syn: PacketStart(
              template: ProbeTemplate(source: path.source, ttl: configuration.ttl, layout: configuration.tcpOptions),
              number: number, header: header),
            reset: PacketStart(template: reset, number: number + 1, header: header),
            routed: routed.map { (PacketStart(template: reset, number: number + 2, header: nil), $0) }, lane: place))
      }
      (self.starts, self.lanes) = (starts, lanes)
    }

    private static func kind(of path: RouteMap.Path, _ way: TransmitChoice.Way, answers: Bool) -> Lane.Kind {
      switch way {
      case .ip: .ip(path.source.family)
      case .link: .link(path.interface)
      // A queue has room for one such socket, and answers are few.
      case .xdp: answers ? .link(path.interface) : .xdp(path.interface)
      }
    }

    /// What the lanes could not be, and are instead.
    var notices: [String] { lanes.compactMap(\.fallback) }

    /// Adds SYNs from a port.
    /// - Parameters:
    ///   - cookies: by path.
    ///   - timestamp: TSval, where there is one.
    func append(_ probes: [Lane.Packet], from localPort: UInt16, cookies: [SweepCookie.Start], timestamp: UInt32?) {
      var next = 0
      while next < probes.count {
        let path = probes[next].path
        let end = probes[next...].firstIndex { $0.path != path } ?? probes.count
        let lane = lanes[starts[path].lane]
        if lane.room == 0 { flush() }
        let part = probes[next..<min(end, next + lane.room)]
        let series = ProbeSeries(
          start: starts[path].syn, cookie: cookies[path], localPort: localPort, timestamp: timestamp)
        lane.append(part, series)
        copy(part, series)
        next = part.endIndex
      }
    }

    /// Adds a RST from a port.
    func appendReset(_ destination: Lane.Destination, from localPort: UInt16, path: Int, sequence: SequenceNumber) {
      let routed = destination.hardware == nil ? starts[path].routed : nil
      let lane = lanes[routed?.lane ?? starts[path].lane]
      if lane.room == 0 { flush() }
      let packet = Lane.Packet(tag: .max &- resets, path: path, destination: destination)
      resets &+= 1
      let start = routed?.reset ?? starts[path].reset
      let series = ResetSeries(start: start, localPort: localPort, sequence: sequence)
      lane.append(CollectionOfOne(packet), series)
      copy(CollectionOfOne(packet), series)
    }

    private func copy(_ packets: some Collection<Lane.Packet>, _ series: some PacketSeries) {
      guard recorder != nil else { return }
      for packet in packets { copies.append(PacketCopy(series, to: packet.destination), tag: packet.tag) }
    }

    /// Sends what has gathered; what did not leave is in `failures`.
    func flush() {
      let time = recorder == nil ? 0 : realtimeNanoseconds()
      for lane in lanes { lane.flush { failures.append(Failure(tag: $0, errno: $1)) } }
      if let recorder { copies.record(to: recorder, nanoseconds: time, without: Set(failures.map(\.tag))) }
    }

    /// Closes its sockets. Nothing is added after it.
    func close() { lanes = [] }

    func takeFailures() -> [Failure] {
      guard !failures.isEmpty else { return [] }
      defer { failures.removeAll(keepingCapacity: true) }
      return failures
    }
  }

#endif
