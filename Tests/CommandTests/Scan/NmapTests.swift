// SPDX-License-Identifier: Apache-2.0

import Glibc
import HalfOpen
import HalfOpenLinux
import HalfOpenTesting
import HalfOpenWire
import TestSupport
import Testing

@testable import halfopen_command

@Suite(.timeLimit(.minutes(3))) struct NmapTests {
  private let folder: ScratchFolder
  private var job: OutputJob
  private var path: String { folder.file("x.xml") }

  init() throws {
    folder = try ScratchFolder()
    job = OutputJob()
    job.arguments = ["halfopen", "scan", "<&\">", "-p", "1-100"]
    (job.ports, job.portCount) = ("1-100", 100)
  }

  private func open(isResuming: Bool = false) throws -> SweepOutputs {
    try SweepOutputs([.init(.nmapXML, path)], job: job, isResuming: isResuming) { _ in }
  }

  private func write(_ results: [SweepResult], isComplete: Bool = true, isResuming: Bool = false) async throws -> String
  {
    let outputs = try open(isResuming: isResuming)
    for result in results { await outputs.write([result]) }
    var progress = Sample.progress
    progress.isComplete = isComplete
    #expect(await outputs.finish(progress).isEmpty)
    if isComplete { try outputs.forget() }
    return try folder.text("x.xml")
  }

  /// A result of a host of 192.0.2.0/24 or, from 256 on, of 2001:db8::/64.
  private func result(_ host: Int, _ port: Int, _ state: CheckResult.State) -> SweepResult {
    let address: IPAddress =
      host < 256
      ? .v4(IPv4Address(192, 0, 2, UInt8(host))) : .v6(IPv6Address(high: 0x2001_0db8_0000_0000, low: UInt64(host)))
    return Sample.swept(
      state, address: address, port: UInt16(port), time: Sample.time + Int64(port) * 1_000_000_000)
  }

  private func without(_ name: String, _ text: String) -> String {
    text.split(separator: " \(name)=\"", omittingEmptySubsequences: false).enumerated().map { index, part in
      index == 0 ? String(part) : String(part.drop { $0 != "\"" }.dropFirst())
    }.joined()
  }

  @Test func aHostHasItsPortsAndTheRestByCount() async throws {
    var job = job
    job.names = HostNames([result(7, 1, .open).verdict.address: "a.example"])
    var this = self
    this.job = job
    var results = [result(7, 80, .open), result(7, 22, .open), result(300, 5, .unreachable)]
    results += (30..<60).map { result(7, $0, .closed) } + [result(7, 90, .unreachable), result(7, 91, .noAnswer)]
    var text = try await this.write(results.shuffled())
    for name in ["start", "startstr", "time", "timestr", "summary"] { text = without(name, text) }
    #expect(
      text == """
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE nmaprun>
        <nmaprun scanner="nmap" args="halfopen scan &lt;&amp;&quot;&gt; -p 1-100" version="0.1.0" xmloutputversion="1.05">
        <scaninfo type="syn" protocol="tcp" numservices="100" services="1-100"/>
        <verbose level="0"/>
        <debugging level="0"/>
        <host starttime="1767323067" endtime="1767323136">
        <status state="up" reason="syn-ack" reason_ttl="63"/>
        <address addr="192.0.2.7" addrtype="ipv4"/>
        <hostnames>
        <hostname name="a.example" type="user"/>
        </hostnames>
        <ports><extraports state="closed" count="30">
        <extrareasons reason="reset" count="30" proto="tcp" ports="30-59"/>
        </extraports>

        <port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="63"/></port>
        <port protocol="tcp" portid="80"><state state="open" reason="syn-ack" reason_ttl="63"/></port>
        <port protocol="tcp" portid="90"><state state="filtered" reason="admin-prohibited" reason_ttl="0" \
        reason_ip="192.0.2.254"/></port>
        <port protocol="tcp" portid="91"><state state="filtered" reason="no-response" reason_ttl="0"/></port>
        </ports>
        <times srtt="412" rttvar="0" to="100000"/>
        </host>
        <host starttime="1767323050" endtime="1767323050">
        <status state="down" reason="admin-prohibited" reason_ttl="0"/>
        <address addr="2001:db8::12c" addrtype="ipv6"/>
        <hostnames>
        </hostnames>
        <ports>
        <port protocol="tcp" portid="5"><state state="filtered" reason="admin-prohibited" reason_ttl="0" \
        reason_ip="192.0.2.254"/></port>
        </ports>
        <times srtt="412" rttvar="206" to="100000"/>
        </host>
        <runstats><finished elapsed="2.50" exit="success"/>
        <hosts up="1" down="1" total="2"/>
        </runstats>
        </nmaprun>

        """)
    #expect(folder.contents() == ["x.xml"])
  }

  @Test func portsThatWereNotToldApartAreCounted() async throws {
    var this = self
    (this.job.portsOfEachHost, this.job.hosts) = (100, 256)
    let text = try await this.write([result(1, 80, .open), result(1, 81, .open)])
    #expect(text.contains("<ports><extraports state=\"closed|filtered\" count=\"98\"/>\n"))
    #expect(text.contains("<hosts up=\"1\" down=\"255\" total=\"256\"/>"))
  }

  /// What was found is in the file of an interrupted sweep; a resume adds to it, and counts nothing twice.
  @Test func aResumeGroupsWhatAllRunsFound() async throws {
    let first = try await write([result(2, 80, .open), result(1, 80, .noAnswer)], isComplete: false)
    #expect(first.contains("exit=\"error\" errormsg="))
    #expect(first.hasSuffix("</nmaprun>\n"))
    #expect(folder.contents() == ["x.xml", "x.xml.spool"])
    // Killed in the midst of a record.
    let torn = try readFile(folder.file("x.xml.spool")) + [1, 2, 3]
    let file = try openOutput(folder.file("x.xml.spool"), keeping: false)
    try writeAll(torn, to: file)
    let second = try await write(
      [result(2, 80, .open), result(2, 22, .closed), result(1, 80, .open)], isResuming: true)
    #expect(second.contains("<hosts up=\"2\" down=\"0\" total=\"2\"/>"))
    #expect(second.split(separator: "<port ").count == 4)
    #expect(!second.contains("no-response"))
    #expect(folder.contents() == ["x.xml"])
  }

  @Test func aForeignSpoolIsLeftAlone() throws {
    let foreign = String(repeating: "precious\n", count: 20)
    try writeFile(folder.file("x.xml.spool"), foreign)
    #expect(throws: OutputFailure.self) { try open(isResuming: true) }
    #expect(try folder.text("x.xml.spool") == foreign)
  }

  /// More records than fit in memory at a time, by small runs: sorted, complete, each once.
  @Test(arguments: [0, 1, 16, 17, 1000, 5000]) func recordsAreSortedOutsideOfMemory(count: Int) throws {
    var random = SeededRandom(seed: UInt64(count))
    let results = (0..<count).map { _ in
      result(
        Int.random(in: 0..<600, using: &random), Int.random(in: 1...9, using: &random),
        CheckResult.State.allCases.randomElement(using: &random) ?? .open)
    }
    var bytes = [UInt8](repeating: 7, count: 100)
    for result in results { HostRecord(result).append(to: &bytes) }
    let file = try openUnnamed(in: folder.path)
    try writeAll(bytes, to: file)
    var sorted: [HostRecord] = []
    let sort = HostSort(runLength: 16, fanIn: 3, folder: folder.path)
    try sort.sorted(file, from: 100, count: Int64(count)) { sorted.append($0) }
    #expect(zip(sorted, sorted.dropFirst()).allSatisfy { !HostRecord.precedes($1, $0) })
    #expect(counts(sorted) == counts(results.map(HostRecord.init)))
    #expect(folder.contents().isEmpty)
  }

  private func counts(_ records: [HostRecord]) -> [HostRecord: Int] {
    Dictionary(records.map { ($0, 1) }, uniquingKeysWith: +)
  }

  @Test func recordsComeBackFromTheirBytes() {
    var results = Sample.sweptStates
    results.append(Sample.swept(address: .v6(.loopback), port: 65535, zone: "eth0.1234567890"))
    results.append(Sample.swept(.noAnswer, address: .v6(IPv6Address(high: .max, low: .max)), port: 1))
    for result in results {
      let record = HostRecord(result)
      var bytes: [UInt8] = [0]
      record.append(to: &bytes)
      #expect(bytes.count == HostRecord.size + 1)
      let read = HostRecord(bytes, at: 1)
      #expect(read == record)
      #expect(read.host.ipAddress == result.verdict.address)
      #expect(read.host.zoneName == result.zone)
    }
  }

  // MARK: real readers

  private var mixed: [SweepResult] {
    (1...3).flatMap { host in
      (1...40).map { result(host, $0, $0 == host ? .open : $0 < 30 ? .closed : .unreachable) }
    } + [result(4, 1, .noAnswer), result(400, 443, .open)]
  }

  @Test func theDocumentTypeOfNmapHolds() async throws {
    _ = try await write(mixed)
    let end = try await runTool("xmllint", "--noout", "--dtdvalid", "/usr/share/nmap/nmap.dtd", path)
    #expect(end.code == 0, "\(end.errors)")
    let interrupted = try await write(mixed, isComplete: false)
    #expect(!interrupted.isEmpty)
    #expect(try await runTool("xmllint", "--noout", "--dtdvalid", "/usr/share/nmap/nmap.dtd", path).code == 0)
  }

  @Test func ndiffReadsIt() async throws {
    _ = try await write(mixed)
    try writeFile(folder.file("y.xml"), try folder.text("x.xml"))
    let same = try await runTool("ndiff", path, folder.file("y.xml"))
    #expect(same.code == 0, "\(same.output) \(same.errors)")
    _ = try await write(mixed + [result(4, 8080, .open)])
    let other = try await runTool("ndiff", folder.file("y.xml"), path)
    #expect(other.code == 1, "\(other.errors)")
    #expect(other.output.contains("+8080/tcp open"), "\(other.output)")
  }

  @Test func pythonLibnmapReadsIt() async throws {
    _ = try await write(mixed)
    let script = """
      import sys
      from libnmap.parser import NmapParser
      report = NmapParser.parse_fromfile(sys.argv[1])
      print(report.hosts_up, report.hosts_down, report.hosts_total, report.elapsed, report._runstats["finished"]["exit"])
      for host in report.hosts:
        print(host.address, host.status, host.get_open_ports(), len(host.services))
      """
    let end = try await runTool("/usr/bin/python3", "-c", script, path)
    #expect(end.code == 0, "\(end.errors)")
    #expect(end.output.hasPrefix("4 1 5 2.5 success\n192.0.2.1 up [(1, 'tcp')] 12"), "\(end.output)")
    #expect(end.output.contains("192.0.2.4 down [] 1"), "\(end.output)")
    #expect(end.output.contains("2001:db8::190 up [(443, 'tcp')] 1"), "\(end.output)")
  }
}
