// SPDX-License-Identifier: Apache-2.0
#pragma once

enum { CLINUX_CLONE_NEWNET = 0x40000000 };

// open(/dev/net/tun) and TUNSETIFF: a layer 3 device without packet information, non-blocking.
int clinux_open_tun(const char *name);
// SIOCGIFFLAGS: the interface's flags, -1 with errno set on failure.
int clinux_interface_flags(int socket, const char *name);
int clinux_memfd_create(const char *name, unsigned int flags);
int clinux_pidfd_open(int pid);
// Of a wait status: the exit code or -1, and the signal that ended the process or 0.
int clinux_exit_code(int status);
int clinux_exit_signal(int status);
