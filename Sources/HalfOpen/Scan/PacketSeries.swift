// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenWire

  /// Packets of one path and template that gather together.
  protocol PacketSeries {
    associatedtype Template: PacketTemplate
    var start: PacketStart<Template> { get }
    /// Turns what is there into the packet to a destination; the frame's receiver is not its business.
    func patch(_ packet: inout MutableSpan<UInt8>, to destination: Lane.Destination)
  }

  /// What a packet begins as.
  struct PacketStart<Template: PacketTemplate> {
    let template: Template
    /// Tells it from all others of the sweep.
    let number: Int
    /// Of frames: our own address and the type. Nil where the kernel makes the frame.
    let header: EthernetHeader?
    /// Where the packet begins, behind the header.
    let offset: Int
    /// Of all.
    let length: Int

    init(template: Template, number: Int, header: EthernetHeader?) {
      (self.template, self.number, self.header) = (template, number, header)
      offset = header == nil ? 0 : EthernetHeader.untaggedLength
      length = offset + template.length
    }

    func write(into out: inout MutableSpan<UInt8>) {
      header?.emit(into: &out)
      template.write(into: &out, at: offset)
    }

    @inline(__always)
    func patch(
      _ packet: inout MutableSpan<UInt8>, to destination: Lane.Destination, from localPort: UInt16,
      sequence: SequenceNumber, timestamp: UInt32? = nil
    ) {
      // The kernel fills in no identification of a frame (RFC 6864: it may be anything where nothing is cut).
      let identification = header == nil ? 0 : UInt16(truncatingIfNeeded: sequence.rawValue >> 16)
      template.patch(
        into: &packet, at: offset, destination: destination.address, sourcePort: localPort,
        destinationPort: destination.port, sequence: sequence, identification: identification, timestamp: timestamp)
    }
  }

  /// Probes from one port at one time.
  struct ProbeSeries: PacketSeries {
    let start: PacketStart<ProbeTemplate>
    let cookie: SweepCookie.Start
    let localPort: UInt16
    /// TSval, where there is one.
    let timestamp: UInt32?

    @inline(__always)
    func patch(_ packet: inout MutableSpan<UInt8>, to destination: Lane.Destination) {
      start.patch(
        &packet, to: destination, from: localPort,
        sequence: cookie.sequence(to: destination.address, port: destination.port), timestamp: timestamp)
    }
  }

  /// One RST.
  struct ResetSeries: PacketSeries {
    let start: PacketStart<ResetTemplate>
    let localPort: UInt16
    let sequence: SequenceNumber

    func patch(_ packet: inout MutableSpan<UInt8>, to destination: Lane.Destination) {
      start.patch(&packet, to: destination, from: localPort, sequence: sequence)
    }
  }

  extension PacketCopy {
    /// A packet of a series as it leaves, but for what the kernel fills in where it makes the frame.
    init(_ series: some PacketSeries, to destination: Lane.Destination) {
      let start = series.start
      var bytes = [UInt8](repeating: 0, count: start.length)
      var span = bytes.mutableSpan
      start.write(into: &span)
      series.patch(&span, to: destination)
      self.bytes = Array(bytes.dropFirst(start.offset))
    }
  }

#endif
