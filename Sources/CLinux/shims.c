// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct clinux_mmsghdr) == sizeof(struct mmsghdr), "clinux_mmsghdr differs from mmsghdr");
_Static_assert(offsetof(struct clinux_mmsghdr, length) == offsetof(struct mmsghdr, msg_len), "msg_len moved");

int clinux_sendmmsg(int fd, struct clinux_mmsghdr *messages, unsigned int count, int flags) {
  return sendmmsg(fd, (struct mmsghdr *)messages, count, flags);
}
int clinux_recvmmsg(int fd, struct clinux_mmsghdr *messages, unsigned int count) {
  return recvmmsg(fd, (struct mmsghdr *)messages, count, MSG_DONTWAIT, NULL);
}
ssize_t clinux_recv_stamped(int fd, void *bytes, size_t room, struct timespec *stamp) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof *stamp)];
  } control;
  struct iovec part = {.iov_base = bytes, .iov_len = room};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC);
  // The stamp is the only control message that was asked for.
  struct cmsghdr *first = length < 0 ? NULL : CMSG_FIRSTHDR(&message);
  if (first != NULL) memcpy(stamp, CMSG_DATA(first), sizeof *stamp);
  return length;
}
int clinux_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  return accept4(fd, address, length, flags);
}
int clinux_unshare(int flags) { return unshare(flags); }
int clinux_setns(int fd, int kind) { return setns(fd, kind); }
int clinux_sem_wait(sem_t *semaphore, const struct timespec *deadline) {
  return sem_clockwait(semaphore, CLOCK_MONOTONIC, deadline);
}

int clinux_name_thread(const char *name) { return pthread_setname_np(pthread_self(), name); }
size_t clinux_allocated_bytes(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}
int clinux_begin_writeback(int fd, off_t offset, off_t count) {
  return sync_file_range(fd, offset, count, SYNC_FILE_RANGE_WRITE);
}
int clinux_gettid(void) { return (int)syscall(SYS_gettid); }
