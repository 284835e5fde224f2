// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import SystemPackage

/// Writes lines to a descriptor from a thread of its own, whole lines at a time.
final class LineWriter: Sendable {
  private final class Sink: OutputSink {
    let descriptor: CInt
    init(descriptor: CInt) { self.descriptor = descriptor }

    func take(_ pieces: [[UInt8]]) throws(SystemCallError) {
      try writeAll(pieces.count == 1 ? pieces[0][...] : Array(pieces.joined())[...], to: descriptor)
    }

    func synchronize() {}
  }

  private let thread: OutputThread<[UInt8]>

  /// - Parameter onFailure: called once, on the writer's thread, when the output takes no more.
  init(descriptor: CInt, onFailure: @escaping @Sendable (Errno) -> Void) throws(SystemCallError) {
    thread = try OutputThread(sink: Sink(descriptor: descriptor), bound: 1 << 18) { onFailure($0.errno) }
  }

  /// Queues whole lines. Nothing happens after a failure.
  func write(_ lines: some Collection<UInt8>) async {
    guard !lines.isEmpty else { return }
    await thread.write(Array(lines), weight: lines.count)
  }

  /// Writes what is left and returns how it went: nil, or the error that lost something.
  func close() async -> Errno? { await thread.close()?.errno }
}
