// SPDX-License-Identifier: Apache-2.0

// Counts system calls: these definitions come before the C library's, which do the work.

#define _GNU_SOURCE
#include "calls.h"

#include <dlfcn.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static _Atomic uint64_t calls;

uint64_t counted_calls(void) { return atomic_load(&calls); }

#define COUNTED(type, name, parameters, arguments) \
  type name parameters {                           \
    static type(*_Atomic real) parameters;         \
    if (!real) real = dlsym(RTLD_NEXT, #name);     \
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed); \
    return real arguments;                         \
  }

COUNTED(int, sendmmsg, (int fd, struct mmsghdr *list, unsigned count, int flags), (fd, list, count, flags))
COUNTED(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
COUNTED(ssize_t, sendto,
        (int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length),
        (fd, data, size, flags, to, length))
COUNTED(int, recvmmsg, (int fd, struct mmsghdr *list, unsigned count, int flags, struct timespec *timeout),
        (fd, list, count, flags, timeout))
COUNTED(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
COUNTED(ssize_t, recvfrom,
        (int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length),
        (fd, data, size, flags, from, length))
COUNTED(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
COUNTED(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
COUNTED(int, poll, (struct pollfd *list, nfds_t count, int timeout), (list, count, timeout))
COUNTED(int, epoll_wait, (int fd, struct epoll_event *events, int count, int timeout), (fd, events, count, timeout))
COUNTED(int, epoll_ctl, (int fd, int what, int other, struct epoll_event *event), (fd, what, other, event))
COUNTED(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
COUNTED(int, bind, (int fd, const struct sockaddr *own, socklen_t length), (fd, own, length))
COUNTED(int, connect, (int fd, const struct sockaddr *other, socklen_t length), (fd, other, length))
COUNTED(int, getsockname, (int fd, struct sockaddr *own, socklen_t *length), (fd, own, length))
COUNTED(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length), (fd, level, name, value, length))
COUNTED(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length),
        (fd, level, name, value, length))
COUNTED(int, close, (int fd), (fd))
