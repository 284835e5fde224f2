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
        private let descriptor: EventDescriptor
        init() throws(SystemCallError) { descriptor = try EventDescriptor() }
      }
      setDescriptorLimit(64)
      var taken: [Taken] = []
      do throws(SystemCallError) {
        while taken.count < 64 { taken.append(try Taken()) }
      } catch {
        #expect(error.isLackOfDescriptors)
      }
      // The one that was refused is not open either.
      #expect(openDescriptors() == 64 - Int(Descriptor.reserve))
      #expect(freeDescriptors() == 0)
      setDescriptorLimit(128)
      #expect(freeDescriptors() == 64)
      #expect(throws: Never.self) { taken.append(try Taken()) }
    }
  }
}
