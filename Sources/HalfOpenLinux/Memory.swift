// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Bytes that malloc has given out and not got back, in all arenas: what a leak shows in, unlike resident memory.
///
/// The corresponding C function is `mallinfo2`.
package func allocatedBytes() -> Int { Int(clamping: clinux_allocated_bytes()) }
