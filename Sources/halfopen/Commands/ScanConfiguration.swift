// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

extension ScanCommand {
  /// What the options ask of the engine.
  func configuration() throws(CheckError) -> SweepConfiguration {
    var configuration = SweepConfiguration(
      rate: pace.packetsPerSecond, retries: pace.retries, allStates: output.allStates)
    configuration.cooldown = pace.cooldown?.duration
    configuration.maximumTime = pace.maxTime?.duration
    configuration.maximumResults = pace.maxResults
    configuration.seed = selection.seed
    configuration.engine = SweepConfiguration.Engine(rawValue: engine.backend.rawValue) ?? .auto
    configuration.transmit = packets.transmit
    configuration.tcpOptions = packets.tcpOptions
    configuration.senders = packets.senders
    configuration.ttl = packets.ttl
    configuration.gatewayMAC = packets.gatewayMAC.flatMap { MACAddress($0) }
    configuration.interface = engine.interface
    configuration.source = engine.sourceIP.flatMap { IPAddress($0) }
    configuration.sourcePorts = engine.sourcePort?.range
    configuration.mark = engine.mark?.value
    configuration.reset = engine.reset
    configuration.captureInterfaces = engine.captureInterface
    configuration.shard = try shard()
    return configuration
  }

  /// The part that an argument gives, else the scheduler's environment.
  private func shard() throws(CheckError) -> Shard {
    do throws(InputError) {
      if let text = selection.shard { return try Shard(text) }
      let names = [
        "JOB_COMPLETION_INDEX", "HALFOPEN_SHARD_COUNT", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT",
      ]
      var environment: [String: String] = [:]
      for name in names { environment[name] = environmentVariable(name) }
      return try Shard(environment: environment) ?? .whole
    } catch {
      throw CheckError(.invalidArgument, subject: error.what, advice: error.advice)
    }
  }
}
