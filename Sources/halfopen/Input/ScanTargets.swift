// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// Everything a scan shall probe, read from arguments, files and resolvers.
struct ScanTargets: Sendable {
  var set: TargetSet
  /// Names of addresses that came from names.
  var names: [IPAddress: String]
  /// Names that could not be resolved.
  var faults: [FaultLine]
  /// What was left out as reserved.
  var leftOut: [TargetSetBuilder.LeftOut]
  /// What the first run of a resumed sweep said of names that could not be resolved.
  var earlierFaults: [String] = []
}

/// Why there is nothing to scan.
enum ScanInputError: Error {
  /// Lines that make no sense, or files that can't be read: one message each.
  case unreadable([String])
  case unresolved([FaultLine])
  case invalid(CheckError)
}

/// Reads the targets of a scan. Nothing is probed before all of them are read and understood.
struct ScanTargetReader: Sendable {
  /// Mistakes told before the rest is only counted.
  private static let mostMistakes = 20
  private static let lookups = 256
  private static let lookupTime = Duration.seconds(10)

  let hosts: [String]
  let files: [String]
  let exclusions: [String]
  let exclusionFiles: [String]
  let ports: PortSet?
  let excludedPorts: PortSet
  let family: IPFamily?
  let allAddresses: Bool
  var resolver = NameResolver.shared

  func read() async throws(ScanInputError) -> ScanTargets {
    // Files may be slow, or pipes: not for the cooperative pool.
    let (builder, mistakes) = await onOwnThread { gather() }
    guard mistakes.isEmpty else { throw .unreadable(ScanTargetReader.shortened(mistakes)) }
    return try await resolved(builder)
  }

  private func gather() -> (TargetSetBuilder, [String]) {
    var builder = TargetSetBuilder(ports: ports, excludedPorts: excludedPorts)
    var mistakes: [String] = []
    for text in hosts { note(text, in: &builder, isExcluded: false, place: nil, &mistakes) }
    for text in exclusions { note(text, in: &builder, isExcluded: true, place: nil, &mistakes) }
    for file in files { read(file, into: &builder, isExcluded: false, &mistakes) }
    for file in exclusionFiles { read(file, into: &builder, isExcluded: true, &mistakes) }
    return (builder, mistakes)
  }

  private func note(
    _ text: String, in builder: inout TargetSetBuilder, isExcluded: Bool, place: String?, _ mistakes: inout [String]
  ) {
    do throws(InputError) {
      try note(try TargetWord(text), in: &builder, isExcluded: isExcluded)
    } catch {
      mistakes.append("invalid \(error.what); \(error.advice)")
    }
  }

  private func note(
    _ word: TargetWord, in builder: inout TargetSetBuilder, isExcluded: Bool
  ) throws(InputError) {
    if case .addresses(let range, _) = word.hosts, let family, family != range.family, !isExcluded { return }
    if isExcluded { builder.exclude(word) } else { try builder.include(word) }
  }

  private func read(
    _ path: String, into builder: inout TargetSetBuilder, isExcluded: Bool, _ mistakes: inout [String]
  ) {
    let shown = path == "-" ? "standard input" : path
    var splitter = LineSplitter()
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    func take(_ line: LineSplitter.Line) {
      guard mistakes.count < 1000 else { return }
      if line.isTooLong { return mistakes.append("\(shown):\(line.number):1: the line is longer than 65536 bytes") }
      for word in TargetLine.parse(line.bytes) {
        do throws(InputError) {
          try note(try word.get(), in: &builder, isExcluded: isExcluded)
        } catch {
          mistakes.append(error.message(file: shown, line: line.number))
        }
      }
    }
    do throws(SystemCallError) {
      let file = try path == "-" ? duplicateOfStandardInput() : openForReading(path)
      while true {
        let count = try readSome(into: &buffer, from: file.rawValue)
        guard count > 0 else { break }
        splitter.feed(buffer[..<count], take)
      }
      splitter.end(take)
    } catch {
      mistakes.append("\(FaultLine.unreadable(shown, error).error)")
    }
  }

  private func resolved(_ builder: TargetSetBuilder) async throws(ScanInputError) -> ScanTargets {
    var builder = builder
    var names: [IPAddress: String] = [:]
    var faults: [FaultLine] = []
    for (name, answer) in await lookUp(builder.names) {
      switch answer {
      case .failure(let error):
        let fault = FaultLine(time: realtimeNanoseconds(), target: name.name, port: nil, error: error)
        // What was to be left out must not be probed for want of an address.
        if name.isExcluded { throw .unresolved([fault]) }
        faults.append(fault)
      case .success(let hosts):
        for host in allAddresses || name.isExcluded ? hosts[...] : hosts.prefix(1) {
          guard case .address(let address, let zone) = host else { continue }
          let word = TargetWord(hosts: .addresses(AddressRange(address), zone: zone), ports: name.ports)
          if name.isExcluded {
            builder.exclude(word)
          } else {
            do throws(InputError) { try builder.include(word) } catch {
              throw .invalid(.invalid(error.what, advice: error.advice))
            }
            names[address] = name.name
          }
        }
      }
    }
    let built: (targets: TargetSet, leftOut: [TargetSetBuilder.LeftOut])
    do throws(CheckError) { built = try builder.build() } catch { throw .invalid(error) }
    if built.targets.count == 0, !faults.isEmpty { throw .unresolved(faults) }
    return ScanTargets(set: built.targets, names: names, faults: faults, leftOut: built.leftOut)
  }

  private typealias Answer = (TargetSetBuilder.Name, Result<[Endpoint.Host], CheckError>)

  private func lookUp(_ names: [TargetSetBuilder.Name]) async -> [Answer] {
    await withTaskGroup(of: (Int, Answer).self) { group in
      var answers: [(Int, Answer)] = []
      for (index, name) in names.enumerated() {
        if index >= ScanTargetReader.lookups, let answer = await group.next() { answers.append(answer) }
        let family = name.isExcluded ? nil : family
        group.addTask { [resolver] in
          do throws(CheckError) {
            let hosts = try await resolver.resolve(
              name.name, family: family, deadline: .now.advanced(by: ScanTargetReader.lookupTime))
            return (index, (name, .success(hosts)))
          } catch {
            return (index, (name, .failure(error)))
          }
        }
      }
      for await answer in group { answers.append(answer) }
      return answers.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private static func shortened(_ mistakes: [String]) -> [String] {
    guard mistakes.count > mostMistakes else { return mistakes }
    return mistakes.prefix(mostMistakes) + ["and \(mistakes.count - mostMistakes) more; mend them and start again"]
  }
}

/// Runs what blocks on a thread of its own.
func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    do throws(SystemCallError) {
      _ = try DedicatedThread(name: "halfopen-input") { continuation.resume(returning: body()) }
    } catch {
      // Without a thread to spare it is done here.
      continuation.resume(returning: body())
    }
  }
}
