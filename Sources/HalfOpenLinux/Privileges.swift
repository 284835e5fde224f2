// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// Gives up what a process no longer needs once its sockets are open: root, and all capabilities of all threads, for good.
package enum Privileges {
  /// What has been given up.
  package struct Dropped: Hashable, Sendable, CustomStringConvertible {
    /// The user that the process has become; nil if it is the one that it was.
    package var user: String?
    /// Still user 0, now without capabilities, since nobody said who else to be.
    package var isRoot: Bool
    /// There were capabilities to give up.
    package var hadCapabilities: Bool

    package var description: String {
      let capabilities = hadCapabilities ? "gave up all capabilities" : "had no capabilities to give up"
      if let user { return "\(capabilities); now user \(user)" }
      return isRoot ? "\(capabilities); still user root: --user names another" : capabilities
    }
  }

  /// Sets no_new_privs, becomes an ordinary user and empties every capability set, in every thread of the process, and
  /// sees to it that it has been done. Descriptors that are open stay open.
  ///
  /// Root becomes `user`, else the user that called sudo (`SUDO_UID`, `SUDO_GID`) if the user namespace has him, else
  /// stays root without capabilities. An ordinary user, who has them by `setcap`, stays who he is, and so does the caller
  /// of a set-user-ID file. It cannot be undone, and what has been done before an error stays done. Blocks, as a rule for
  /// a few milliseconds.
  ///
  /// Threads do it in a handler of SIGSYS, which nothing else should use meanwhile: the cooperative pool's threads block
  /// every other signal that would do.
  /// - Parameters:
  ///   - user: a name or number.
  ///   - patience: how long to wait for the other threads.
  /// - Throws: `SystemCallError`: ENOENT from `getpwnam` for a user that is not there, before anything is done; EPERM for
  ///   another user without being root; ETIMEDOUT for a thread that blocks the signal.
  package static func drop(
    to user: String? = nil, patience: Duration = .seconds(5)
  ) throws(SystemCallError) -> Dropped {
    let asked = try user.map { name throws(SystemCallError) in try find(name) }
    let hadCapabilities = try threads().contains { !$0.hasNoCapabilities }
    var became: Account?
    if let account = successor(asked) {
      // The bounding set needs a capability to be emptied, and changing the user takes it away: this comes first.
      try inEveryThread(keepingCapabilities: true, patience) { $0.hasNoNewPrivileges }
      do throws(SystemCallError) {
        try become(account)
        became = account
      } catch {
        // Behind `sudo unshare -r` there is no such user, and nobody asked for him by name.
        if asked != nil || getuid() != geteuid() { throw error }
      }
    }
    try inEveryThread(keepingCapabilities: false, patience) { $0.hasNoNewPrivileges && $0.hasNoCapabilities }
    return Dropped(user: became?.name, isRoot: geteuid() == 0, hadCapabilities: hadCapabilities)
  }

  /// Whether `drop` will make another user of us, as far as can be told before.
  package static func changesUser(to user: String?) -> Bool {
    guard let user else { return successor(nil) != nil }
    guard let asked = try? find(user) else { return true }
    return successor(asked) != nil
  }

  // MARK: - Who to be

  private struct Account {
    var name: String
    var uid: uid_t
    var gid: gid_t
    /// The user data base has it under its name.
    var isKnown = true
  }

  /// glibc does each of these in every thread (nptl(7)).
  private static func become(_ account: Account) throws(SystemCallError) {
    // Only root may be told whom to become: in a set-user-ID program the caller chose the words.
    guard getuid() == 0 || account.uid == getuid() else { throw SystemCallError(call: "setuid", errno: .notPermitted) }
    if geteuid() == 0 {
      // SAFETY: the name is a C string for the time of the call.
      try retrying("setgroups") {
        account.isKnown ? unsafe clinux_enter_groups(account.name, account.gid) : clinux_leave_groups()
      }
    }
    try retrying("setgid") { setgid(account.gid) }
    try retrying("setuid") { setuid(account.uid) }
  }

  /// Whom to become; nil to stay who we are.
  private static func successor(_ asked: Account?) -> Account? {
    if let asked { return asked.uid == getuid() && asked.uid == geteuid() ? nil : asked }
    if getuid() != geteuid() { return Account(name: "\(getuid())", uid: getuid(), gid: getgid(), isKnown: false) }
    return sudoCaller()
  }

  private static func sudoCaller() -> Account? {
    guard geteuid() == 0, let uid = number(of: "SUDO_UID"), let gid = number(of: "SUDO_GID"), uid != 0 else {
      return nil
    }
    guard let known = try? find("\(uid)"), known.uid == uid else {
      return Account(name: "\(uid)", uid: uid, gid: gid, isKnown: false)
    }
    return Account(name: known.name, uid: uid, gid: gid)
  }

  /// A user by name, or by number if there is an entry for it.
  ///
  /// The corresponding C functions are `getpwnam` and `getpwuid`.
  private static func find(_ name: String) throws(SystemCallError) -> Account {
    // SAFETY: the entry is read before anybody else asks: privileges are dropped by one thread, once.
    let entry = unsafe getpwnam(name) ?? uid_t(name).flatMap { unsafe getpwuid($0) }
    guard let entry = unsafe entry else { throw SystemCallError(call: "getpwnam", errno: .noSuchFileOrDirectory) }
    return unsafe Account(
      name: String(cString: entry.pointee.pw_name), uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
  }

  private static func number(of variable: String) -> UInt32? { environmentVariable(variable).flatMap { UInt32($0) } }

  // MARK: - Every thread

  private static let signal = SIGSYS

  private static func inEveryThread(
    keepingCapabilities: Bool, _ patience: Duration, _ isDone: (ThreadPrivileges) -> Bool
  ) throws(SystemCallError) {
    let keep: CInt = keepingCapabilities ? 1 : 0
    var old = sigaction()
    // SAFETY: the handler and the old action outlive the call.
    try retrying("sigaction") { unsafe clinux_drop_on_signal(signal, keep, &old) }
    // SAFETY: the old action outlives the call.
    defer { _ = unsafe sigaction(signal, &old, nil) }
    clinux_drop_in_thread(keep)
    let deadline = Instant.now.advanced(by: patience)
    var signalled: Set<CInt> = []
    // A thread may start others while we look: done is done when all that are there have been seen to be done.
    while true {
      let undone = try threads().filter { !isDone($0) }
      if undone.isEmpty { return }
      guard Instant.now < deadline else {
        throw SystemCallError(call: "tgkill (a thread keeps its privileges)", errno: .timedOut)
      }
      // Once each is enough, and the numbers of threads that have ended come back.
      signalled.formIntersection(undone.map(\.id))
      for thread in undone where signalled.insert(thread.id).inserted {
        if clinux_signal_thread(thread.id, signal) != 0 { signalled.remove(thread.id) }
      }
      usleep(500)
    }
  }

  private static func threads() throws(SystemCallError) -> [ThreadPrivileges] {
    var found: [ThreadPrivileges] = []
    for name in try namesInFolder("/proc/self/task") {
      // It may have ended since.
      guard let id = CInt(name), let bytes = try? readFile("/proc/self/task/\(name)/status") else { continue }
      found.append(ThreadPrivileges(id: id, status: bytes))
    }
    return found
  }
}

/// What a thread's `/proc/self/task/…/status` says of its privileges. See proc_pid_status(5).
package struct ThreadPrivileges: Hashable, Sendable {
  package var id: CInt
  package private(set) var hasNoNewPrivileges = false
  package private(set) var hasNoCapabilities = true

  /// - Parameter status: the file. Split as bytes: as characters, those of ten threads take milliseconds of every start.
  package init(id: CInt, status: [UInt8]) {
    self.id = id
    for line in status.split(separator: UInt8(ascii: "\n")) {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let value = line[(colon + 1)...].drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
      switch String(decoding: line[..<colon], as: UTF8.self) {
      case "NoNewPrivs": hasNoNewPrivileges = value.elementsEqual("1".utf8)
      case "CapInh", "CapPrm", "CapEff", "CapAmb":
        if value.contains(where: { $0 != UInt8(ascii: "0") }) { hasNoCapabilities = false }
      default: break
      }
    }
  }
}

/// The names in a folder, without `.` and `..`. The corresponding C functions are `opendir` and `readdir`.
private func namesInFolder(_ path: String) throws(SystemCallError) -> [String] {
  // SAFETY: the path is a C string for the time of the call; the folder is closed once.
  guard let folder = unsafe opendir(path) else { throw SystemCallError(call: "opendir", errno: .noSuchFileOrDirectory) }
  defer { unsafe closedir(folder) }
  var names: [String] = []
  // SAFETY: an entry is read before the next is asked for, and its name ends with a zero.
  while let entry = unsafe readdir(folder) {
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names
}
