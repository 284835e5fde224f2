// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "measure.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

extern _Atomic uint64_t measured_allocations, measured_bytes;

uint64_t meter_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double seconds(struct timeval value) { return (double)value.tv_sec + (double)value.tv_usec / 1e6; }

static double thread_time(const char *id) {
  char path[320], name[32] = "";
  unsigned long long nanoseconds = 0;
  snprintf(path, sizeof path, "/proc/self/task/%s/comm", id);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  int read = fscanf(file, "%31s", name);
  fclose(file);
  if (read != 1 || strncmp(name, "halfopen-", 9) != 0) return 0;
  snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", id);
  file = fopen(path, "r");
  if (!file) return 0;
  read = fscanf(file, "%llu", &nanoseconds);
  fclose(file);
  return read == 1 ? (double)nanoseconds / 1e9 : 0;
}

static double loop_time(void) {
  double sum = 0;
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks) return 0;
  struct dirent *entry;
  while ((entry = readdir(tasks)))
    if (entry->d_name[0] != '.') sum += thread_time(entry->d_name);
  closedir(tasks);
  return sum;
}

static void machine_time(struct meter *meter) {
  unsigned long long user, nice, system, idle, wait, irq, softirq;
  FILE *file = fopen("/proc/stat", "r");
  if (!file) return;
  int read = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq, &softirq);
  fclose(file);
  if (read != 7) return;
  double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
  meter->busy = (double)(user + nice + system + irq + softirq) * tick;
  meter->softirq = (double)softirq * tick;
}

void meter_read(struct meter *meter) {
  memset(meter, 0, sizeof *meter);
  machine_time(meter);
  meter->loop = loop_time();
  meter->allocations = atomic_load(&measured_allocations);
  meter->bytes = atomic_load(&measured_bytes);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  meter->user = seconds(usage.ru_utime);
  meter->system = seconds(usage.ru_stime);
  meter->wall = (double)meter_now() / 1e9;
}

static int ascending(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return (left > right) - (left < right);
}

void meter_print(const struct meter *begin, const struct meter *end, uint64_t checks, uint64_t others,
                 uint64_t *latencies, uint64_t count) {
  printf("checks=%llu others=%llu wall=%.6f user=%.6f system=%.6f loop=%.6f busy=%.3f softirq=%.3f allocations=%llu "
         "bytes=%llu",
         (unsigned long long)checks, (unsigned long long)others, end->wall - begin->wall, end->user - begin->user,
         end->system - begin->system, end->loop - begin->loop, end->busy - begin->busy, end->softirq - begin->softirq,
         (unsigned long long)(end->allocations - begin->allocations), (unsigned long long)(end->bytes - begin->bytes));
  if (count > 0) {
    qsort(latencies, count, sizeof *latencies, ascending);
    printf(" p50=%.3f p99=%.3f", (double)latencies[count / 2] / 1e3, (double)latencies[count * 99 / 100] / 1e3);
  }
  printf("\n");
}

int trickle_open(const char *interface) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
  if (fd >= 0 && bind(fd, (struct sockaddr *)&link, sizeof link) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

void trickle_send(int fd) {
  uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
  (void)!write(fd, frame, sizeof frame);
}
