// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire

  /// The captures that a sweep reads its answers from: one on each interface that its packets leave by.
  final class SweepCaptures {
    /// One open capture.
    final class Entry {
      var capture: any LiveCapture & ~Copyable
      let interface: UInt32
      let linkType: HalfOpenWire.LinkType
      let isLoopback: Bool
      let filter: ReplyFilter
      var isWatching: Bool

      init(
        _ capture: consuming any LiveCapture & ~Copyable, interface: UInt32, isLoopback: Bool, filter: ReplyFilter,
        isWatching: Bool
      ) {
        linkType = HalfOpenWire.LinkType(rawValue: capture.linkType.rawValue)
        self.capture = capture
        self.interface = interface
        self.isLoopback = isLoopback
        self.filter = filter
        self.isWatching = isWatching
      }
    }

    /// An ICMPv6 error with the SYN in it up to its sequence number takes 110 bytes behind an Ethernet header. Some are left
    /// for VLAN tags, IPv4 options and extension headers.
    private static let snapLength: Int32 = 192

    /// How long these captures may hold a packet back, in nanoseconds.
    let delay: Int64
    private(set) var entries: [Entry] = []
    private var settled: [UInt32] = []
    private var lost: UInt64 = 0

    init(_ job: SweepJob) throws(CheckError) {
      let watches = job.configuration.reset == .auto
      delay = SweepCaptures.isBatched(job) ? Cooldown.captureDelay : 0
      for interface in job.paths.interfaces {
        let isLoopback = job.paths.isLoopback(interface)
        try open(
          job.paths.name(of: interface), interface, isLoopback: isLoopback, isWatching: watches,
          sources: isLoopback ? [] : job.paths.sources(of: interface), job)
      }
      for name in job.configuration.captureInterfaces {
        guard let interface = interfaceIndex(name) else {
          throw CheckError(
            .linkDown, subject: "interface \(name): there is none", advice: "see `ip link` for those there are")
        }
        guard !entries.contains(where: { $0.interface == interface }) else { continue }
        // Nothing of ours leaves there, so no RST either.
        try open(
          name, interface, isLoopback: false, isWatching: false, sources: Set(job.paths.all.map(\.source)), job)
      }
    }

    private func open(
      _ name: String, _ interface: UInt32, isLoopback: Bool, isWatching: Bool, sources: Set<IPAddress>, _ job: SweepJob
    ) throws(CheckError) {
      let isBatched = SweepCaptures.isBatched(job)
      let options = CaptureOptions(
        interface: name, direction: isWatching && !isLoopback ? .both : .incoming,
        delivery: isBatched ? .batched(milliseconds: 10) : SweepCaptures.isSmall(job) ? .queued : .immediate,
        snapLength: SweepCaptures.snapLength, bufferSize: SweepCaptures.bufferSize(job),
        // Those of every packet would cost more than a microsecond is worth here.
        stamps: .microseconds)
      let filter = { linkType in
        ReplyFilter(addresses: sources.map { .init($0) }, ports: job.ports.map { $0...$0 }, linkType: linkType)
      }
      do throws(CaptureError) {
        let capture = try liveCapture(options) { isWatching ? filter($0).textWithResets : filter($0).text }
        let narrow = filter(capture.linkType)
        entries.append(
          Entry(capture, interface: interface, isLoopback: isLoopback, filter: narrow, isWatching: isWatching))
      } catch {
        throw CheckError(error)
      }
    }

    /// Room for the answers of some 100 ms at the rate, and of more where it is low; half as long while the host's RSTs are
    /// seen too. Not more than that: the kernel clears all of it before the first packet is sent.
    ///
    /// In batches libpcap's ring has blocks of 256 KiB (create_ring in pcap-linux.c), with some 1600 answers each, and each
    /// batch closes one, however little it holds: 16 blocks last 160 ms while nobody reads. Without, 1 MiB holds some 5,000
    /// answers.
    private static func bufferSize(_ job: SweepJob) -> Int32 {
      guard isBatched(job) else { return 1 << 20 }
      return job.configuration.rate <= 250_000 ? 4 << 20 : 8 << 20
    }

    private static func isBatched(_ job: SweepJob) -> Bool { !isSmall(job) && job.configuration.rate > 2000 }

    /// So few targets that a socket's queue, which is there at once, holds every answer.
    private static func isSmall(_ job: SweepJob) -> Bool {
      // Not `count`: an Int may be too small for it.
      job.positions.upperBound - job.positions.lowerBound <= 64
    }

    /// Outgoing packets of an interface need no longer be seen. It is done between two readings, in `settle`.
    func stopWatching(_ interface: UInt32) { settled.append(interface) }

    /// Between two readings: a capture can't be changed while it is read.
    func settle() {
      guard !settled.isEmpty else { return }
      for entry in entries where entry.isWatching && settled.contains(entry.interface) {
        entry.isWatching = false
        try? entry.capture.ignoreOutgoing(true)
        try? entry.capture.narrowFilter(entry.filter.text)
      }
      settled.removeAll()
    }

    /// Packets lost since the start.
    func drops() -> UInt64 {
      entries.reduce(lost) { sum, entry in sum &+ ((try? entry.capture.statistics())?.droppedByKernel ?? 0) }
    }

    /// Closes what can't be read any more.
    func close(_ entry: Entry) {
      lost = lost &+ ((try? entry.capture.statistics())?.droppedByKernel ?? 0)
      entries.removeAll { $0 === entry }
    }
  }

#endif
