// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
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
    static let batchSize = 64
    /// The tag of what nobody waits for.
    private static let noTag = UInt64.max

    /// What a path's packets begin as.
    private struct Templates {
      let syn: ProbeTemplate
      let reset: ResetTemplate
      /// The place in `lanes`.
      let lane: Int
      /// Of frames: our own address and the type. Nil where the kernel makes the frame.
      let header: EthernetHeader?
    }

    private let templates: [Templates]
    private var lanes: [Lane] = []
    private(set) var failures: [Failure] = []

    init(paths: [RouteMap.Path], choice: TransmitChoice, configuration: SweepConfiguration) throws(CheckError) {
      var places: [Lane.Kind: Int] = [:]
      var templates: [Templates] = []
      for (path, way) in zip(paths, choice.ways) {
        let kind: Lane.Kind = way == .link ? .link(path.interface) : .ip(path.source.family)
        if places[kind] == nil {
          places[kind] = lanes.count
          lanes.append(try Lane(kind, configuration, interfaceName: path.interfaceName))
        }
        let type: EtherType = path.source.family == .v4 ? .ipv4 : .ipv6
        templates.append(
          Templates(
            syn: ProbeTemplate(source: path.source, ttl: configuration.ttl, layout: configuration.tcpOptions),
            reset: ResetTemplate(source: path.source, ttl: configuration.ttl), lane: places[kind] ?? 0,
            header: way == .link
              ? path.hardwareAddress.map { EthernetHeader(destination: $0, source: $0, type: type) } : nil))
      }
      self.templates = templates
    }

    /// Adds a SYN.
    /// - Parameters:
    ///   - hardware: who gets the frame, on a link.
    ///   - tag: comes back if it does not leave.
    func appendProbe(
      _ flow: Flow, path: Int, hardware: MACAddress?, scope: UInt32, sequence: SequenceNumber, tag: UInt64
    ) {
      let lane = lanes[templates[path].lane]
      if lane.isFull { flush() }
      lane.append(
        to: flow.address, scope: scope, header: templates[path].header, hardware: hardware,
        length: templates[path].syn.length, tag: tag
      ) { slot, offset in
        templates[path].syn.write(into: &slot, at: offset)
        templates[path].syn.patch(
          into: &slot, at: offset, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
          sequence: sequence)
      }
    }

    /// Adds a RST.
    func appendReset(_ flow: Flow, path: Int, hardware: MACAddress?, scope: UInt32, sequence: SequenceNumber) {
      let lane = lanes[templates[path].lane]
      if lane.isFull { flush() }
      lane.append(
        to: flow.address, scope: scope, header: templates[path].header, hardware: hardware,
        length: templates[path].reset.length, tag: SweepTransmitter.noTag
      ) { slot, offset in
        templates[path].reset.write(into: &slot, at: offset)
        templates[path].reset.patch(
          into: &slot, at: offset, destination: flow.address, sourcePort: flow.localPort, destinationPort: flow.port,
          sequence: sequence)
      }
    }

    /// Sends what has gathered; what did not leave is in `failures`.
    func flush() {
      for lane in lanes { lane.flush { failures.append(Failure(tag: $0, errno: $1)) } }
    }

    func takeFailures() -> [Failure] {
      guard !failures.isEmpty else { return [] }
      defer { failures.removeAll(keepingCapacity: true) }
      return failures
    }
  }

#endif
