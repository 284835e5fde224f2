// SPDX-License-Identifier: Apache-2.0

// first INTERFACE ADDRESS [ring]: the least that a program does to send one SYN; with `ring` it listens before, as libpcap
// does: a mapped AF_PACKET ring.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void listen_on(const char *interface) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), version = TPACKET_V2;
  struct sockaddr_ll link = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(interface)};
  struct tpacket_req request = {
      .tp_block_size = 1 << 12, .tp_block_nr = 256, .tp_frame_size = 256, .tp_frame_nr = 256 * (1 << 12) / 256};
  if (fd < 0) die("AF_PACKET");
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) die("PACKET_VERSION");
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) die("PACKET_RX_RING");
  if (mmap(NULL, 256 << 12, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED) die("mmap");
  if (bind(fd, (struct sockaddr *)&link, sizeof link) != 0) die("bind");
}

int main(int count, char **words) {
  if (count < 3) return 64;
  if (count > 3 && strcmp(words[3], "ring") == 0) listen_on(words[1]);
  struct {
    struct iphdr ip;
    struct tcphdr tcp;
  } packet = {.ip = {.version = 4,
                     .ihl = 5,
                     .ttl = 64,
                     .protocol = IPPROTO_TCP,
                     .tot_len = htons(sizeof packet),
                     .daddr = inet_addr(words[2])},
              .tcp = {.source = htons(61000), .dest = htons(80), .doff = 5, .syn = 1}};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(words[2])};
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) die("IPPROTO_RAW");
  if (sendto(fd, &packet, sizeof packet, 0, (struct sockaddr *)&to, sizeof to) != sizeof packet) die("sendto");
  return 0;
}
