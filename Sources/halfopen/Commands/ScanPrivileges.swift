// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import SystemPackage

extension ScanRun {
  /// A run that gives up its rights for good, and with them those of the process.
  init(_ interruption: Interruption) {
    self.init(interruption: interruption) { user throws(ScanRefusal) in
      let result = await onOwnThread { () -> Result<String, ScanRefusal> in
        do throws(SystemCallError) { return .success("\(try Privileges.drop(to: user))") } catch {
          return .failure(ScanRefusal(error, user: user))
        }
      }
      return try result.get()
    }
  }
}

extension ScanRefusal {
  fileprivate init(_ error: SystemCallError, user: String?) {
    if let user, error.errno == .noSuchFileOrDirectory {
      self.init(lines: ["--user \(user): there is no such user; see `getent passwd`"], code: ExitCode.usage)
    } else if let user {
      self.init(
        lines: ["--user \(user): \(error.call): \(error.errno); only root may become another user"],
        code: ExitCode.noPermission)
    } else {
      self.init(
        lines: ["can't give up privileges: \(error.call): \(error.errno); start as the user to be"],
        code: ExitCode.noPermission)
    }
  }
}

extension ScanStart {
  /// The connect engine opens a socket for each target, so what a socket's options need it needs to the end.
  func needsRights(_ backend: CheckResult.Backend) throws(ScanRefusal) -> Bool {
    let isLow = configuration.sourcePorts.map { $0.lowerBound < 1024 } ?? false
    guard backend == .connect, configuration.mark != nil || isLow else { return false }
    guard command.output.user == nil else {
      throw ScanRefusal(
        lines: ["--user with --mark or source ports below 1024 needs the packet engine; start as that user instead"],
        code: ExitCode.usage)
    }
    return true
  }
}
