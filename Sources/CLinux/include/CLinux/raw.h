// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <linux/capability.h>
#include <signal.h>

// capget(2) and capset(2) have no wrappers in glibc; the header of libcap would be a dependency for two calls.
int clinux_capget(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data);
int clinux_capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);

// Empties the calling thread's bounding set as far as that is permitted and, without `keep`, all its other capability
// sets; then sets no_new_privs.
void clinux_drop_in_thread(int keep);
// Has each thread that gets `signal` do so from here on.
int clinux_drop_on_signal(int signal, int keep, struct sigaction *old);
// tgkill(2) within this process.
int clinux_signal_thread(int thread, int signal);
// setgroups(2) to none and initgroups(3), for every thread.
int clinux_leave_groups(void);
int clinux_enter_groups(const char *user, unsigned int group);
