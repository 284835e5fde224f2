// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// Sets how many files this process may have open (the soft RLIMIT_NOFILE). For exit tests: it holds for all that runs here.
public func setDescriptorLimit(_ count: UInt) {
  var limit = rlimit()
  #expect(unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
  limit.rlim_cur = count
  #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
}
