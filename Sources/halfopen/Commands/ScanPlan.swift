// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux

/// What `halfopen scan --dry-run` prints.
struct ScanPlan: Sendable {
  let start: ScanStart
  let plan: SweepPlan

  /// Asks the library. Nothing is sent and no file is made.
  init(_ start: ScanStart) throws(ScanRefusal) {
    self.start = start
    do throws(CheckError) {
      plan = try Sweep.plan(
        targets: start.targets.set, configuration: start.configuration, resume: start.resume?.checkpoint)
    } catch {
      throw ScanRefusal(error)
    }
  }

  /// Prints it on standard output.
  /// - Returns: the exit code.
  func write() throws(ScanRefusal) -> Int32 {
    do throws(SystemCallError) { try writeAll(Array(text.utf8)[...], to: 1) } catch {
      throw ScanRefusal(lines: ["can't write standard output: \(error.errno)"], code: ExitCode.outputFailed)
    }
    return ExitCode.ok
  }

  var text: String {
    let width = rows.map { $0.0.utf8.count }.max() ?? 0
    return rows.map { name, value in
      "\(String(repeating: " ", count: width - name.utf8.count))\(name)  \(Diagnostics.printable(value))\n"
    }.joined()
  }

  private var rows: [(String, String)] {
    let ports = start.targets.set.ports
    let shard = start.configuration.shard
    var rows = [
      (
        "targets",
        "\(plan.targets)\(shard == .whole ? "" : ", part \(shard) of \(start.targets.set.count)"), ports \(ports)"
      )
    ]
    rows += start.targets.leftOut.map { part in
      let count = part.addresses.map { "\($0) addresses" } ?? "2^64 addresses or more"
      return ("left out", "\(count) of \(part.reserved.range) (\(part.reserved.purpose))")
    }
    rows += plan.faults.map { ("no route", "\($0.targets) from \($0.first) to \($0.last): \($0.error)") }
    rows.append(("order", "from --seed \(plan.seed)"))
    if let resume = start.resume {
      rows.append(("resumed", "pass \(resume.checkpoint.pass + 1), from place \(resume.checkpoint.cursor) on"))
    }
    rows += [("probes", probes), ("rate", rate), ("time", time), ("engine", "\(plan.backend.rawValue): \(plan.why)")]
    if plan.senders > 1 { rows.append(("senders", "\(plan.senders) threads")) }
    rows += plan.ways.map { ("way", text($0)) }
    if let first = plan.sourcePorts.first, let last = plan.sourcePorts.last {
      rows.append(("source ports", first == last ? "\(first)" : "\(first) to \(last), one for each pass"))
    }
    rows += start.command.output.places.map { ("output", "\($0.format.rawValue) to \($0.shown)") }
    if let pcap = start.command.output.pcap { rows.append(("recording", pcap)) }
    rows.append(("checkpoint", checkpoint))
    rows += plan.firstPackets.enumerated().map { ($0.offset == 0 ? "packets" : "", $0.element) }
    return rows
  }

  private var probes: String {
    plan.mostProbes == plan.targets
      ? "\(plan.targets)" : "\(plan.targets), at most \(plan.mostProbes): again to the silent"
  }

  private var rate: String {
    let rate = start.configuration.rate
    return rate.isFinite ? "\(Int64(rate.rounded())) packets a second" : "as fast as replies are not lost"
  }

  private var time: String {
    let rate = start.configuration.rate
    guard rate.isFinite else { return "as the network allows, then the wait for late answers" }
    let (least, most) = (duration(plan.targets), duration(plan.mostProbes))
    return "\(least)\(least == most ? "" : " to \(most)") of sending, then the wait for late answers"
  }

  private func duration(_ probes: UInt64) -> String {
    ScanProgressLine.time(Double(probes) / start.configuration.rate)
  }

  private func text(_ way: SweepPlan.Way) -> String {
    let hop = way.gateway.map { ", by gateway \($0)" } ?? ""
    let transmit = way.transmit.map { ", by \($0.rawValue)" } ?? ""
    return "\(way.interface) from \(way.source)\(hop)\(transmit): \(way.why)"
  }

  private var checkpoint: String {
    if let resume = start.resume { return resume.shown }
    return CheckpointPlace.path(start.command, targets: Int(clamping: plan.targets), isFile: canBeRegularFile) ?? "none"
  }
}
