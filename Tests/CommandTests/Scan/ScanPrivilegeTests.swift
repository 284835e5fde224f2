// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpenLinux
import HalfOpenTesting
import HalfOpenWire
import TestSupport
import Testing

/// What the real command may still do, and who it is, while it sweeps.
@Suite(.requiresRawSocket, .requiresNetworkNamespace, .timeLimit(.minutes(5))) struct ScanPrivilegeTests {
  private let folder: ScratchFolder
  private let hostsNetwork: HostsNetwork
  private var network: NetworkNamespace { hostsNetwork.namespace }
  private let nobody: UInt32 = 65534

  init() throws {
    folder = try ScratchFolder()
    hostsNetwork = try HostsNetwork()
  }

  /// What every thread of a sweep that has found something says of itself, by the line's name.
  private struct Threads {
    var lines: [String: Set<String>] = [:]
    var count = 0
    var errors = ""
    var exitCode = -1
  }

  private func sweep(_ prefix: [String] = [], _ arguments: [String] = []) async throws -> Threads {
    let words =
      prefix + [Sample.binary, "scan", "10.9.0.0/26", "-p", "80", "--rate", "40", "-v"]
      + ["-o", "jsonl=\(folder.file("jsonl"))", "--checkpoint", folder.file("checkpoint")] + arguments
    return try await network.run { [network, folder] in
      let process = try network.start(words)
      var threads = Threads()
      while (try? folder.text("jsonl").contains("\n")) != true {
        if let code = process.waitForExit(timeout: .milliseconds(2)) {
          (threads.exitCode, threads.errors) = (code, process.errors)
          return threads
        }
      }
      for thread in ScratchFolder.names(in: "/proc/\(process.pid)/task") {
        let text = String(decoding: try readFile("/proc/\(process.pid)/task/\(thread)/status"), as: UTF8.self)
        for line in text.split(separator: "\n") {
          let words = line.split(whereSeparator: { $0 == "\t" || $0 == " " }).map(String.init)
          threads.lines[words[0], default: []].insert(words.dropFirst().joined(separator: " "))
        }
        threads.count += 1
      }
      threads.exitCode = process.waitForExit(timeout: .seconds(60)) ?? -1
      threads.errors = process.errors
      return threads
    }
  }

  private func expectNothingLeft(_ threads: Threads, isRoot: Bool = true) {
    #expect(threads.exitCode == 0, "\(threads.errors)")
    // The engine's two, an output's, the checkpoint's, the main one and the pool's.
    #expect(threads.count >= 6)
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] + (isRoot ? ["CapBnd:"] : []) {
      #expect(threads.lines[set] == ["0000000000000000"], "\(set)")
    }
    #expect(threads.lines["NoNewPrivs:"] == ["1"])
  }

  private func isOwned(_ name: String, by user: UInt32) -> Bool {
    var status = stat()
    return unsafe stat(folder.file(name), &status) == 0 && status.st_uid == user && status.st_gid == user
  }

  private func give(to user: UInt32) { _ = unsafe chown(folder.path, user, user) }

  /// Tried, not concluded from the user id: in a user namespace there may be no other user.
  private static let mayBecomeOthers: Bool = {
    let words = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", "--", "true"]
    return (try? SpawnedProcess(words).wait(until: .now.advanced(by: .seconds(30)))) == .code(0)
  }()

  @Test(.enabled(if: mayBecomeOthers)) func rootKeepsNoCapability() async throws {
    let threads = try await sweep()
    expectNothingLeft(threads)
    #expect(threads.lines["Uid:"] == ["0 0 0 0"])
    #expect(threads.errors.contains("gave up all capabilities; still user root"))
  }

  /// A folder that is another user's: root's rights make the files, and are gone when the checkpoint is to be removed.
  @Test(.enabled(if: mayBecomeOthers)) func rootWritesAnywhere() async throws {
    give(to: nobody)
    _ = unsafe chmod(folder.path, 0o755)
    let threads = try await sweep()
    expectNothingLeft(threads)
    #expect(isOwned("jsonl", by: 0))
    #expect(
      threads.errors.contains("/checkpoint': unlink: Permission denied; the sweep is complete; remove it by hand"))
    #expect(try folder.text("checkpoint").isEmpty)
  }

  @Test(.enabled(if: mayBecomeOthers), arguments: ["nobody", "65534"]) func rootBecomesTheUserThatIsNamed(
    user: String
  ) async throws {
    give(to: nobody)
    let threads = try await sweep([], ["--user", user])
    expectNothingLeft(threads)
    #expect(threads.lines["Uid:"] == ["65534 65534 65534 65534"])
    #expect(threads.lines["Gid:"] == ["65534 65534 65534 65534"])
    #expect(threads.lines["Groups:"] == ["65534"])
    #expect(isOwned("jsonl", by: nobody))
    #expect(folder.contents() == ["jsonl"])
  }

  @Test(.enabled(if: mayBecomeOthers)) func rootBecomesWhoCalledSudo() async throws {
    give(to: 54321)
    let threads = try await sweep(["env", "SUDO_UID=54321", "SUDO_GID=54321"])
    expectNothingLeft(threads)
    #expect(threads.lines["Uid:"] == ["54321 54321 54321 54321"])
    #expect(threads.lines["Groups:"] == [""])
    #expect(isOwned("jsonl", by: 54321))
  }

  /// As by `setcap cap_net_raw=ep`; whom sudo's variables name is nothing to an ordinary user.
  @Test(.enabled(if: mayBecomeOthers)) func anOrdinaryUserStaysWhoHeIs() async throws {
    give(to: nobody)
    let prefix =
      ["env", "SUDO_UID=54321", "SUDO_GID=54321", "setpriv", "--reuid", "65534", "--regid", "65534"]
      + ["--clear-groups", "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"]
    let threads = try await sweep(prefix)
    expectNothingLeft(threads, isRoot: false)
    #expect(threads.lines["Uid:"] == ["65534 65534 65534 65534"])
    #expect(threads.errors.contains("gave up all capabilities\n"))
    #expect(isOwned("jsonl", by: nobody))
    let other = try await sweep(prefix, ["--user", "root"])
    #expect(other.exitCode == 77)
    #expect(other.errors.contains("--user root: setuid: Operation not permitted; only root may become another user"))
  }

  @Test func aUserThatIsNotThereIsNamed() async throws {
    let threads = try await sweep([], ["--user", "no-such-user"])
    #expect(threads.exitCode == 64)
    #expect(threads.errors.contains("--user no-such-user: there is no such user"))
    #expect(folder.contents().isEmpty)
  }
}
