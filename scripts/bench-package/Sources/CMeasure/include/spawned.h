// SPDX-License-Identifier: Apache-2.0

#ifndef SPAWNED_H
#define SPAWNED_H

#include <stddef.h>
#include <sys/types.h>

/// Starts a program; its output comes from `*output`. Negative on failure.
pid_t spawned_start(char *const words[], int *output);

/// Reads what a program prints until its end or for `seconds`, after which it is killed.
/// Returns its exit status, or -1 where a signal ended it.
int spawned_finish(pid_t pid, int output, char *text, size_t size, int seconds);

/// Ends a program.
void spawned_end(pid_t pid, int output);

#endif
