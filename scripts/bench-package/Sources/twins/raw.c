// SPDX-License-Identifier: Apache-2.0

// Twin (c): SYNs by hand in batches, SYN-ACKs from a mapped capture that leaves outgoing packets out, RSTs by the kernel.

#define _GNU_SOURCE
#include "measure.h"
#include "twins.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { batch = 32, ports_per_slot = 8, frame_size = 256, block_size = 1 << 16, blocks = 64 };

struct syn {
  struct iphdr ip;
  struct tcphdr tcp;
  uint8_t mss[4];
} __attribute__((packed));

struct raw {
  const struct run *run;
  int socket, capture;
  uint8_t *ring;
  uint32_t frames, at;
  struct syn packets[batch];
  struct iovec pieces[batch];
  struct mmsghdr messages[batch];
  struct sockaddr_in target;
  int filled;
  uint32_t *sequence;
  uint16_t *turn;
  uint64_t *started, *latencies;
  uint64_t begun, ended, others;
};

static uint16_t sum(const void *bytes, size_t length, uint32_t start) {
  const uint16_t *words = bytes;
  uint32_t total = start;
  for (size_t i = 0; i < length / 2; i++) total += words[i];
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return (uint16_t)~total;
}

static void flush(struct raw *raw) {
  int sent = 0;
  while (sent < raw->filled) {
    int count = sendmmsg(raw->socket, raw->messages + sent, (unsigned)(raw->filled - sent), 0);
    if (count <= 0) die("sendmmsg");
    sent += count;
  }
  raw->filled = 0;
}

static uint16_t port_of(const struct raw *raw, uint32_t slot) {
  return (uint16_t)(raw->run->first_port + slot * ports_per_slot + raw->turn[slot]);
}

static void send_syn(struct raw *raw, uint32_t slot) {
  struct syn *packet = &raw->packets[raw->filled];
  raw->turn[slot] = (uint16_t)((raw->turn[slot] + 1) % ports_per_slot);
  raw->sequence[slot] = raw->sequence[slot] * 1664525u + 1013904223u;
  if (raw->run->concurrency == 1) raw->started[slot] = meter_now();
  packet->tcp.source = htons(port_of(raw, slot));
  packet->tcp.seq = htonl(raw->sequence[slot]);
  packet->tcp.check = 0;
  uint32_t pseudo = (packet->ip.saddr & 0xffff) + (packet->ip.saddr >> 16) + (packet->ip.daddr & 0xffff) +
                    (packet->ip.daddr >> 16) + htons(IPPROTO_TCP) + htons(24);
  packet->tcp.check = sum(&packet->tcp, 24, pseudo);
  raw->begun++;
  if (++raw->filled == batch) flush(raw);
}

/// Returns whether it was the answer that some slot waits for.
static int receive(struct raw *raw, const uint8_t *frame, uint32_t *slot) {
  const struct iphdr *ip = (const void *)(frame + ETH_HLEN);
  const struct tcphdr *tcp = (const void *)(frame + ETH_HLEN + ip->ihl * 4);
  *slot = (uint32_t)(ntohs(tcp->dest) - raw->run->first_port) / ports_per_slot;
  if (*slot >= (uint32_t)raw->run->concurrency || ntohs(tcp->dest) != port_of(raw, *slot)) return 0;
  if (ntohl(tcp->ack_seq) != raw->sequence[*slot] + 1 || !tcp->ack) return 0;
  if (!tcp->syn) raw->others++;
  return 1;
}

static void turn(struct raw *raw, uint64_t checks, double seconds) {
  uint64_t end = meter_now() + (uint64_t)(seconds * 1e9);
  raw->begun = raw->ended = raw->others = 0;
  for (uint32_t slot = 0; slot < (uint32_t)raw->run->concurrency && raw->begun < checks; slot++) send_syn(raw, slot);
  flush(raw);
  while (raw->ended < raw->begun) {
    struct tpacket2_hdr *header = (void *)(raw->ring + (size_t)raw->at * frame_size);
    if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
      if (raw->filled > 0) {
        flush(raw);
        continue;
      }
      struct pollfd wait = {.fd = raw->capture, .events = POLLIN};
      if (poll(&wait, 1, 1000) > 0) continue;
      // Lost packets: count what is missing and end.
      raw->others += raw->begun - raw->ended;
      break;
    }
    uint32_t slot;
    int isAnswer = receive(raw, (uint8_t *)header + header->tp_mac, &slot);
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    raw->at = raw->at + 1 < raw->frames ? raw->at + 1 : 0;
    if (!isAnswer) continue;
    if (raw->run->concurrency == 1) raw->latencies[raw->ended] = meter_now() - raw->started[slot];
    raw->ended++;
    if (raw->begun < checks && ((raw->ended & 63) != 0 || meter_now() < end)) send_syn(raw, slot);
    else checks = raw->begun;
  }
}

static void open_capture(struct raw *raw) {
  raw->capture = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (raw->capture < 0) die("AF_PACKET");
  uint32_t last_port = raw->run->first_port + (uint32_t)raw->run->concurrency * ports_per_slot - 1;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 7),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 5),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, raw->run->first_port, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last_port, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, 128),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
  int on = 1, version = TPACKET_V2;
  struct tpacket_req request = {.tp_block_size = block_size,
                                .tp_block_nr = blocks,
                                .tp_frame_size = frame_size,
                                .tp_frame_nr = blocks * (block_size / frame_size)};
  raw->frames = request.tp_frame_nr;
  if (setsockopt(raw->capture, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) die("filter");
  if (setsockopt(raw->capture, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) die("PACKET_IGNORE_OUTGOING");
  if (setsockopt(raw->capture, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) die("PACKET_VERSION");
  if (setsockopt(raw->capture, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) die("PACKET_RX_RING");
  raw->ring = mmap(NULL, (size_t)block_size * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, raw->capture, 0);
  if (raw->ring == MAP_FAILED) die("mmap");
  struct sockaddr_ll link = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(raw->run->interface)};
  if (bind(raw->capture, (struct sockaddr *)&link, sizeof link) != 0) die("bind");
}

static void prepare(struct raw *raw) {
  raw->target = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = raw->run->target};
  for (int i = 0; i < batch; i++) {
    struct syn *packet = &raw->packets[i];
    packet->ip = (struct iphdr){.version = 4,
                                .ihl = 5,
                                .tot_len = htons(sizeof *packet),
                                .frag_off = htons(IP_DF),
                                .ttl = 64,
                                .protocol = IPPROTO_TCP,
                                .saddr = raw->run->source,
                                .daddr = raw->run->target};
    packet->tcp = (struct tcphdr){.dest = htons(raw->run->port), .doff = 6, .syn = 1, .window = htons(64240)};
    memcpy(packet->mss, (uint8_t[]){2, 4, 0x05, 0xb4}, 4);
    raw->pieces[i] = (struct iovec){.iov_base = packet, .iov_len = sizeof *packet};
    raw->messages[i].msg_hdr = (struct msghdr){
        .msg_name = &raw->target, .msg_namelen = sizeof raw->target, .msg_iov = &raw->pieces[i], .msg_iovlen = 1};
  }
}

void run_raw(const struct run *run) {
  static struct raw raw;
  raw.run = run;
  raw.socket = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (raw.socket < 0) die("SOCK_RAW");
  // As HalfOpen has it: a packet that a queue drops is an error.
  int on = 1;
  if (setsockopt(raw.socket, IPPROTO_IP, IP_RECVERR, &on, sizeof on) != 0) die("IP_RECVERR");
  size_t slots = (size_t)run->concurrency;
  raw.sequence = calloc(slots, sizeof *raw.sequence);
  raw.turn = calloc(slots, sizeof *raw.turn);
  raw.started = calloc(slots, sizeof *raw.started);
  raw.latencies = calloc(run->checks, sizeof *raw.latencies);
  if (!raw.sequence || !raw.turn || !raw.started || !raw.latencies) die("start");
  for (size_t i = 0; i < slots; i++) raw.sequence[i] = (uint32_t)meter_now() * 2654435761u + (uint32_t)i;
  open_capture(&raw);
  prepare(&raw);
  turn(&raw, run->checks / 10, run->seconds / 10);
  struct meter before, after;
  meter_read(&before);
  turn(&raw, run->checks, run->seconds);
  meter_read(&after);
  meter_print(&before, &after, raw.ended, raw.others, raw.latencies, run->concurrency == 1 ? raw.ended : 0);
}
