// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP
  import CPcap
  package import SystemPackage

  /// What libpcap could not do, with its own words.
  package struct CaptureError: Error, Hashable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
      /// CAP_NET_RAW is missing.
      case permission
      case noSuchInterface
      case interfaceDown
      /// Removed during the capture, or moved to another network namespace.
      case interfaceGone
      /// The filter's text is wrong, or too much for the kernel.
      case filter
      /// The process or the system is out of file descriptors.
      case tooManyFiles
      /// A capture file that cannot be opened, read or written.
      case file
      case other
    }

    package let code: Code
    /// The interface, file or filter.
    package let subject: String
    /// libpcap's text.
    package let message: String
    package let errno: Errno?

    package init(_ code: Code, _ subject: String, _ message: String, errno: Errno? = nil) {
      self.code = code
      self.subject = subject
      self.message = message
      self.errno = errno
    }

    package var description: String {
      switch code {
      case .permission: "capture on \(subject): \(message); CAP_NET_RAW is needed"
      case .noSuchInterface: "capture on \(subject): no such interface; `ip link` lists what there is"
      case .interfaceDown: "capture on \(subject): the interface is down; `ip link set \(subject) up` switches it on"
      case .interfaceGone: "capture on \(subject): the interface is gone"
      case .filter: "filter \"\(subject)\": \(message)"
      case .file: "capture file \(subject): \(message)"
      case .other, .tooManyFiles: "capture on \(subject): \(message)"
      }
    }
  }

  extension CaptureError {
    /// What the status of a libpcap call means. `message` is what `pcap_geterr` says; often empty for the codes that
    /// speak for themselves.
    init(status: CInt, subject: String, message: String) {
      let text = { message.isEmpty ? unsafe String(cString: pcap_statustostr(status)) : message }
      switch status {
      case PCAP_ERROR_PERM_DENIED, PCAP_ERROR_PROMISC_PERM_DENIED:
        self.init(.permission, subject, text(), errno: .notPermitted)
      case PCAP_ERROR_NO_SUCH_DEVICE:
        self.init(.noSuchInterface, subject, text(), errno: .operationNotSupportedByDevice)
      case PCAP_ERROR_IFACE_NOT_UP: self.init(.interfaceDown, subject, text(), errno: .networkDown)
      // These come as a text only (pcap-linux.c).
      case _ where message.contains("interface disappeared"):
        self.init(.interfaceGone, subject, message, errno: .operationNotSupportedByDevice)
      case _ where message.contains("went down"):
        self.init(.interfaceDown, subject, message, errno: .networkDown)
      // strerror(3) of EMFILE and ENFILE.
      case _ where message.contains("Too many open files"):
        self.init(.tooManyFiles, subject, message, errno: .tooManyOpenFiles)
      default: self.init(.other, subject, text())
      }
    }
  }
#endif
