// SPDX-License-Identifier: Apache-2.0

import HalfOpenWire

/// SipHash-2-4 (Aumasson and Bernstein 2012): who does not know the key can't guess a value.
struct SipHash: Sendable {
  private let key: (UInt64, UInt64)

  init(key: (UInt64, UInt64)) { self.key = key }

  /// A key from the system's random numbers.
  init() { self.init(key: (.random(in: .min ... .max), .random(in: .min ... .max))) }

  /// The hash of whole 64-bit words, in the byte order of the reference code.
  @inline(__always)
  func hash(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64, _ e: UInt64, _ f: UInt64) -> UInt64 {
    var state = State(key)
    state.absorb(a)
    state.absorb(b)
    state.absorb(c)
    state.absorb(d)
    state.absorb(e)
    state.absorb(f)
    return state.finish(length: 48)
  }

  /// The hash of two words.
  @inline(__always)
  func hash(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var state = State(key)
    state.absorb(a)
    state.absorb(b)
    return state.finish(length: 16)
  }

  /// The hash of one word: for the published test vectors.
  func hash(_ word: UInt64) -> UInt64 {
    var state = State(key)
    state.absorb(word)
    return state.finish(length: 8)
  }

  /// What is behind the first word of a message, for many that begin with it.
  @inline(__always)
  func state(behind word: UInt64) -> State {
    var state = State(key)
    state.absorb(word)
    return state
  }

  /// A hash under way: the words absorbed so far are in it.
  struct State: Sendable {
    private var v0, v1, v2, v3: UInt64

    fileprivate init(_ key: (UInt64, UInt64)) {
      v0 = key.0 ^ 0x736f_6d65_7073_6575
      v1 = key.1 ^ 0x646f_7261_6e64_6f6d
      v2 = key.0 ^ 0x6c79_6765_6e65_7261
      v3 = key.1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    mutating func absorb(_ word: UInt64) {
      v3 ^= word
      round()
      round()
      v0 ^= word
    }

    /// Absorbs the last bytes, fewer than eight, and ends.
    /// - Parameter length: of the whole message, in bytes.
    @inline(__always)
    mutating func finish(_ rest: UInt64 = 0, length: UInt64) -> UInt64 {
      absorb(length << 56 | rest)
      v2 ^= 0xff
      round()
      round()
      round()
      round()
      return v0 ^ v1 ^ v2 ^ v3
    }

    @inline(__always)
    private mutating func round() {
      v0 = v0 &+ v1
      v1 = rotated(v1, 13) ^ v0
      v0 = rotated(v0, 32)
      v2 = v2 &+ v3
      v3 = rotated(v3, 16) ^ v2
      v0 = v0 &+ v3
      v3 = rotated(v3, 21) ^ v0
      v2 = v2 &+ v1
      v1 = rotated(v1, 17) ^ v2
      v2 = rotated(v2, 32)
    }

    @inline(__always)
    private func rotated(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 &- by) }
  }
}

/// Initial sequence numbers that prove a reply's claim to have seen our SYN.
struct Cookie: Sendable {
  private let hash: SipHash

  init(hash: SipHash = SipHash()) { self.hash = hash }

  /// The sequence number of check `nonce` on a connection's four values. Another nonce gives another number, so that a
  /// reply to an earlier check on the same four values is not taken for one to this.
  @inline(__always)
  func sequence(source: IPAddress, flow: Flow, nonce: UInt64) -> SequenceNumber {
    let (a, b) = source.words
    let (c, d) = flow.address.words
    let ports = UInt64(flow.localPort) << 16 | UInt64(flow.port)
    return SequenceNumber(UInt32(truncatingIfNeeded: hash.hash(a, b, c, d, ports, nonce)))
  }
}

extension IPAddress {
  /// All of an address, the same of no other.
  var words: (UInt64, UInt64) {
    switch self {
    case .v4(let address): (0xffff, UInt64(address.rawValue))
    case .v6(let address): (address.high, address.low)
    }
  }
}
