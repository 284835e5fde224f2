// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Capabilities belong to threads, and only a thread itself can give its own up: so this runs in a signal handler on each
// of them. C, since a handler may call nothing but what is async-signal-safe.
static volatile sig_atomic_t keeps_capabilities;

void clinux_drop_in_thread(int keep) {
  // Fails without CAP_SETPCAP, and behind the last capability there is.
  for (unsigned long number = 0; prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0; number++) {}
  if (!keep) {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    syscall(SYS_capset, &header, none);
  }
  // Last: it tells that the rest is done.
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void handle(int signal) {
  (void)signal;
  int code = errno;
  clinux_drop_in_thread(keeps_capabilities);
  errno = code;
}

int clinux_drop_on_signal(int signal, int keep, struct sigaction *old) {
  keeps_capabilities = keep;
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  return sigaction(signal, &action, old);
}

int clinux_signal_thread(int thread, int signal) { return (int)syscall(SYS_tgkill, getpid(), thread, signal); }
int clinux_leave_groups(void) { return setgroups(0, NULL); }
int clinux_enter_groups(const char *user, unsigned int group) { return initgroups(user, group); }
