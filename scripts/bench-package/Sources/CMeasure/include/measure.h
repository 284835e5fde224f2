// SPDX-License-Identifier: Apache-2.0

// What a measured process says about itself, the same for the C twins and for HalfOpen.

#ifndef MEASURE_H
#define MEASURE_H

#include "spawned.h"

#include <stdint.h>

/// A reading of all meters. Times in seconds.
struct meter {
  double wall;
  /// Of all threads of the process (getrusage).
  double user, system;
  /// Of the threads whose name begins with "halfopen-".
  double loop;
  /// Of the whole machine (/proc/stat): all that is not idle, and the softirq part of it. In ticks of 10 ms.
  double busy, softirq;
  /// Calls of malloc, calloc, realloc and the aligned kinds, and the bytes asked for, while counting.
  uint64_t allocations, bytes;
};

void meter_read(struct meter *meter);

/// One line of `key=value` on stdout. `latencies` are nanoseconds and are sorted in place; none gives no percentiles.
void meter_print(const struct meter *begin, const struct meter *end, uint64_t checks, uint64_t others,
                 uint64_t *latencies, uint64_t count);

/// CLOCK_MONOTONIC in nanoseconds.
uint64_t meter_now(void);

void count_allocations(int on);

/// Frames of a type for experiments (IEEE 802, 0x88B5), to everybody: who captures sees them, nobody answers.
int trickle_open(const char *interface);
void trickle_send(int fd);

/// A socket that sees the SYNs of IPv4 arriving at an interface of the calling thread's namespace. Negative on failure.
int arrivals_open(const char *interface);
/// The kernel's stamp of the first one, CLOCK_REALTIME in nanoseconds; 0 where none has come. Closes the socket.
uint64_t arrivals_first(int fd);
/// CLOCK_REALTIME in nanoseconds.
uint64_t realtime_now(void);

#endif
