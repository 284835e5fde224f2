// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import HalfOpenWire

/// What every engine does before and after its loop: names, deadlines, waiting, cancellation, shutdown.
package final class EngineFront: CheckGate {
  package let mailbox: Mailbox
  private let configuration: CheckerConfiguration
  private let supportsFull: Bool

  package init(mailbox: Mailbox, configuration: CheckerConfiguration, supportsFull: Bool) {
    self.mailbox = mailbox
    self.configuration = configuration
    self.supportsFull = supportsFull
  }

  deinit { mailbox.shutDown() }

  package func check(_ endpoint: Endpoint, options: CheckOptions) async throws(CheckError) -> CheckResult {
    let deadline = Instant.now.advanced(by: options.timeout)
    var endpoint = endpoint
    if case .name(let name) = endpoint.host {
      let family = options.family ?? configuration.source?.family
      let addresses = try await NameResolver.shared.resolve(name, family: family, deadline: deadline)
      endpoint = Endpoint(host: addresses[0], port: endpoint.port)
    }
    let single = SingleCheck()
    let request = try request(for: endpoint, options: options, deadline: deadline, sink: single, index: 0)
    let mailbox = mailbox
    let end = await withTaskCancellationHandler {
      await suspended { (continuation: Resumption<CheckEnd>) in
        single.arm(continuation)
        if !mailbox.post(request) { single.deliver(.failure(.shutDown), index: 0) }
      }
    } onCancel: {
      single.markCancelled()
      mailbox.cancel(single)
    }
    return try end.get()
  }

  package func outcomes(
    options: CheckOptions, concurrency: Int, source: @escaping @Sendable () -> any EndpointSource
  ) -> CheckStream {
    CheckStream(gate: self, options: options, concurrency: concurrency, source: source)
  }

  package func shutdown() async {
    mailbox.shutDown()
    await mailbox.waitUntilEnded()
  }

  package func post(_ requests: [CheckRequest]) -> Bool { mailbox.post(requests) }

  package func cancel(_ sink: any CheckSink) { mailbox.cancel(sink) }

  package func request(
    for endpoint: Endpoint, options: CheckOptions, sink: any CheckSink, index: Int
  ) throws(CheckError) -> CheckRequest {
    // The stream's sink sets the deadline when it lets the check go.
    try request(for: endpoint, options: options, deadline: .never, sink: sink, index: index)
  }

  private func request(
    for endpoint: Endpoint, options: CheckOptions, deadline: Instant, sink: any CheckSink, index: Int
  ) throws(CheckError) -> CheckRequest {
    guard case .address(let address, let zone) = endpoint.host else {
      throw .invalid("endpoint \(endpoint)", advice: "resolve the name first")
    }
    guard endpoint.port != 0 else { throw .invalid("port 0 of \(endpoint)", advice: "use a port from 1 to 65535") }
    guard options.timeout > .zero else {
      throw .invalid("timeout \(options.timeout)", advice: "use one above zero")
    }
    if options.mode == .full, !supportsFull {
      throw CheckError(
        .unsupported, subject: "the packet engine can't complete a handshake", advice: "use the connect engine for it")
    }
    if address.family == .v6, address.isLinkLocal, zone == nil, configuration.interface == nil {
      throw .invalid(
        "endpoint \(endpoint): a link-local address without a zone",
        advice: "name the interface, as in [\(address)%eth0]:\(endpoint.port)")
    }
    if let source = configuration.source, source.family != address.family {
      throw .invalid(
        "source address \(source) for \(endpoint)", advice: "source and target must both be IPv4 or both IPv6")
    }
    return CheckRequest(
      target: SocketAddress(address, port: endpoint.port), zone: zone, deadline: deadline, options: options, sink: sink,
      index: index)
  }
}
