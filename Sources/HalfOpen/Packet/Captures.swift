// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import HalfOpenPcap
  import HalfOpenWire

  /// The captures that replies are read from, opened on demand: one an interface, or the ones asked for.
  final class Captures {
    /// One open capture.
    final class Entry {
      var capture: any LiveCapture & ~Copyable
      let interface: UInt32
      let linkType: HalfOpenWire.LinkType
      let isLoopback: Bool
      var covered: Set<IPAddress>

      init(
        _ capture: consuming any LiveCapture & ~Copyable, interface: UInt32, isLoopback: Bool, covered: Set<IPAddress>
      ) {
        linkType = HalfOpenWire.LinkType(rawValue: capture.linkType.rawValue)
        self.capture = capture
        self.interface = interface
        self.isLoopback = isLoopback
        self.covered = covered
      }
    }

    private(set) var entries: [Entry] = []
    private let routes: Routes
    private let ports: ClosedRange<UInt16>
    private let watchesResets: Bool
    private let buffer: CheckerConfiguration.ReplyBuffer
    private let source: IPAddress?
    private var hasAny: Bool { entries.contains { $0.interface == 0 } }
    private var wishes: [(interface: UInt32, watch: Bool)] = []
    private var lost: UInt64 = 0

    init(routes: Routes, ports: ClosedRange<UInt16>, _ configuration: CheckerConfiguration) {
      self.routes = routes
      self.ports = ports
      // Captures begin with outgoing RSTs among what they see.
      watchesResets = configuration.reset == .auto
      buffer = configuration.replyBuffer
      source = configuration.source
    }

    /// Opens a capture by name: an interface, or `any`.
    func open(named name: String) throws(CheckError) -> Entry? {
      if name == "any" {
        guard !hasAny else { return nil }
        return try open(name, interface: 0, isLoopback: false, covering: nil)
      }
      return try open(on: try routes.index(of: name), source: nil)
    }

    /// Makes sure that replies to `source` on `interface` are seen. Returns a capture that is new.
    func open(on interface: UInt32, source: IPAddress?) throws(CheckError) -> Entry? {
      if hasAny { return nil }
      if let entry = entries.first(where: { $0.interface == interface }) {
        if let source, !entry.isLoopback, !entry.covered.contains(source) { try cover(source, on: entry) }
        return nil
      }
      guard let link = routes.link(interface) else {
        throw CheckError(.linkDown, subject: "interface \(interface) is gone", advice: "see `ip link`")
      }
      return try open(link.name, interface: interface, isLoopback: link.isLoopback, covering: source)
    }

    private func open(
      _ name: String, interface: UInt32, isLoopback: Bool, covering source: IPAddress?
    ) throws(CheckError) -> Entry {
      let covered =
        isLoopback || name == "any" ? [] : Set(routes.addresses() + [source, self.source].compactMap { $0 })
      let options = CaptureOptions(
        interface: name, direction: watchesResets && !isLoopback ? .both : .incoming,
        delivery: buffer == .socket ? .queued : .immediate, snapLength: 128,
        bufferSize: 4 << 20)
      do throws(CaptureError) {
        let capture = try liveCapture(options) { filter(covered, linkType: $0) }
        let entry = Entry(capture, interface: interface, isLoopback: isLoopback, covered: covered)
        guard entry.linkType.isSupported else {
          throw CaptureError(.other, name, "its link type \(entry.linkType.rawValue) is not known here")
        }
        entries.append(entry)
        return entry
      } catch {
        throw CheckError(error)
      }
    }

    private func cover(_ source: IPAddress, on entry: Entry) throws(CheckError) {
      entry.covered.insert(source)
      do throws(CaptureError) {
        try entry.capture.replaceFilter(filter(entry.covered, linkType: entry.capture.linkType))
      } catch {
        throw CheckError(error)
      }
    }

    private func replyFilter(_ addresses: Set<IPAddress>, linkType: CaptureLinkType) -> ReplyFilter {
      ReplyFilter(addresses: addresses.map { .init($0) }, ports: [ports], linkType: linkType)
    }

    private func filter(_ addresses: Set<IPAddress>, linkType: CaptureLinkType) -> String {
      let filter = replyFilter(addresses, linkType: linkType)
      return watchesResets ? filter.textWithResets : filter.text
    }

    /// Outgoing packets of an interface are wanted, or no longer. Takes effect at `beginRound`: who asks is often being
    /// told of a packet, and a capture can't be changed while it is read.
    func watchResets(on interface: UInt32, _ watch: Bool) { wishes.append((interface, watch)) }

    /// Between two readings of the captures.
    func beginRound() {
      for (interface, watch) in wishes {
        for entry in entries where entry.interface == interface && !entry.isLoopback {
          try? entry.capture.ignoreOutgoing(!watch)
        }
        // What leaves by a loopback interface comes in there too: only the filter can leave it out.
        for entry in entries where entry.interface == interface && entry.isLoopback && !watch {
          try? entry.capture.narrowFilter(replyFilter(entry.covered, linkType: entry.capture.linkType).text)
        }
      }
      wishes.removeAll(keepingCapacity: true)
    }

    /// Packets lost since the start, on all of them.
    func drops() -> UInt64 {
      entries.reduce(lost) { sum, entry in sum &+ ((try? entry.capture.statistics())?.droppedByKernel ?? 0) }
    }

    /// Closes what can't be read any more.
    func close(_ entry: Entry) {
      lost = lost &+ ((try? entry.capture.statistics())?.droppedByKernel ?? 0)
      entries.removeAll { $0 === entry }
    }
  }

  extension CheckError {
    init(_ error: CaptureError) {
      let (code, advice): (Code, String) =
        switch error.code {
        case .permission: (.notPermitted, "grant it: \(Capabilities.grantCommand)")
        case .interfaceDown, .interfaceGone, .noSuchInterface: (.linkDown, "see `ip link`")
        case .tooManyFiles: (.tooManyFiles, "raise `ulimit -n`")
        default: (.system, "see `halfopen doctor`")
        }
      self.init(code, subject: "capturing on \(error.subject): \(error.message)", advice: advice)
    }
  }

#endif
