// SPDX-License-Identifier: Apache-2.0

// The least that a C program has to do for a check: what HalfOpen is measured against.

#ifndef TWINS_H
#define TWINS_H

#include <stdint.h>
#include <stdnoreturn.h>

/// One measured run: at most `checks` and at most `seconds`, after a tenth of that for warmth.
struct run {
  int concurrency;
  uint64_t checks;
  double seconds;
  uint16_t port;
  /// The listener's address.
  uint32_t target;
  /// Of `raw`: its own address and interface, and the first of its ports, eight for each one under way.
  uint32_t source;
  const char *interface;
  uint16_t first_port;
};

void run_connect(const struct run *run);
void run_handed(const struct run *run);
void run_raw(const struct run *run);
void run_syns(uint64_t count, const char *interface);

/// SYNs into a black hole: `path` is "link", "ip" or "xdp", `rate` 0 for no limit.
struct flood {
  const char *path;
  int threads;
  uint64_t count;
  double rate;
  const char *interface, *gateway, *source;
};

void run_flood(const struct flood *flood);
void run_stamps(const char *interface, double seconds);
int open_half(const struct run *run);
noreturn void die(const char *what);

#endif
