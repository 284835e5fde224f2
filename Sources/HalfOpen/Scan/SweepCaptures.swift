// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire

  /// The captures that a sweep reads its answers from: one on each interface that its packets leave by.
  final class SweepCaptures {
    /// One open capture.
    final class Entry {
      var capture: Capture
      let interface: UInt32
      let linkType: HalfOpenWire.LinkType
      let isLoopback: Bool
      let filter: ReplyFilter
      var isWatching: Bool

      init(_ capture: consuming Capture, interface: UInt32, isLoopback: Bool, filter: ReplyFilter, isWatching: Bool) {
        linkType = HalfOpenWire.LinkType(rawValue: capture.linkType.rawValue)
        self.capture = capture
        self.interface = interface
        self.isLoopback = isLoopback
        self.filter = filter
        self.isWatching = isWatching
      }
    }

    private(set) var entries: [Entry] = []
    private var settled: [UInt32] = []
    private var lost: UInt64 = 0

    init(_ job: SweepJob) throws(CheckError) {
      let watches = job.configuration.reset == .auto
      let room = SweepCaptures.room(rate: job.configuration.rate)
      for interface in job.paths.interfaces {
        let sources = job.paths.sources(of: interface)
        do throws(CaptureError) {
          let isLoopback = job.paths.isLoopback(interface)
          var capture = try Capture(
            CaptureOptions(
              interface: job.paths.name(of: interface), direction: watches && !isLoopback ? .both : .incoming,
              delivery: job.configuration.rate > 2000 ? .batched(milliseconds: 5) : .immediate, snapLength: 96,
              bufferSize: room))
          let filter = ReplyFilter(
            addresses: isLoopback ? [] : sources.map { .init($0) }, ports: job.ports.map { $0...$0 },
            linkType: capture.linkType)
          try capture.replaceFilter(watches ? filter.textWithResets : filter.text)
          entries.append(
            Entry(capture, interface: interface, isLoopback: isLoopback, filter: filter, isWatching: watches))
        } catch {
          throw CheckError(error)
        }
      }
    }

    /// The ring's size in bytes: a quarter of a second of answers to every probe, some 256 bytes each, from 1 to 8 MiB.
    static func room(rate: Double) -> Int32 {
      let wanted = min(rate * 0.25 * 256, Double(8 << 20))
      return Int32(max(wanted, Double(1 << 20)))
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
