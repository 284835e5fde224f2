// SPDX-License-Identifier: Apache-2.0

package import HalfOpenLinux
public import SystemPackage

/// What went wrong on our side. A target that is closed, unreachable or silent is a `CheckResult`, never this.
public struct CheckError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of fault. More may come: keep a `default`.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    private let word: String
    private init(_ word: String) { self.word = word }

    /// CAP_NET_RAW or another permission is missing.
    public static let notPermitted = Code("not-permitted")
    /// No route leads there, or the route forbids it.
    public static let noRoute = Code("no-route")
    /// Every usable source port is taken.
    public static let noLocalPorts = Code("no-local-ports")
    /// The process or the system is out of file descriptors.
    public static let tooManyFiles = Code("too-many-files")
    /// A name has no address, or the resolver did not answer in time.
    public static let nameNotResolved = Code("name-not-resolved")
    /// The interface is down or gone.
    public static let linkDown = Code("link-down")
    /// The source address or port can't be used.
    public static let addressNotAvailable = Code("address-not-available")
    /// The task was cancelled.
    public static let cancelled = Code("cancelled")
    /// The checker was shut down.
    public static let shutDown = Code("shut-down")
    /// An argument makes no sense.
    public static let invalidArgument = Code("invalid-argument")
    /// This engine can't do that.
    public static let unsupported = Code("unsupported")
    /// The SYN could not be sent.
    public static let sendFailed = Code("send-failed")
    /// Another system call failed.
    public static let system = Code("system")

    /// The word, such as `no-route`. A promise of the JSON output.
    public var description: String { word }
  }

  /// The kind of fault.
  public let code: Code
  /// The system's error number, where a system call failed.
  public let errno: Errno?
  /// The system call that failed, as C spells it.
  public let call: String?
  /// What failed, on what.
  public let subject: String
  /// What to do next.
  public let advice: String

  package init(_ code: Code, subject: String, advice: String, errno: Errno? = nil, call: String? = nil) {
    self.code = code
    self.subject = subject
    self.advice = advice
    self.errno = errno
    self.call = call
  }

  /// One line: what failed, on what, why, and what to do next.
  public var description: String {
    var text = subject
    if let errno { text += ": \(call.map { "\($0): " } ?? "")\(errno)" }
    return "\(text); \(advice)"
  }
}

extension CheckError {
  package static func invalid(_ subject: String, advice: String) -> CheckError {
    CheckError(.invalidArgument, subject: "invalid \(subject)", advice: advice)
  }

  package static var cancelled: CheckError {
    CheckError(.cancelled, subject: "the check was cancelled", advice: "check again to have a verdict")
  }

  package static var shutDown: CheckError {
    CheckError(.shutDown, subject: "the checker was shut down", advice: "make a new one")
  }

  /// The fault that a failed system call means, on `subject`.
  package init(_ error: SystemCallError, subject: String) {
    let (code, advice): (Code, String) =
      switch error.errno {
      case .notPermitted, .permissionDenied:
        (.notPermitted, "a local firewall or a missing capability forbids it; see `halfopen doctor`")
      case .networkUnreachable, .noRouteToHost:
        (.noRoute, "look at `ip route get`: no route leads there")
      case .addressNotAvailable:
        (.addressNotAvailable, "use an address of this host and a free port range")
      case .addressInUse:
        (.addressNotAvailable, "the source port is in use; choose another range")
      case _ where error.isLackOfDescriptors:
        (.tooManyFiles, "raise `ulimit -n` or lower the concurrency")
      case .networkDown, .noSuchAddressOrDevice, Errno(rawValue: 19):  // ENODEV
        (.linkDown, "bring the interface up or choose another; see `ip link`")
      default: (.system, "see the manual page of \(error.call)")
      }
    self.init(code, subject: subject, advice: advice, errno: error.errno, call: "\(error.call)")
  }
}
