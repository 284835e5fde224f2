// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpen
import HalfOpenLinux
import HalfOpenWire
import Synchronization
import TestSupport
import Testing

@testable import halfopen_command

extension Sample {
  /// The command, built beside the test bundle.
  static var binary: String {
    let beside = "\(HalfOpenLinux.folder(of: Capabilities.executablePath))/halfopen"
    return unsafe access(beside, X_OK) == 0 ? beside : ".build/debug/halfopen"
  }

  /// 2026-01-02T03:04:05.678901234Z.
  static let time: Int64 = 1_767_323_045_678_901_234

  /// A result of a sweep, as the packet engine gives it.
  static func swept(
    _ state: CheckResult.State = .open, address: IPAddress = Sample.address, port: UInt16 = 443, zone: String? = nil,
    time: Int64 = Sample.time
  ) -> SweepResult {
    var verdict = result(state)
    verdict.address = address
    verdict.backend = .packet
    switch state {
    case .open, .closed:
      verdict.answer = .init(
        ttl: 63, window: 65535,
        options: state == .open ? TCPOptionSummary(mss: 1460, windowScale: 7, sackPermitted: true) : TCPOptionSummary())
    case .unreachable: verdict.icmp = .init(type: 3, code: 13, sender: .v4(IPv4Address(192, 0, 2, 254)))
    case .noAnswer: break
    }
    let local: IPAddress = address.family == .v4 ? .v4(IPv4Address(198, 51, 100, 7)) : .v6(.loopback)
    let reply = SweepResult.Reply(
      localAddress: local, localPort: 61000, identification: 54321, sequence: SequenceNumber(rawValue: 1000),
      acknowledgment: SequenceNumber(rawValue: 4_294_967_295), isAfterSending: state == .closed)
    return SweepResult(time: time, port: port, zone: zone, verdict: verdict, reply: state == .noAnswer ? nil : reply)
  }

  static let sweptStates = CheckResult.State.allCases.map { swept($0) }

  static var progress: SweepProgress {
    var progress = SweepProgress()
    (progress.targets, progress.probed, progress.sent, progress.received) = (9, 9, 12, 6)
    (progress.open, progress.closed, progress.unreachable, progress.noAnswer) = (2, 1, 1, 5)
    (progress.duplicates, progress.captureDropped, progress.sendFailures) = (2, 3, 4)
    (progress.elapsed, progress.sendingTime, progress.isComplete) = (.milliseconds(2500), .seconds(2), true)
    return progress
  }
}

/// A folder that goes with its owner.
final class ScratchFolder: Sendable {
  let path: String

  /// In memory: with others at the disk, hundreds of fsyncs would take minutes.
  init() throws { path = try makeTemporaryFolder(in: "/dev/shm", prefix: "halfopen-outputs-") }

  deinit {
    for name in contents() { try? removeFile(file(name)) }
    _ = unsafe rmdir(path)
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }
  func text(_ name: String) throws -> String { String(decoding: try readFile(file(name)), as: UTF8.self) }

  func contents() -> [String] { ScratchFolder.names(in: path) }

  static func names(in path: String) -> [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes[..<(bytes.firstIndex(of: 0) ?? 0)], as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

extension SweepEncoder {
  /// What a file of this format holds.
  mutating func whole(_ results: [SweepResult], progress: SweepProgress = Sample.progress) -> String {
    var bytes: [UInt8] = []
    begin(&bytes)
    encode(results, into: &bytes)
    end(progress, into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Runs a program to its end.
func runTool(_ arguments: String...) async throws -> (code: CInt, output: String, errors: String) {
  let process = try SpawnedProcess(arguments)
  var exit: SpawnedProcess.Exit?
  try await eventually {
    exit = try process.wait(until: .now)
    return exit != nil
  }
  let outputs = try process.outputs()
  guard case .code(let code) = exit else { return (-1, outputs.output, outputs.errors) }
  return (code, outputs.output, outputs.errors)
}
