// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import HalfOpen
import HalfOpenWire

/// Which engine, and what it sends from.
struct EngineOptions: ParsableArguments {
  enum Backend: String, CaseIterable, ExpressibleByArgument, Sendable {
    case auto, packet, connect
  }

  @Option(help: ArgumentHelp("Which engine: packet needs CAP_NET_RAW, connect needs nothing."))
  var backend: Backend = .auto

  @Option(help: "Who answers a SYN-ACK with the RST (packet engine).")
  var reset: CheckerConfiguration.ResetPolicy = .auto

  @Flag(name: .customShort("4"), help: "Use only IPv4 addresses.")
  var onlyIPv4 = false

  @Flag(name: .customShort("6"), help: "Use only IPv6 addresses.")
  var onlyIPv6 = false

  @Option(help: ArgumentHelp("Send from this interface.", valueName: "IF"))
  var interface: String?

  @Option(help: ArgumentHelp("Look for replies on this interface too, or on 'any'; repeatable.", valueName: "IF"))
  var captureInterface: [String] = []

  @Option(name: .customLong("source-ip"), help: ArgumentHelp("Send from this address.", valueName: "IP"))
  var sourceIP: String?

  @Option(help: ArgumentHelp("Send from these ports.", valueName: "A-B"))
  var sourcePort: PortRangeArgument?

  @Option(help: ArgumentHelp("The firewall mark of what is sent; decimal or 0x.", valueName: "N"))
  var mark: MarkArgument?

  var family: IPFamily? { onlyIPv4 ? .v4 : onlyIPv6 ? .v6 : nil }

  func validate() throws {
    if onlyIPv4, onlyIPv6 { throw ValidationError("-4 and -6 leave no address; give one of them") }
    for name in captureInterface + (interface.map { [$0] } ?? []) where !HostSyntax.isInterfaceName(name) {
      throw ValidationError("'\(name)' is no interface name; see `ip link`")
    }
    if let sourceIP {
      guard let address = IPAddress(sourceIP) else {
        throw ValidationError("--source-ip '\(sourceIP)' is no address; give one such as 192.0.2.1 or 2001:db8::1")
      }
      if let family, family != address.family {
        throw ValidationError("--source-ip \(address) is not \(family); drop -4 and -6")
      }
    }
    if backend == .connect {
      if reset != .auto { throw ValidationError("--reset needs the packet engine; drop it or --backend connect") }
      if !captureInterface.isEmpty {
        throw ValidationError("--capture-interface needs the packet engine; drop it or --backend connect")
      }
    }
  }

  var configuration: CheckerConfiguration {
    CheckerConfiguration(
      interface: interface, source: sourceIP.flatMap { IPAddress($0) }, sourcePorts: sourcePort?.range,
      mark: mark?.value, reset: reset, captureInterfaces: captureInterface)
  }
}

extension CheckerConfiguration.ResetPolicy: ExpressibleByArgument {}
