// SPDX-License-Identifier: Apache-2.0

private enum Kind {
  static let end: UInt8 = 0
  static let noOperation: UInt8 = 1
  static let maximumSegmentSize: UInt8 = 2
  static let windowScale: UInt8 = 3
  static let sackPermitted: UInt8 = 4
  static let sack: UInt8 = 5
  static let timestamps: UInt8 = 8
}

/// The two clocks of a timestamps option (RFC 7323 section 3).
public struct TCPTimestamps: Hashable, Sendable {
  /// TSval: the sender's clock.
  public var value: UInt32
  /// TSecr: the other side's clock, as last seen by the sender.
  public var echo: UInt32

  /// The option's two numbers.
  public init(value: UInt32, echo: UInt32) {
    self.value = value
    self.echo = echo
  }
}

/// The blocks of a selective acknowledgment (RFC 2018): one to four fit into a header.
public struct TCPSACKBlocks: Sendable {
  /// One run of received bytes.
  public struct Block: Hashable, Sendable {
    /// Its first sequence number.
    public var left: SequenceNumber
    /// The number after its last.
    public var right: SequenceNumber
  }

  /// How many blocks there are, 0 to 4.
  public private(set) var count = 0
  private var blocks = [4 of Block](repeating: Block(left: SequenceNumber(0), right: SequenceNumber(0)))

  /// The block at `index`, nil beyond the last.
  public subscript(index: Int) -> Block? {
    index >= 0 && index < count ? blocks[index] : nil
  }

  fileprivate init(_ data: Span<UInt8>) {
    while count < 4, data.count >= (count &+ 1) &* 8 {
      let offset = count &* 8
      blocks[count] = Block(
        left: SequenceNumber(data.load32(offset)), right: SequenceNumber(data.load32(offset &+ 4)))
      count &+= 1
    }
  }
}

/// One TCP option.
public enum TCPOption: Sendable {
  /// Padding.
  case noOperation
  /// The largest segment the sender takes, in bytes of data (RFC 9293 section 3.7.1).
  case maximumSegmentSize(UInt16)
  /// By how many bits later windows are shifted; at most 14 counts (RFC 7323 section 2.3).
  case windowScale(UInt8)
  /// The sender understands selective acknowledgments (RFC 2018).
  case sackPermitted
  /// Selective acknowledgments.
  case sack(TCPSACKBlocks)
  /// Timestamps.
  case timestamps(TCPTimestamps)
  /// Any other option, with the place of its data within the options.
  case unknown(kind: UInt8, data: Range<Int>)
}

/// The options of a header, one by one, up to the end-of-list option.
///
/// At an option that does not parse it ends for good and says why in ``error``.
public struct TCPOptionIterator: ~Escapable {
  private let bytes: Span<UInt8>
  private var offset = 0

  /// What ended the list early, with the offset within the options.
  public private(set) var error: WireError?
  /// Whether an end-of-list option ended the list.
  private(set) var metEnd = false

  /// Reads the options that stand behind the fixed header.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) {
    self.bytes = bytes
  }

  /// The next option, nil at the end.
  @_lifetime(self: copy self)
  public mutating func next() -> TCPOption? {
    guard offset < bytes.count else { return nil }
    let kind = bytes.load8(offset)
    if kind == Kind.noOperation {
      offset &+= 1
      return .noOperation
    }
    guard kind != Kind.end else {
      offset = bytes.count
      metEnd = true
      return nil
    }
    guard bytes.count &- offset >= 2 else { return fail(.truncated(needed: 2, had: 1)) }
    let length = Int(bytes.load8(offset &+ 1))
    guard length >= 2 else { return fail(.badOption(kind)) }
    guard length <= bytes.count &- offset else {
      return fail(.truncated(needed: length, had: bytes.count &- offset))
    }
    let data = offset &+ 2
    var option: TCPOption
    switch (kind, length) {
    case (Kind.maximumSegmentSize, 4):
      option = .maximumSegmentSize(bytes.load16(data))
    case (Kind.windowScale, 3):
      option = .windowScale(bytes.load8(data))
    case (Kind.sackPermitted, 2):
      option = .sackPermitted
    case (Kind.sack, let length) where length >= 10 && length & 7 == 2:
      option = .sack(TCPSACKBlocks(bytes.slice(data, offset &+ length)))
    case (Kind.timestamps, 10):
      option = .timestamps(TCPTimestamps(value: bytes.load32(data), echo: bytes.load32(data &+ 4)))
    case (Kind.maximumSegmentSize, _), (Kind.windowScale, _), (Kind.sackPermitted, _), (Kind.sack, _),
      (Kind.timestamps, _):
      return fail(.badOption(kind))
    default:
      option = .unknown(kind: kind, data: data..<(offset &+ length))
    }
    offset &+= length
    return option
  }

  @_lifetime(self: copy self)
  private mutating func fail(_ code: WireError.Code) -> TCPOption? {
    error = WireError(.tcpOptions, at: offset, code)
    offset = bytes.count
    return nil
  }
}

/// The options a handshake uses, in a fixed size.
public struct TCPOptionSummary: Hashable, Sendable {
  /// MSS in bits 0 to 15, window scale in 16 to 23, then a bit for each option that is there. Packed, since five
  /// optionals cost the parser of a captured frame as much as all else it does.
  private var fields: UInt64
  private var clocks: UInt64

  private enum Present {
    static let mss: UInt64 = 1 << 24
    static let windowScale: UInt64 = 1 << 25
    static let sackPermitted: UInt64 = 1 << 26
    static let timestamps: UInt64 = 1 << 27
    static let others: UInt64 = 1 << 28
  }

  /// The largest segment the sender takes, in bytes of data.
  public var mss: UInt16? {
    get { fields & Present.mss == 0 ? nil : UInt16(truncatingIfNeeded: fields) }
    set { fields = fields & ~(Present.mss | 0xffff) | (newValue.map { Present.mss | UInt64($0) } ?? 0) }
  }
  /// By how many bits later windows are shifted.
  public var windowScale: UInt8? {
    get { fields & Present.windowScale == 0 ? nil : UInt8(truncatingIfNeeded: fields >> 16) }
    set {
      fields = fields & ~(Present.windowScale | 0xff_0000)
      if let newValue { fields |= Present.windowScale | UInt64(newValue) << 16 }
    }
  }
  /// The sender understands selective acknowledgments.
  public var sackPermitted: Bool {
    get { fields & Present.sackPermitted != 0 }
    set { fields = fields & ~Present.sackPermitted | (newValue ? Present.sackPermitted : 0) }
  }
  /// Timestamps.
  public var timestamps: TCPTimestamps? {
    get {
      guard fields & Present.timestamps != 0 else { return nil }
      return TCPTimestamps(
        value: UInt32(truncatingIfNeeded: clocks >> 32), echo: UInt32(truncatingIfNeeded: clocks))
    }
    set {
      fields = fields & ~Present.timestamps | (newValue == nil ? 0 : Present.timestamps)
      clocks = newValue.map { UInt64($0.value) << 32 | UInt64($0.echo) } ?? 0
    }
  }
  /// There was an option beside padding that has no property here. It is not emitted.
  public var hasOthers: Bool {
    get { fields & Present.others != 0 }
    set { fields = fields & ~Present.others | (newValue ? Present.others : 0) }
  }

  /// A list of these options.
  public init(
    mss: UInt16? = nil, windowScale: UInt8? = nil, sackPermitted: Bool = false, timestamps: TCPTimestamps? = nil
  ) {
    fields = 0
    clocks = 0
    self.mss = mss
    self.windowScale = windowScale
    self.sackPermitted = sackPermitted
    self.timestamps = timestamps
  }

  /// Reads the options behind a fixed header. Of an option that comes twice the last counts; one that does not parse
  /// ends the list.
  public init(_ bytes: Span<UInt8>) {
    self.init(words: Self.read(bytes))
  }

  @inline(__always)
  init(words: (fields: UInt64, clocks: UInt64)) {
    fields = words.fields
    clocks = words.clocks
  }

  // Not by the iterator: this runs for every captured segment, and an iterator of large enum values takes five times as
  // long. The tests hold the two to the same answers.
  private static func read(_ bytes: Span<UInt8>) -> (fields: UInt64, clocks: UInt64) {
    var fields: UInt64 = 0
    var clocks: UInt64 = 0
    var offset = 0
    while offset < bytes.count {
      let kind = bytes.load8(offset)
      if kind == Kind.noOperation {
        offset &+= 1
        continue
      }
      guard kind != Kind.end, bytes.count &- offset >= 2 else { break }
      let length = Int(bytes.load8(offset &+ 1))
      guard length >= 2, length <= bytes.count &- offset else { break }
      switch (kind, length) {
      case (Kind.maximumSegmentSize, 4):
        fields = fields & ~0xffff | Present.mss | UInt64(bytes.load16(offset &+ 2))
      case (Kind.windowScale, 3):
        fields = fields & ~0xff_0000 | Present.windowScale | UInt64(bytes.load8(offset &+ 2)) << 16
      case (Kind.sackPermitted, 2):
        fields |= Present.sackPermitted
      case (Kind.timestamps, 10):
        fields |= Present.timestamps
        clocks = bytes.load64(offset &+ 2)
      case (Kind.sack, _) where length >= 10 && length & 7 == 2:
        fields |= Present.others
      case (Kind.maximumSegmentSize, _), (Kind.windowScale, _), (Kind.sackPermitted, _), (Kind.sack, _),
        (Kind.timestamps, _):
        return (fields, clocks)
      default:
        fields |= Present.others
      }
      offset &+= length
    }
    return (fields, clocks)
  }

  /// Whether the header had no option at all, or only padding.
  public var isEmpty: Bool { fields == 0 }

  /// What ``emit(into:at:)`` writes: a multiple of 4, at most 24.
  public var length: Int {
    let clocks = timestamps != nil
    return (mss == nil ? 0 : 4) &+ (clocks ? (sackPermitted ? 10 : 12) : 0) &+ (sackPermitted ? (clocks ? 2 : 4) : 0)
      &+ (windowScale == nil ? 0 : 4)
  }

  /// Writes the options in Linux's order (MSS, SACK permitted, timestamps, window scale), padded with NOPs.
  ///
  /// - Precondition: `out` has room for `length` bytes at `offset`.
  public func emit(into out: inout MutableSpan<UInt8>, at offset: Int = 0) {
    out.requireRoom(length, at: offset)
    var at = offset
    if let mss {
      out.store16(UInt16(Kind.maximumSegmentSize) << 8 | 4, at: at)
      out.store16(mss, at: at &+ 2)
      at &+= 4
    }
    let padding = UInt16(Kind.noOperation) << 8 | UInt16(Kind.noOperation)
    if sackPermitted {
      if timestamps == nil {
        out.store16(padding, at: at)
        at &+= 2
      }
      out.store16(UInt16(Kind.sackPermitted) << 8 | 2, at: at)
      at &+= 2
    }
    if let timestamps {
      if !sackPermitted {
        out.store16(padding, at: at)
        at &+= 2
      }
      out.store16(UInt16(Kind.timestamps) << 8 | 10, at: at)
      out.store32(timestamps.value, at: at &+ 2)
      out.store32(timestamps.echo, at: at &+ 6)
      at &+= 10
    }
    if let windowScale {
      out.store16(UInt16(Kind.noOperation) << 8 | UInt16(Kind.windowScale), at: at)
      out.store16(3 << 8 | UInt16(windowScale), at: at &+ 2)
    }
  }
}
