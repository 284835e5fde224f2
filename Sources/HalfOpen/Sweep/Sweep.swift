// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import Synchronization

/// Probes many targets, each once and the silent ones again, and gives a verdict for each.
///
/// ```swift
/// let sweep = try Sweep(SweepTargets(["192.0.2.0/24"], ports: "22,443"))
/// for try await batch in sweep.batches {
///   for result in batch { print(result.verdict.address, result.port, result.verdict.state) }
/// }
/// ```
///
/// A slow reader slows the sweep, not the memory. A sweep runs once.
public final class Sweep: Sendable {
  /// Which engine it is that does the work.
  public let backend: CheckResult.Backend
  /// Why that one, in a sentence.
  public let why: String

  let run: any SweepRun

  /// Opens everything a sweep needs, in the calling thread's network namespace. Nothing is sent yet.
  ///
  /// - Throws: `CheckError`: no permission, no route to any target, no free source port, an interface that is down.
  public convenience init(
    _ targets: SweepTargets, configuration: SweepConfiguration = SweepConfiguration()
  ) throws(CheckError) {
    try self.init(targets: targets.targetSet, configuration: configuration)
  }

  /// - Parameter resume: where an earlier run of the same job was.
  package init(
    targets: TargetSet, configuration: SweepConfiguration, resume: SweepCheckpoint? = nil
  ) throws(CheckError) {
    let outline = try SweepOutline(
      targets: targets, configuration: configuration,
      seed: configuration.seed ?? resume?.seed ?? .random(in: .min ... .max))
    guard configuration.engine != .connect else {
      (run, backend, why) = (try ConnectSweep(outline, resume: resume), .connect, "it was asked for")
      return
    }
    do throws(CheckError) {
      run = try Sweep.packetSweep(outline, resume: resume)
      backend = .packet
      why = configuration.engine == .packet ? "it was asked for" : "CAP_NET_RAW and libpcap are there"
    } catch {
      guard !configuration.needsPackets, error.code == .notPermitted || error.code == .unsupported
      else { throw error }
      (run, backend, why) = (try ConnectSweep(outline, resume: resume), .connect, "no packet engine: \(error)")
    }
  }

  private static func packetSweep(
    _ outline: SweepOutline, resume: SweepCheckpoint?
  ) throws(CheckError) -> any SweepRun {
    #if HALFOPEN_LIBPCAP
      return try PacketSweep(SweepJob(outline), resume: resume)
    #else
      throw CheckError(.unsupported, subject: "a sweep by packets", advice: "build with libpcap (trait Libpcap)")
    #endif
  }

  /// Targets that can't be probed, since no way leads to them: known from the start. The connect engine finds out as it
  /// goes, and counts them in `progress`.
  public var faults: [SweepFault] { run.faults }

  /// How far it is.
  public var progress: SweepProgress { run.progress }

  /// The next results, waited for; nil after the last. The first call starts the sweep, cancelling the task stops it.
  ///
  /// - Throws: `CheckError` for a fault that ended the sweep; what was found before has been given.
  public func nextBatch() async throws(CheckError) -> [SweepResult]? {
    try await run.nextBatch()
  }

  /// Asks for another rate: the present one in, packets a second out, above zero.
  public func changeRate(_ change: @Sendable (Double) -> Double) { run.changeRate(change) }

  /// Ends the sweep. What has been found is still given, then the end.
  public func stop() { run.stop() }

  /// What happened meanwhile that someone should know, since the last call.
  package func takeNotices() -> [String] { run.takeNotices() }

  /// Where it stands, to go on from: each has what changed since the one before.
  package func checkpoint() -> SweepCheckpoint { run.checkpoint() }
}

/// What runs a sweep.
protocol SweepRun: Sendable {
  var faults: [SweepFault] { get }
  var progress: SweepProgress { get }
  func nextBatch() async throws(CheckError) -> [SweepResult]?
  func changeRate(_ change: @Sendable (Double) -> Double)
  func stop()
  func takeNotices() -> [String]
  func checkpoint() -> SweepCheckpoint
}

extension Sweep {
  /// The results, batch by batch.
  public var batches: Batches { Batches(sweep: self) }

  /// The results of a sweep, in the order in which they come.
  public struct Batches: AsyncSequence, AsyncIteratorProtocol, Sendable {
    /// Results that came together, at least one.
    public typealias Element = [SweepResult]
    /// A fault of ours that ended the sweep.
    public typealias Failure = CheckError

    fileprivate let sweep: Sweep

    /// The sweep's one sequence: two iterators share its results.
    public func makeAsyncIterator() -> Batches { self }

    /// The next results, nil after the last.
    public func next() async throws(CheckError) -> [SweepResult]? { try await sweep.nextBatch() }

    /// The next results, nil after the last.
    public func next(isolation actor: isolated (any Actor)?) async throws(CheckError) -> [SweepResult]? {
      try await sweep.nextBatch()
    }
  }
}
