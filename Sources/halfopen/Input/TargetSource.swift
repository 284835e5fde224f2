// SPDX-License-Identifier: Apache-2.0

import HalfOpen
import HalfOpenLinux
import HalfOpenWire

/// What comes out of arguments and files.
enum TargetItem: Sendable {
  case target(Target)
  /// An endpoint that came from a name.
  case resolved(Endpoint.Host, ports: PortSet, name: String)
  case fault(FaultLine)
}

/// Something that gives targets, in chunks.
protocol TargetSource: Sendable {
  /// The next chunk, nil at the end.
  func next() async -> [TargetItem]?
  func close()
}

/// The targets of the arguments.
final class ListSource: TargetSource {
  private let channel = Channel<[TargetItem]>(bound: 1)

  init(_ items: [TargetItem]) {
    if !items.isEmpty { _ = channel.sendBlocking(items) }
    channel.close()
  }

  func next() async -> [TargetItem]? { await channel.next() }
  func close() { channel.close() }
}

/// The targets of a file or of standard input, read by a thread of its own as far as they are wanted.
final class FileSource: TargetSource {
  private static let chunk = 1 << 16
  private let channel = Channel<[TargetItem]>(bound: 2)

  /// - Parameter name: for messages.
  init(_ file: consuming Descriptor, name: String, ports: PortSet?) throws(SystemCallError) {
    let channel = channel
    let descriptor = file.release()
    _ = try DedicatedThread(name: "halfopen-input") {
      FileSource.read(Descriptor(owning: descriptor), name: name, ports: ports, into: channel)
    }
  }

  /// Reads a named pipe. To open one takes a writer, so that waits on the thread too.
  init(namedPipe path: String, ports: PortSet?) throws(SystemCallError) {
    let channel = channel
    _ = try DedicatedThread(name: "halfopen-input") {
      do throws(SystemCallError) {
        FileSource.read(try openForReading(path), name: path, ports: ports, into: channel)
      } catch {
        _ = channel.sendBlocking([.fault(.unreadable(path, error))])
        channel.close()
      }
    }
  }

  func next() async -> [TargetItem]? { await channel.next() }
  func close() { channel.close() }

  private static func read(
    _ file: consuming Descriptor, name: String, ports: PortSet?, into channel: Channel<[TargetItem]>
  ) {
    var splitter = LineSplitter()
    var buffer = [UInt8](repeating: 0, count: chunk)
    var items: [TargetItem] = []
    var isGoing = true
    while isGoing {
      do throws(SystemCallError) {
        let count = try readSome(into: &buffer, from: file.rawValue)
        if count == 0 {
          splitter.end { items += parse($0, name: name, ports: ports) }
          isGoing = false
        } else {
          splitter.feed(buffer[..<count]) { items += parse($0, name: name, ports: ports) }
        }
      } catch {
        items.append(.fault(.unreadable(name, error)))
        isGoing = false
      }
      if !items.isEmpty, !channel.sendBlocking(items) { return }
      items = []
    }
    channel.close()
  }

  static func parse(_ line: LineSplitter.Line, name: String, ports: PortSet?) -> [TargetItem] {
    if line.isTooLong {
      let place = "\(name):\(line.number):1"
      return [.fault(.badInput("", "\(place): the line is longer than 65536 bytes", advice: "split it"))]
    }
    return TargetLine.parse(line.bytes, read: { Target.parse($0, ports: ports) }).map { word in
      switch word {
      case .success(let target): return .target(target)
      case .failure(let error):
        let place = "\(name):\(line.number):\(error.offset + 1)"
        let text = String(decoding: line.bytes.prefix(200), as: UTF8.self)
        return .fault(.badInput(text, "\(place): invalid \(error.what)", advice: error.advice))
      }
    }
  }
}

extension FaultLine {
  static func badInput(_ text: String, _ subject: String, advice: String) -> FaultLine {
    FaultLine(
      time: realtimeNanoseconds(), target: text, port: nil,
      error: CheckError(.invalidArgument, subject: subject, advice: advice), isInput: true)
  }

  static func unreadable(_ name: String, _ error: SystemCallError) -> FaultLine {
    FaultLine(
      time: realtimeNanoseconds(), target: name, port: nil,
      error: CheckError(
        .system, subject: "can't read '\(name)'", advice: "check that it is a readable file", errno: error.errno,
        call: "\(error.call)"), isInput: true)
  }
}
