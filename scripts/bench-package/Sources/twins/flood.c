// SPDX-License-Identifier: Apache-2.0

// The least a sender has to do: SYNs of 58 bytes on the wire, in batches, from one thread or several, at full speed or
// with a sleep between batches. AF_XDP is in rings.c.

#define _GNU_SOURCE
#include "measure.h"
#include "rings.h"
#include "twins.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch = 64, first_host = 0x0a000000 };

struct frame {
  struct ethhdr link;
  struct iphdr ip;
  struct tcphdr tcp;
  uint8_t mss[4];
} __attribute__((packed));

struct sender {
  const struct flood *flood;
  uint64_t begin, end;
  int socket, place;
  struct rings *rings;
  pthread_t thread;
  struct frame frames[batch];
  struct sockaddr_in targets[batch];
  struct iovec pieces[batch];
  struct mmsghdr messages[batch];
};

static uint16_t sum(const void *bytes, size_t length, uint32_t start) {
  const uint16_t *words = bytes;
  uint32_t total = start;
  for (size_t i = 0; i < length / 2; i++) total += words[i];
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return (uint16_t)~total;
}

static void fill(struct frame *frame, struct sockaddr_in *target, uint64_t index) {
  uint32_t host = htonl(first_host + (uint32_t)(index & 0xffffff));
  frame->ip.daddr = target->sin_addr.s_addr = host;
  frame->ip.check = 0;
  frame->ip.check = sum(&frame->ip, sizeof frame->ip, 0);
  frame->tcp.seq = (uint32_t)(index * 2654435761u);
  frame->tcp.check = 0;
  uint32_t pseudo = (frame->ip.saddr & 0xffff) + (frame->ip.saddr >> 16) + (host & 0xffff) + (host >> 16) +
                    htons(IPPROTO_TCP) + htons(24);
  frame->tcp.check = sum(&frame->tcp, 24, pseudo);
}

/// A link socket of protocol 0 hears nothing, and what it sends goes past the queueing discipline.
static int open_link(const char *interface) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
  if (fd < 0) die("AF_PACKET");
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) die("PACKET_QDISC_BYPASS");
  if (bind(fd, (struct sockaddr *)&link, sizeof link) != 0) die("bind");
  return fd;
}

static void prepare(struct sender *sender) {
  const struct flood *flood = sender->flood;
  int is_xdp = strcmp(flood->path, "xdp") == 0, is_link = strcmp(flood->path, "link") == 0;
  if (is_xdp) sender->rings = rings_open(flood->interface, sender->place, &sender->socket);
  else sender->socket = is_link ? open_link(flood->interface) : socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (sender->socket < 0) die("SOCK_RAW");
  struct ifreq own = {0};
  strncpy(own.ifr_name, flood->interface, IFNAMSIZ - 1);
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (ioctl(any, SIOCGIFHWADDR, &own) != 0) die("SIOCGIFHWADDR");
  close(any);
  struct ether_addr gateway;
  if (!ether_aton_r(flood->gateway, &gateway)) die("MAC");
  for (int i = 0; i < batch; i++) {
    struct frame *frame = &sender->frames[i];
    frame->link.h_proto = htons(ETH_P_IP);
    memcpy(frame->link.h_dest, &gateway, ETH_ALEN);
    memcpy(frame->link.h_source, own.ifr_hwaddr.sa_data, ETH_ALEN);
    frame->ip = (struct iphdr){.version = 4,
                               .ihl = 5,
                               .tot_len = htons(sizeof *frame - ETH_HLEN),
                               .ttl = 64,
                               .protocol = IPPROTO_TCP,
                               .saddr = inet_addr(flood->source)};
    frame->tcp =
        (struct tcphdr){.source = htons(40000), .dest = htons(80), .doff = 6, .syn = 1, .window = htons(64240)};
    memcpy(frame->mss, (uint8_t[]){2, 4, 0x05, 0xb4}, 4);
    sender->targets[i] = (struct sockaddr_in){.sin_family = AF_INET};
    if (is_xdp) {
      // Every frame of the shared memory begins as this one.
      for (int n = i; n < ring_frames; n += batch) memcpy(ring_frame(sender->rings, n), frame, sizeof *frame);
      continue;
    }
    struct msghdr *message = &sender->messages[i].msg_hdr;
    message->msg_iov = &sender->pieces[i];
    message->msg_iovlen = 1;
    if (is_link) {
      sender->pieces[i] = (struct iovec){.iov_base = frame, .iov_len = sizeof *frame};
    } else {
      sender->pieces[i] = (struct iovec){.iov_base = &frame->ip, .iov_len = sizeof *frame - ETH_HLEN};
      message->msg_name = &sender->targets[i];
      message->msg_namelen = sizeof sender->targets[i];
    }
  }
}

static void send_batch(struct sender *sender, uint64_t first, unsigned count) {
  if (sender->rings) {
    for (unsigned i = 0; i < count; i++)
      fill(ring_next(sender->rings, sizeof(struct frame)), &sender->targets[i], first + i);
    return rings_flush(sender->rings);
  }
  for (unsigned i = 0; i < count; i++) fill(&sender->frames[i], &sender->targets[i], first + i);
  for (unsigned sent = 0; sent < count;) {
    int done = sendmmsg(sender->socket, sender->messages + sent, count - sent, 0);
    if (done > 0) sent += (unsigned)done;
    else if (errno != ENOBUFS && errno != EAGAIN) die("sendmmsg");
  }
}

static void *flood_all(void *argument) {
  struct sender *sender = argument;
  for (uint64_t next = sender->begin; next < sender->end; next += batch) {
    uint64_t left = sender->end - next;
    send_batch(sender, next, left < batch ? (unsigned)left : batch);
  }
  return NULL;
}

/// What is due leaves each millisecond, or when the next one is.
static void send_paced(struct sender *sender, double rate) {
  uint64_t start = meter_now(), sent = 0, count = sender->end - sender->begin;
  double pause = rate < 1000 ? 1e9 / rate : 1e6;
  for (uint64_t turn = 1; sent < count; turn++) {
    uint64_t due = (uint64_t)((double)(meter_now() - start) / 1e9 * rate) + 1;
    if (due > count) due = count;
    for (unsigned now; sent < due; sent += now) {
      now = due - sent < batch ? (unsigned)(due - sent) : batch;
      send_batch(sender, sender->begin + sent, now);
    }
    uint64_t next = start + (uint64_t)((double)turn * pause);
    struct timespec until = {.tv_sec = (time_t)(next / 1000000000), .tv_nsec = (long)(next % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  }
}

void run_flood(const struct flood *flood) {
  struct sender *senders = calloc((size_t)flood->threads, sizeof *senders);
  if (!senders) die("start");
  for (int i = 0; i < flood->threads; i++) {
    senders[i].flood = flood;
    senders[i].place = i;
    senders[i].begin = flood->count * (uint64_t)i / (uint64_t)flood->threads;
    senders[i].end = flood->count * (uint64_t)(i + 1) / (uint64_t)flood->threads;
    prepare(&senders[i]);
  }
  if (flood->rate > 0) return send_paced(&senders[0], flood->rate);
  for (int i = 1; i < flood->threads; i++)
    if (pthread_create(&senders[i].thread, NULL, flood_all, &senders[i]) != 0) die("pthread_create");
  flood_all(&senders[0]);
  for (int i = 1; i < flood->threads; i++) pthread_join(senders[i].thread, NULL);
}
