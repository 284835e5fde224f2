// SPDX-License-Identifier: Apache-2.0

#if HALFOPEN_LIBPCAP

  import HalfOpenLinux
  import Synchronization

  /// What a sweep's receiver resets with. Another thread closes it, while the receiver closes its captures: a socket of
  /// either kind takes tens of milliseconds.
  final class AnswerTransmitter: Sendable {
    private let transmitter: Mutex<SweepTransmitter>

    init(_ job: SweepJob) throws(CheckError) {
      transmitter = Mutex(
        try SweepTransmitter(
          paths: job.paths.all, choice: job.transmit, configuration: job.configuration, answers: true))
    }

    func withLock<Value: Sendable>(_ body: (SweepTransmitter) -> Value) -> Value { transmitter.withLock { body($0) } }

    /// For when the receiver has ended.
    func close() { transmitter.withLock { $0.close() } }
  }

#endif
