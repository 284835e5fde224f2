// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Processors that are online, at least one. Some of them may not be ours to run on.
///
/// The corresponding C function is `sysconf(_SC_NPROCESSORS_ONLN)`.
package func processorCount() -> Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
