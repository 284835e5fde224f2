// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// The records of JSON Lines. Names, types and order are a promise: docs/output-formats.md.
enum ResultJSON {
  static func record(_ line: ResultLine) -> [UInt8] {
    var record = JSONRecord()
    append(line.result, time: line.time, zone: line.zone, name: line.name, port: line.endpoint.port, to: &record)
    return record.line()
  }

  /// The fields of a result, of a check or a sweep.
  static func append(
    _ result: CheckResult, time: Int64, zone: String?, name: String?, port: UInt16, to record: inout JSONRecord
  ) {
    record.field(.type, word: JSONText.result)
    record.field(.time, time: time)
    record.field(.ip, address: result.address, zone: zone)
    if let name { record.field(.host, name) }
    record.field(.port, port)
    if let bare = BareVerdict(result) {
      record.repeated(bare) { appendVerdict(result, to: &$0) }
    } else {
      appendVerdict(result, to: &record)
    }
  }

  private static func appendVerdict(_ result: CheckResult, to record: inout JSONRecord) {
    record.field(.protocol, word: JSONText.tcp)
    record.field(.state, word: result.state.json)
    record.field(.reason, word: result.reason.description)
    if let rtt = result.rtt { record.field(.rtt, thousandths: rtt.saturatedNanoseconds) }
    if let answer = result.answer {
      record.field(.ttl, answer.ttl)
      record.field(.window, answer.window)
      if let mss = answer.options.mss { record.field(.mss, mss) }
    }
    record.field(.transmissions, result.transmissions)
    record.field(.backend, word: result.backend.json)
    record.field(.handshake, word: result.handshake.json)
    if result.flags.isEmpty {
      record.field(.flags, word: JSONText.empty)
    } else {
      record.field(.flags, result.flags.names)
    }
    if let icmp = result.icmp {
      record.field(.icmp) { inner in
        inner.field(.type, icmp.type)
        inner.field(.code, icmp.code)
        inner.field(.from, address: icmp.sender)
      }
    }
  }

  static func record(_ fault: FaultLine) -> [UInt8] {
    var record = JSONRecord()
    record.field("type", word: "error")
    record.field("time", time: fault.time)
    record.field("target", fault.target)
    if let port = fault.port { record.field("port", port) }
    if let targets = fault.targets { record.field("targets", targets) }
    record.field("error", "\(fault.error.code)")
    if let errno = fault.error.errno { record.field("errno", errno.name) }
    record.field("message", "\(fault.error)")
    return record.line()
  }

  static func record(_ summary: Summary) -> [UInt8] {
    var record = JSONRecord()
    record.field("type", word: "summary")
    record.field("targets", summary.targets)
    record.field("open", summary.open)
    record.field("closed", summary.closed)
    record.field("unreachable", summary.unreachable)
    record.field("no_answer", summary.noAnswer)
    record.field("errors", summary.errors)
    record.field("sent", summary.sent)
    record.field("elapsed_s", millionths: summary.elapsedNanoseconds / 1000)
    if let rate = summary.rateTenths { record.field("rate_pps", thousandths: rate * 100) }
    record.field("complete", summary.isComplete)
    return record.line()
  }

  /// A sweep's, with what only a sweep counts.
  static func record(_ progress: SweepProgress) -> [UInt8] {
    var record = JSONRecord()
    record.field("type", word: "summary")
    record.field("targets", progress.targets)
    record.field("open", progress.open)
    record.field("closed", progress.closed)
    record.field("unreachable", progress.unreachable)
    record.field("no_answer", progress.noAnswer)
    record.field("errors", progress.errors)
    record.field("sent", progress.sent)
    record.field("received", progress.received)
    record.field("duplicates", progress.duplicates)
    record.field("late", progress.late)
    record.field("unmatched", progress.unmatched)
    record.field("capture_dropped", progress.captureDropped)
    record.field("send_failures", progress.sendFailures)
    record.field("elapsed_s", millionths: progress.elapsed.saturatedNanoseconds / 1000)
    if let rate = Decimal.tenths(progress.rate, per: 1), rate > 0 { record.field("rate_pps", thousandths: rate * 100) }
    record.field("complete", progress.isComplete)
    return record.line()
  }

  static func record(_ statistics: PingStatistics, for line: ResultLine) -> [UInt8] {
    var record = JSONRecord()
    record.field("type", word: "statistics")
    record.field("time", time: line.time)
    record.field("ip", line.address)
    if let name = line.name { record.field("host", name) }
    record.field("port", line.endpoint.port)
    record.field("protocol", word: "tcp")
    record.field("checks", statistics.checks)
    record.field("open", statistics.open)
    record.field("closed", statistics.closed)
    record.field("unreachable", statistics.unreachable)
    record.field("no_answer", statistics.noAnswer)
    record.field("loss", thousandths: statistics.lossTenthsOfPercent)
    if let rtt = statistics.rtt {
      record.field("rtt_min_us", thousandths: rtt.minimum)
      record.field("rtt_avg_us", thousandths: rtt.average)
      record.field("rtt_max_us", thousandths: rtt.maximum)
      record.field("rtt_stddev_us", thousandths: rtt.deviation)
    }
    return record.line()
  }
}
