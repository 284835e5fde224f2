// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// The checker that a command uses, and why that one.
struct Engine: Sendable {
  var checker: any Checker
  var backend: CheckResult.Backend
  /// What to tell under `--verbose`.
  var why: String
  /// What to tell always: options that the chosen engine does not heed.
  var warnings: [String] = []

  /// Starts the engine that `options` ask for.
  static func start(
    _ options: EngineOptions, mode: CheckOptions.Mode, replyBuffer: CheckerConfiguration.ReplyBuffer
  ) throws(CheckError) -> Engine {
    var configuration = options.configuration
    configuration.replyBuffer = replyBuffer
    do throws(CheckError) {
      return try started(options, configuration, mode: mode)
    } catch {
      throw withGrant(error, options)
    }
  }

  private static func started(
    _ options: EngineOptions, _ configuration: CheckerConfiguration, mode: CheckOptions.Mode
  ) throws(CheckError) -> Engine {
    switch options.backend {
    case .connect:
      return Engine(checker: try ConnectEngine(configuration), backend: .connect, why: "it was asked for")
    case .packet:
      #if HALFOPEN_LIBPCAP
        return Engine(checker: try PacketEngine(configuration), backend: .packet, why: "it was asked for")
      #else
        throw CheckError(
          .unsupported, subject: "--backend packet: this build has no libpcap",
          advice: "build with the default traits, or use --backend connect")
      #endif
    case .auto:
      let automatic = try AutoChecker(configuration)
      var engine = Engine(checker: automatic, backend: automatic.backend, why: automatic.why)
      if mode == .full {
        engine.backend = .connect
        engine.why = "only it completes handshakes"
      } else if automatic.backend == .connect {
        #if HALFOPEN_LIBPCAP
          engine.why = "no CAP_NET_RAW for the packet engine; to have it, run once: \(Capabilities.grantCommand)"
        #endif
        engine.warnings = unheeded(options)
      }
      return engine
    }
  }

  /// A refusal with the command that mends it.
  private static func withGrant(_ error: CheckError, _ options: EngineOptions) -> CheckError {
    guard error.code == .notPermitted else { return error }
    let alternative =
      options.mark != nil
      ? "or drop --mark" : "or use --backend connect, which needs no permission"
    return CheckError(
      .notPermitted, subject: error.subject,
      advice: "run once: \(Capabilities.grantCommand) (\(alternative))",
      errno: error.errno, call: error.call)
  }

  private static func unheeded(_ options: EngineOptions) -> [String] {
    var names: [String] = []
    if options.reset != .auto { names.append("--reset") }
    if !options.captureInterface.isEmpty { names.append("--capture-interface") }
    return names.map { "\($0) has no effect without the packet engine; see `halfopen doctor`" }
  }
}
