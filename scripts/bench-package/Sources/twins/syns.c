// SPDX-License-Identifier: Apache-2.0

// A flood to a scripted peer: SYNs to 10.7.0.0/16 in batches, as many under way as fit into the peer's queue. What came
// back is counted by the kernel at the interface, in packets received.

#define _GNU_SOURCE
#include "measure.h"
#include "twins.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { batch = 64, window = 16384 };

struct syn {
  struct iphdr ip;
  struct tcphdr tcp;
} __attribute__((packed));

static uint16_t sum(const void *bytes, size_t length, uint32_t start) {
  const uint16_t *words = bytes;
  uint32_t total = start;
  for (size_t i = 0; i < length / 2; i++) total += words[i];
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return (uint16_t)~total;
}

static uint64_t received(const char *interface) {
  char line[512], name[32];
  unsigned long long bytes, packets = 0;
  FILE *file = fopen("/proc/self/net/dev", "r");
  if (!file) die("/proc/self/net/dev");
  while (fgets(line, sizeof line, file)) {
    for (char *c = line; *c; c++) *c = *c == ':' ? ' ' : *c;
    if (sscanf(line, "%31s %llu %llu", name, &bytes, &packets) == 3 && strcmp(name, interface) == 0) break;
  }
  fclose(file);
  return packets;
}

void run_syns(uint64_t count, const char *interface) {
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (fd < 0) die("socket");
  struct syn packets[batch];
  struct sockaddr_in targets[batch];
  struct iovec pieces[batch];
  struct mmsghdr messages[batch];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < batch; i++) {
    packets[i] = (struct syn){
        .ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .saddr = inet_addr("192.0.2.1")},
        .tcp = {.source = htons(4000), .dest = htons(80), .seq = htonl(1), .doff = 5, .syn = 1, .window = htons(1024)}};
    targets[i] = (struct sockaddr_in){.sin_family = AF_INET};
    pieces[i] = (struct iovec){.iov_base = &packets[i], .iov_len = sizeof(struct syn)};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &targets[i], .msg_namelen = sizeof targets[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
  }
  uint64_t before = received(interface), sent = 0, back = 0, start = meter_now(), moved = start;
  while (back < count && meter_now() - moved < 2000000000u) {
    uint64_t last = back;
    back = received(interface) - before;
    if (back != last) moved = meter_now();
    if (sent >= count || sent - back > window - 1024) usleep(200);
    for (uint64_t end = sent + 1024; sent < end && sent < count && sent - back < window;) {
      for (uint64_t i = 0; i < batch; i++) {
        struct syn *packet = &packets[i];
        packet->ip.daddr = targets[i].sin_addr.s_addr = htonl(0x0a070000u | (uint32_t)((sent + i) & 0xffff));
        packet->tcp.check = 0;
        uint32_t pseudo = (packet->ip.saddr & 0xffff) + (packet->ip.saddr >> 16) + (packet->ip.daddr & 0xffff) +
                          (packet->ip.daddr >> 16) + htons(IPPROTO_TCP) + htons(20);
        packet->tcp.check = sum(&packet->tcp, 20, pseudo);
      }
      int done = sendmmsg(fd, messages, batch, 0);
      if (done <= 0) die("sendmmsg");
      sent += (uint64_t)done;
    }
  }
  // Without those that never came: `moved` is when the last one did.
  printf("sent=%llu answered=%llu seconds=%.6f\n", (unsigned long long)sent, (unsigned long long)back,
         (double)(moved - start) / 1e9);
}
