// SPDX-License-Identifier: Apache-2.0

// Twin (a): the connect trick on one epoll thread, `concurrency` sockets at a time.

#define _GNU_SOURCE
#include "measure.h"
#include "twins.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/// A socket that withholds its last ACK and ends in a RST, its SYN sent.
int open_half(const struct run *run) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int off = 0;
  if (setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off) != 0) die("TCP_QUICKACK");
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) die("SO_LINGER");
  struct sockaddr_in target = {
      .sin_family = AF_INET, .sin_port = htons(run->port), .sin_addr.s_addr = run->target};
  if (connect(fd, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS) die("connect");
  return fd;
}

struct loop {
  const struct run *run;
  int epoll;
  uint64_t *started;
  uint64_t *latencies;
  uint64_t others;
};

static void begin(struct loop *loop, uint32_t slot) {
  if (loop->run->concurrency == 1) loop->started[slot] = meter_now();
  int fd = open_half(loop->run);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u64 = (uint64_t)slot << 32 | (uint32_t)fd};
  if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static uint64_t turn(struct loop *loop, uint64_t checks, double seconds) {
  uint64_t begun = 0, ended = 0, end = meter_now() + (uint64_t)(seconds * 1e9);
  struct epoll_event events[512];
  for (; begun < (uint64_t)loop->run->concurrency && begun < checks; begun++) begin(loop, (uint32_t)begun);
  while (ended < begun) {
    int count = epoll_wait(loop->epoll, events, 512, 2000);
    if (count <= 0) die("epoll_wait");
    int isOver = meter_now() >= end;
    for (int i = 0; i < count; i++) {
      int fd = (int)(uint32_t)events[i].data.u64, error = 0;
      uint32_t slot = (uint32_t)(events[i].data.u64 >> 32);
      socklen_t length = sizeof error;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
      close(fd);
      if (error != 0) loop->others++;
      if (loop->run->concurrency == 1) loop->latencies[ended] = meter_now() - loop->started[slot];
      ended++;
      if (begun < checks && !isOver) {
        begin(loop, slot);
        begun++;
      }
    }
  }
  return ended;
}

void run_connect(const struct run *run) {
  struct loop loop = {.run = run, .epoll = epoll_create1(EPOLL_CLOEXEC)};
  loop.started = calloc((size_t)run->concurrency, sizeof *loop.started);
  loop.latencies = calloc(run->checks, sizeof *loop.latencies);
  if (loop.epoll < 0 || !loop.started || !loop.latencies) die("start");
  turn(&loop, run->checks / 10, run->seconds / 10);
  loop.others = 0;
  struct meter before, after;
  meter_read(&before);
  uint64_t done = turn(&loop, run->checks, run->seconds);
  meter_read(&after);
  meter_print(&before, &after, done, loop.others, loop.latencies, run->concurrency == 1 ? done : 0);
}
