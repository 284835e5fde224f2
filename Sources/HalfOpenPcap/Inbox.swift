// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CPcap
  import Glibc

  /// Where one `pcap_dispatch` leaves its packets: fixed memory, written by a C callback, read by Swift afterwards.
  @safe struct Inbox {
    struct Record {
      var offset: Int
      var length: Int
      var originalLength: UInt32
      var nanoseconds: Int64
    }

    /// Packets of one dispatch.
    let capacity: Int
    let nanosecondsPerFraction: Int64
    var count = 0
    let records: UnsafeMutablePointer<Record>
    private let storage: UnsafeMutablePointer<UInt8>
    private let stride: Int

    /// 262144 is libpcap's own bound (MAXIMUM_SNAPLEN); a file may claim anything.
    init(snapLength: Int, nanosecondsPerFraction: Int64) {
      stride = min(max(snapLength, 1), 262_144)
      capacity = min(256, max(1, 262_144 / stride))
      self.nanosecondsPerFraction = nanosecondsPerFraction
      unsafe records = .allocate(capacity: capacity)
      unsafe storage = .allocate(capacity: capacity * stride)
      // SAFETY: both were just allocated with these sizes.
      unsafe records.initialize(
        repeating: Record(offset: 0, length: 0, originalLength: 0, nanoseconds: 0), count: capacity)
      unsafe storage.initialize(repeating: 0, count: capacity * stride)
    }

    func free() {
      unsafe records.deallocate()
      unsafe storage.deallocate()
    }

    mutating func append(_ header: pcap_pkthdr, _ bytes: UnsafePointer<UInt8>) {
      guard count < capacity else { return }
      let length = min(Int(header.caplen), stride)
      // SAFETY: slot `count` has `stride` bytes and libpcap lends `caplen`; `length` is within both.
      unsafe (storage + count &* stride).update(from: bytes, count: length)
      // A file's time stamps may be any numbers, hence no trap.
      let fraction = Int64(header.ts.tv_usec) &* nanosecondsPerFraction
      unsafe records[count] = Record(
        offset: count &* stride, length: length, originalLength: header.len,
        nanoseconds: Int64(header.ts.tv_sec) &* 1_000_000_000 &+ fraction)
      count &+= 1
    }

    @_lifetime(borrow self)
    func bytes(of record: Record) -> Span<UInt8> {
      // SAFETY: the record was written by `append`, so its bytes lie in the storage.
      let span = unsafe Span(_unsafeStart: storage + record.offset, count: record.length)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
#endif
