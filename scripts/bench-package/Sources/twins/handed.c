// SPDX-License-Identifier: Apache-2.0

// Twin (b): the connect trick on one epoll thread, every check handed over by a caller that waits for it. A caller is a
// thread; the loop is woken by an eventfd, and only if it sleeps.

#define _GNU_SOURCE
#include "measure.h"
#include "twins.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct caller {
  struct hub *hub;
  struct caller *next;
  pthread_mutex_t lock;
  pthread_cond_t done;
  int isDone, error, fd;
  pthread_t thread;
};

struct hub {
  const struct run *run;
  pthread_mutex_t lock;
  struct caller *posted;
  int loopSleeps, isOver, event, epoll;
  uint64_t checks, end;
  _Atomic uint64_t begun, ended, others;
  uint64_t *latencies;
};

static void check(struct hub *hub, struct caller *caller) {
  caller->isDone = 0;
  pthread_mutex_lock(&hub->lock);
  caller->next = hub->posted;
  hub->posted = caller;
  int wake = hub->loopSleeps;
  hub->loopSleeps = 0;
  pthread_mutex_unlock(&hub->lock);
  if (wake) eventfd_write(hub->event, 1);
  pthread_mutex_lock(&caller->lock);
  while (!caller->isDone) pthread_cond_wait(&caller->done, &caller->lock);
  pthread_mutex_unlock(&caller->lock);
}

static void *call(void *argument) {
  struct caller *caller = argument;
  struct hub *hub = caller->hub;
  while (atomic_fetch_add(&hub->begun, 1) < hub->checks) {
    uint64_t start = meter_now();
    if (start >= hub->end) break;
    check(hub, caller);
    uint64_t taken = meter_now() - start;
    if (caller->error != 0) hub->others++;
    hub->latencies[atomic_fetch_add(&hub->ended, 1)] = taken;
  }
  return NULL;
}

static void begin_posted(struct hub *hub) {
  pthread_mutex_lock(&hub->lock);
  struct caller *posted = hub->posted;
  hub->posted = NULL;
  hub->loopSleeps = posted == NULL;
  pthread_mutex_unlock(&hub->lock);
  while (posted) {
    struct caller *next = posted->next;
    posted->fd = open_half(hub->run);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = posted};
    if (epoll_ctl(hub->epoll, EPOLL_CTL_ADD, posted->fd, &event) != 0) die("epoll_ctl");
    posted = next;
  }
}

static void *loop(void *argument) {
  struct hub *hub = argument;
  struct epoll_event events[512];
  while (!hub->isOver) {
    begin_posted(hub);
    int count = epoll_wait(hub->epoll, events, 512, 2000);
    for (int i = 0; i < count; i++) {
      struct caller *caller = events[i].data.ptr;
      eventfd_t value;
      if (!caller) {
        eventfd_read(hub->event, &value);
        continue;
      }
      int error = 0;
      socklen_t length = sizeof error;
      getsockopt(caller->fd, SOL_SOCKET, SO_ERROR, &error, &length);
      close(caller->fd);
      pthread_mutex_lock(&caller->lock);
      caller->error = error;
      caller->isDone = 1;
      pthread_cond_signal(&caller->done);
      pthread_mutex_unlock(&caller->lock);
    }
  }
  return NULL;
}

static void turn(struct hub *hub, struct caller *callers, uint64_t checks, double seconds) {
  hub->begun = hub->ended = hub->others = 0;
  hub->checks = checks;
  hub->end = meter_now() + (uint64_t)(seconds * 1e9);
  for (int i = 0; i < hub->run->concurrency; i++)
    if (pthread_create(&callers[i].thread, NULL, call, &callers[i]) != 0) die("pthread_create");
  for (int i = 0; i < hub->run->concurrency; i++) pthread_join(callers[i].thread, NULL);
}

void run_handed(const struct run *run) {
  static struct hub hub;
  hub.run = run;
  hub.epoll = epoll_create1(EPOLL_CLOEXEC);
  hub.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pthread_mutex_init(&hub.lock, NULL);
  hub.latencies = calloc(run->checks + 1, sizeof *hub.latencies);
  struct caller *callers = calloc((size_t)run->concurrency, sizeof *callers);
  if (hub.epoll < 0 || hub.event < 0 || !hub.latencies || !callers) die("start");
  for (int i = 0; i < run->concurrency; i++) {
    callers[i].hub = &hub;
    pthread_mutex_init(&callers[i].lock, NULL);
    pthread_cond_init(&callers[i].done, NULL);
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(hub.epoll, EPOLL_CTL_ADD, hub.event, &event) != 0) die("epoll_ctl");
  pthread_t thread;
  if (pthread_create(&thread, NULL, loop, &hub) != 0) die("pthread_create");
  turn(&hub, callers, run->checks / 10, run->seconds / 10);
  struct meter before, after;
  meter_read(&before);
  turn(&hub, callers, run->checks, run->seconds);
  meter_read(&after);
  meter_print(&before, &after, hub.ended, hub.others, hub.latencies, run->concurrency == 1 ? hub.ended : 0);
}
