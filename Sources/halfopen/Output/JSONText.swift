// SPDX-License-Identifier: Apache-2.0

import HalfOpen

/// The name of a field, as bytes that need only be copied: appending a string costs several times as much.
struct JSONKey: Sendable, ExpressibleByStringLiteral {
  /// Such as `,"port":`.
  let bytes: [UInt8]

  init(stringLiteral name: String) { bytes = Array(",\"\(name)\":".utf8) }

  // Those of a result.
  static let type: JSONKey = "type"
  static let time: JSONKey = "time"
  static let ip: JSONKey = "ip"
  static let host: JSONKey = "host"
  static let port: JSONKey = "port"
  static let `protocol`: JSONKey = "protocol"
  static let state: JSONKey = "state"
  static let reason: JSONKey = "reason"
  static let rtt: JSONKey = "rtt_us"
  static let ttl: JSONKey = "ttl"
  static let window: JSONKey = "window"
  static let mss: JSONKey = "mss"
  static let transmissions: JSONKey = "transmissions"
  static let backend: JSONKey = "backend"
  static let handshake: JSONKey = "handshake"
  static let flags: JSONKey = "flags"
  static let icmp: JSONKey = "icmp"
  static let code: JSONKey = "code"
  static let from: JSONKey = "from"
}

/// A value as it stands in a record.
struct JSONText: Sendable {
  let bytes: [UInt8]

  init(_ text: String) { bytes = Array(text.utf8) }

  static let result = JSONText(#""result""#)
  static let tcp = JSONText(#""tcp""#)
  static let empty = JSONText("[]")

  static let open = JSONText(#""open""#)
  static let closed = JSONText(#""closed""#)
  static let unreachable = JSONText(#""unreachable""#)
  static let noAnswer = JSONText(#""no-answer""#)

  static let halfOpen = JSONText(#""half-open""#)
  static let full = JSONText(#""full""#)
  static let none = JSONText(#""none""#)
  static let unknown = JSONText(#""unknown""#)

  static let packet = JSONText(#""packet""#)
  static let connect = JSONText(#""connect""#)
}

extension CheckResult.State {
  var json: JSONText {
    switch self {
    case .open: .open
    case .closed: .closed
    case .unreachable: .unreachable
    case .noAnswer: .noAnswer
    }
  }
}

extension CheckResult.Handshake {
  var json: JSONText {
    switch self {
    case .halfOpen: .halfOpen
    case .full: .full
    case .none: .none
    case .unknown: .unknown
    }
  }
}

extension CheckResult.Backend {
  var json: JSONText {
    switch self {
    case .packet: .packet
    case .connect: .connect
    }
  }
}
