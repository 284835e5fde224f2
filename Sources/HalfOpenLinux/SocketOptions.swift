// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Sets an option that is one int.
package func setOption(
  _ fd: CInt, _ level: CInt, _ option: CInt, _ value: CInt, _ call: StaticString
) throws(SystemCallError) {
  var value = value
  // SAFETY: the kernel reads one int.
  try retrying(call) { unsafe setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) }
}

/// Lets a socket send and receive through one interface only. ENODEV if there is none of that name.
func bindToDevice(_ fd: CInt, _ interface: String) throws(SystemCallError) {
  var name = interface
  try retrying("setsockopt(SO_BINDTODEVICE)") {
    // SAFETY: the kernel reads as many bytes as the text has.
    name.withUTF8 { unsafe setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, $0.baseAddress, socklen_t($0.count)) }
  }
}
