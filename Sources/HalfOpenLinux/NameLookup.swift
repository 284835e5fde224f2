// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import HalfOpenWire

/// Why a name has no address.
package struct NameLookupError: Error, Sendable {
  /// An `EAI_` code.
  package let code: CInt
  /// What gai_strerror(3) says of it.
  package let text: String
  /// The name does not exist or has no address, as opposed to a resolver in trouble.
  package var isDefinite: Bool { code == EAI_NONAME || code == -5 }
}

/// All addresses of a name in the system's order of preference (RFC 6724), with their scopes, each once.
///
/// Blocks as long as the system's resolver does: for a thread of its own.
/// The corresponding C function is `getaddrinfo`.
package func lookUp(_ name: String, family: IPFamily?) throws(NameLookupError) -> [SocketAddress] {
  // SAFETY: a zeroed addrinfo is what getaddrinfo wants for hints.
  var hints = unsafe addrinfo()
  unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
  unsafe hints.ai_family =
    switch family {
    case nil: AF_UNSPEC
    case .v4: AF_INET
    case .v6: AF_INET6
    }
  var list: UnsafeMutablePointer<addrinfo>?
  // SAFETY: `list` is set on success only and freed once below.
  let code = unsafe getaddrinfo(name, nil, &hints, &list)
  guard code == 0 else {
    throw NameLookupError(code: code, text: unsafe String(cString: gai_strerror(code)))
  }
  defer { unsafe freeaddrinfo(list) }
  var found: [SocketAddress] = []
  var entry = unsafe list
  while let current = unsafe entry {
    // SAFETY: ai_addr points to ai_addrlen bytes that live as long as the list.
    if let raw = unsafe current.pointee.ai_addr {
      var storage = sockaddr_in6()
      let length = unsafe min(Int(current.pointee.ai_addrlen), MemoryLayout<sockaddr_in6>.size)
      unsafe withUnsafeMutableBytes(of: &storage) { target in
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(start: raw, count: length))
      }
      if let address = SocketAddress(native: storage), !found.contains(address) { found.append(address) }
    }
    unsafe entry = current.pointee.ai_next
  }
  return found
}

/// The index of an interface in the calling thread's namespace, nil if there is none of that name.
///
/// The corresponding C function is `if_nametoindex`.
package func interfaceIndex(_ name: String) -> UInt32? {
  let index = unsafe if_nametoindex(name)
  return index == 0 ? nil : index
}

/// The name of an interface in the calling thread's namespace.
///
/// The corresponding C function is `if_indextoname`.
package func interfaceName(_ index: UInt32) -> String? {
  // SAFETY: IFNAMSIZ (16) bytes are what if_indextoname writes at most, with the final zero.
  unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16) { room in
    guard let base = room.baseAddress, let name = unsafe if_indextoname(index, base) else { return nil }
    return unsafe String(cString: name)
  }
}
