// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CPcap

  /// How to capture. Never in promiscuous mode: what is not for this host is none of our business.
  package struct CaptureOptions: Hashable, Sendable {
    package enum Delivery: Hashable, Sendable {
      /// Each packet wakes the reader: lowest latency.
      case immediate
      /// The kernel collects packets for so long: fewest wake-ups.
      case batched(milliseconds: Int32)
      /// `immediate`, where the link allows it without a ring: see `SocketCapture`. Only `liveCapture` heeds it.
      case queued
    }

    package enum Direction: Hashable, Sendable {
      /// On a loopback interface each packet once.
      case both
      /// Outgoing packets are left out in the kernel, before they cost a copy.
      case incoming
      /// On `lo`, where every packet is both, the same as `both`. On `any` without those of `lo`.
      case outgoing
    }

    /// How exactly a packet's time is known.
    package enum Stamps: Hashable, Sendable {
      /// As the packet arrives. For that the kernel stamps every packet that the host receives, captured or not, which costs
      /// each 30 to 45 ns (`net_enable_timestamp` in net/core/dev.c; libpcap asks for it by SO_TIMESTAMPNS).
      case nanoseconds
      /// As a packet that the filter lets pass goes into the ring (`tpacket_rcv` in net/packet/af_packet.c).
      case microseconds
    }

    /// An interface's name, or `any`.
    package var interface: String
    /// pcap-filter(7); empty for everything.
    package var filter: String
    package var direction: Direction
    package var delivery: Delivery
    /// Bytes kept of each packet. No fewer than the filter looks at: libpcap filters the first packets itself, by what is
    /// kept of them.
    package var snapLength: Int32
    /// The kernel's ring, in bytes. A socket's queue gets no more than `net.core.rmem_max` without CAP_NET_ADMIN.
    package var bufferSize: Int32
    /// Of a ring. A socket's queue has nanoseconds.
    package var stamps: Stamps

    package init(
      interface: String, filter: String = "", direction: Direction = .incoming, delivery: Delivery = .immediate,
      snapLength: Int32 = 128, bufferSize: Int32 = 8 << 20, stamps: Stamps = .nanoseconds
    ) {
      self.interface = interface
      self.filter = filter
      self.direction = direction
      self.delivery = delivery
      self.snapLength = snapLength
      self.bufferSize = bufferSize
      self.stamps = stamps
    }
  }

  /// What a captured frame begins with: libpcap's `DLT_` numbers (pcap-linktype(7)).
  package struct CaptureLinkType: RawRepresentable, Hashable, Sendable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }
    package static let ethernet = CaptureLinkType(rawValue: DLT_EN10MB)
    /// An IP header at once: tun, WireGuard.
    package static let raw = CaptureLinkType(rawValue: DLT_RAW)
    /// Sixteen bytes that stand in for a link header.
    package static let linuxCooked = CaptureLinkType(rawValue: DLT_LINUX_SLL)
    /// Twenty bytes that stand in for a link header and name the interface: `any`.
    package static let linuxCooked2 = CaptureLinkType(rawValue: DLT_LINUX_SLL2)
  }

  /// Counters since the capture began. See pcap_stats(3PCAP).
  package struct CaptureStatistics: Hashable, Sendable {
    /// Packets that passed the filter, read or not.
    package var received: UInt64
    /// Lost for want of room in the ring.
    package var droppedByKernel: UInt64
    /// Lost by the interface or its driver, where they say.
    package var droppedByInterface: UInt64
  }
#endif
