// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import SystemPackage
import TestSupport
import Testing

@Suite(.requiresNetworkNamespace) struct CapabilitiesTests {
  @Test func theProbeSaysWhatSocketsSay() async throws {
    let found = try await withPrivateNetwork { _ in Capabilities.probe() }
    #expect(found.canSendAndCapture && found.hasNetRaw && found.hasNetAdmin)
    #expect(found.rawSocketError == nil && found.packetSocketError == nil)
  }

  @Test func rootWithoutTheCapabilityMayNot() async throws {
    // Capabilities belong to the thread, and this one ends with the test.
    let found = try await withPrivateNetwork { _ in
      try Capabilities.drop()
      return Capabilities.probe()
    }
    #expect(found.rawSocketError == .notPermitted && found.packetSocketError == .notPermitted)
    #expect(!found.canOpenRawSocket && !found.canOpenPacketSocket && !found.canSendAndCapture)
    #expect(!found.hasNetRaw && !found.hasNetAdmin)
  }

  @Test func theCommandNamesThisProgram() {
    let path = Capabilities.executablePath
    #expect(path.hasPrefix("/"))
    #expect(Capabilities.grantCommand.hasPrefix("sudo setcap cap_net_raw=ep "))
    #expect(Capabilities.grantCommand.contains(path.split(separator: "/").last ?? ""))
  }
}
