// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include "tcp.h"
#include <net/if.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <time.h>

// One datagram of a `clinux_sendmmsg` batch. The same bytes as `struct mmsghdr`, which hides behind _GNU_SOURCE.
struct clinux_mmsghdr {
  struct msghdr header;
  unsigned int length;
};

int clinux_sendmmsg(int fd, struct clinux_mmsghdr *messages, unsigned int count, int flags);
// Takes what waits and never waits itself.
int clinux_recvmmsg(int fd, struct clinux_mmsghdr *messages, unsigned int count);
// The next packet of a socket with SO_TIMESTAMPNS, cut to `room`, and when the kernel got it: its real length. Never waits.
ssize_t clinux_recv_stamped(int fd, void *bytes, size_t room, struct timespec *stamp);
int clinux_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int clinux_unshare(int flags);
int clinux_setns(int fd, int kind);
// sync_file_range with SYNC_FILE_RANGE_WRITE.
int clinux_begin_writeback(int fd, off_t offset, off_t count);
int clinux_gettid(void);
// mallinfo2(3): bytes that malloc has given out, in all arenas.
size_t clinux_allocated_bytes(void);
// Until a time of CLOCK_MONOTONIC.
int clinux_sem_wait(sem_t *semaphore, const struct timespec *deadline);
int clinux_name_thread(const char *name);

static inline struct cmsghdr *clinux_cmsg_first(struct msghdr *m) { return CMSG_FIRSTHDR(m); }
static inline struct cmsghdr *clinux_cmsg_next(struct msghdr *m, struct cmsghdr *c) { return CMSG_NXTHDR(m, c); }
static inline const void *clinux_cmsg_data(const struct cmsghdr *c) { return CMSG_DATA(c); }

// Constants that Glibc's module lacks or hides behind an enum.
enum {
  CLINUX_IP_RECVERR = 11,
  CLINUX_IPV6_RECVERR = 25,
  CLINUX_IP_BIND_ADDRESS_NO_PORT = 24,
  CLINUX_IP_LOCAL_PORT_RANGE = 51,
  CLINUX_IP_FREEBIND = 15,
  CLINUX_IP_HDRINCL = 3,
  CLINUX_IPV6_HDRINCL = 36,
  CLINUX_IPV6_FREEBIND = 78,
  CLINUX_PACKET_IGNORE_OUTGOING = 23,
  CLINUX_SO_TIMESTAMPNS = 35,
};
