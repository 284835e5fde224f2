// SPDX-License-Identifier: Apache-2.0

#ifndef SPAWNED_H
#define SPAWNED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Starts a program; its output comes from `*output`. Negative on failure.
pid_t spawned_start(char *const words[], int *output);

/// Reads what a program prints until its end or for `seconds`, after which it is killed.
/// Returns its exit status, or -1 where a signal ended it.
int spawned_finish(pid_t pid, int output, char *text, size_t size, int seconds);

/// Ends a program.
void spawned_end(pid_t pid, int output);

/// What a program used, with all its threads and the children it waited for (wait4), in seconds.
struct spent {
  double user, system;
  /// CLOCK_MONOTONIC when it ended, in nanoseconds.
  uint64_t ended;
  /// Its exit status, or -1 where a signal ended it.
  int status;
  /// It did not end in time.
  int was_ended;
};

/// Starts a program that writes to two files. Negative on failure. The last one started is ended with this process,
/// where SIGINT or SIGTERM ends that.
pid_t spawned_measured(char *const words[], const char *output, const char *errors);

/// Waits for its end; after `seconds` it gets SIGINT, and much later SIGKILL.
void spawned_await(pid_t pid, double seconds, struct spent *spent);

#endif
