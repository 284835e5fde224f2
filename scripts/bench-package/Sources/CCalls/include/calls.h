// SPDX-License-Identifier: Apache-2.0

#ifndef CALLS_H
#define CALLS_H

#include <stdint.h>

/// System calls of this process so far, of the kinds that engines make for a packet or a check: by the C library's
/// functions of their names.
uint64_t counted_calls(void);

#endif
