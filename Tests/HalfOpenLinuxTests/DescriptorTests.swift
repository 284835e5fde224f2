// SPDX-License-Identifier: Apache-2.0

import HalfOpenLinux
import TestSupport
import Testing

struct DescriptorTests {
  @Test(
    "whoever takes all descriptors leaves the reserve, and gets more when the limit is raised",
    .enabled("no exit tests there") { !isSanitized })
  func reserve() async {
    await #expect(processExitsWith: .success) {
      final class Taken {
        let descriptor: EventDescriptor
        init() throws(SystemCallError) { descriptor = try EventDescriptor() }
      }
      setDescriptorLimit(64)
      var taken: [Taken] = []
      var refusals = 0
      // More often than there are descriptors: those that were refused are closed.
      for _ in 0..<300 {
        do throws(SystemCallError) { taken.append(try Taken()) } catch {
          #expect(error.isLackOfDescriptors)
          refusals += 1
        }
      }
      #expect(taken.count > 16 && refusals > 200)
      #expect(taken.allSatisfy { Int($0.descriptor.rawValue) < 64 - Descriptor.reserve })
      #expect(openDescriptors() < 64)
      #expect(freeDescriptors() == 0)
      setDescriptorLimit(128)
      #expect(freeDescriptors() > 0)
      #expect(throws: Never.self) { taken.append(try Taken()) }
    }
  }
}
