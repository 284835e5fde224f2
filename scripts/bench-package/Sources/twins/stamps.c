// SPDX-License-Identifier: Apache-2.0

// When packets arrive: TCP packets on an interface, counted for each millisecond of the kernel's stamps.

#define _GNU_SOURCE
#include "measure.h"
#include "twins.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { frame_size = 128, block_size = 1 << 17, blocks = 512, frames = blocks * (block_size / frame_size) };

static volatile sig_atomic_t is_over;

static void end(int signal) {
  (void)signal;
  is_over = 1;
}

static int open_ring(const char *interface, uint8_t **ring) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), version = TPACKET_V2, on = 1;
  if (fd < 0) die("AF_PACKET");
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 34),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
  struct tpacket_req request = {
      .tp_block_size = block_size, .tp_block_nr = blocks, .tp_frame_size = frame_size, .tp_frame_nr = frames};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) die("filter");
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) die("PACKET_IGNORE_OUTGOING");
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) die("PACKET_VERSION");
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) die("PACKET_RX_RING");
  *ring = mmap(NULL, (size_t)block_size * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (*ring == MAP_FAILED) die("mmap");
  struct sockaddr_ll link = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(interface)};
  if (bind(fd, (struct sockaddr *)&link, sizeof link) != 0) die("bind");
  return fd;
}

void run_stamps(const char *interface, double seconds) {
  uint8_t *ring;
  uint64_t slots = (uint64_t)(seconds * 1000) + 1, first = 0, beyond = 0;
  uint32_t *counts = calloc(slots, sizeof *counts), at = 0;
  int fd = open_ring(interface, &ring);
  if (!counts) die("start");
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  for (uint64_t until = meter_now() + (uint64_t)(seconds * 1e9); !is_over && meter_now() < until;) {
    struct tpacket2_hdr *header = (void *)(ring + (size_t)at * frame_size);
    if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
      // Many are read at once: who counts takes as little as possible from who is counted.
      struct pollfd wait = {.fd = fd, .events = POLLIN};
      if (poll(&wait, 1, 100) > 0) poll(NULL, 0, 20);
      continue;
    }
    uint64_t stamp = (uint64_t)header->tp_sec * 1000 + header->tp_nsec / 1000000;
    if (first == 0) first = stamp;
    if (stamp >= first && stamp - first < slots) counts[stamp - first]++;
    else beyond++;
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    at = at + 1 < frames ? at + 1 : 0;
  }
  struct tpacket_stats statistics = {0};
  socklen_t length = sizeof statistics;
  getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length);
  printf("lost=%llu\n", (unsigned long long)statistics.tp_drops + beyond);
  for (uint64_t i = 0; i < slots; i++)
    if (counts[i] > 0) printf("%llu %u\n", (unsigned long long)i, counts[i]);
}
