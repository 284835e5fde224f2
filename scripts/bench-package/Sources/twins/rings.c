// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "rings.h"
#include "twins.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

// Linux 6.17: frames that one call takes.
enum { max_tx_budget = 9, budget = 64 };

struct rings {
  int socket;
  unsigned char *memory;
  uint32_t *put, *completed, *drained;
  struct xdp_desc *out;
  uint64_t *back;
  uint32_t next;
  unsigned room;
  uint64_t spare[ring_frames];
};

static void option(int fd, int number, int value, const char *what) {
  if (setsockopt(fd, SOL_XDP, number, &value, sizeof value) != 0) die(what);
}

static void *map(int fd, size_t size, off_t page) {
  void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, page);
  if (base == MAP_FAILED) die("mmap");
  return base;
}

struct rings *rings_open(const char *interface, int queue, int *fd) {
  struct rings *rings = calloc(1, sizeof *rings);
  size_t size = (size_t)ring_frames * ring_frame_size;
  if (!rings) die("rings");
  *fd = rings->socket = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (rings->socket < 0) die("AF_XDP");
  int buffer = 4 << 20;
  if (setsockopt(*fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) != 0)
    setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  rings->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (rings->memory == MAP_FAILED) die("mmap");
  struct xdp_umem_reg region = {
      .addr = (uint64_t)(uintptr_t)rings->memory, .len = size, .chunk_size = ring_frame_size};
  // Without flags and what came behind them.
  if (setsockopt(*fd, SOL_XDP, XDP_UMEM_REG, &region, 24) != 0) die("XDP_UMEM_REG");
  option(*fd, XDP_UMEM_FILL_RING, 1, "XDP_UMEM_FILL_RING");
  option(*fd, XDP_UMEM_COMPLETION_RING, ring_frames, "XDP_UMEM_COMPLETION_RING");
  option(*fd, XDP_TX_RING, ring_frames, "XDP_TX_RING");
  int frames = budget;
  setsockopt(*fd, SOL_XDP, max_tx_budget, &frames, sizeof frames);
  struct xdp_mmap_offsets at;
  socklen_t length = sizeof at;
  if (getsockopt(*fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length) != 0) die("XDP_MMAP_OFFSETS");
  unsigned char *tx = map(*fd, at.tx.desc + ring_frames * sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
  unsigned char *cr = map(*fd, at.cr.desc + ring_frames * sizeof(uint64_t), (off_t)XDP_UMEM_PGOFF_COMPLETION_RING);
  rings->put = (uint32_t *)(tx + at.tx.producer);
  
  rings->out = (struct xdp_desc *)(tx + at.tx.desc);
  rings->completed = (uint32_t *)(cr + at.cr.producer);
  rings->drained = (uint32_t *)(cr + at.cr.consumer);
  rings->back = (uint64_t *)(cr + at.cr.desc);
  struct sockaddr_xdp own = {.sxdp_family = AF_XDP,
                             .sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
                             .sxdp_ifindex = if_nametoindex(interface),
                             .sxdp_queue_id = (uint32_t)queue};
  // A queue is free again some time after its last socket was closed.
  for (int turn = 0; bind(*fd, (struct sockaddr *)&own, sizeof own) != 0; turn++) {
    if (errno != EBUSY || turn == 1000) die("bind");
    usleep(1000);
  }
  for (unsigned n = 0; n < ring_frames; n++) rings->spare[rings->room++] = (uint64_t)n * ring_frame_size;
  return rings;
}

void *ring_frame(struct rings *rings, int number) { return rings->memory + (size_t)number * ring_frame_size; }

static void drain(struct rings *rings) {
  uint32_t end = __atomic_load_n(rings->completed, __ATOMIC_ACQUIRE), next = *rings->drained;
  while (next != end) rings->spare[rings->room++] = rings->back[next++ & (ring_frames - 1)];
  __atomic_store_n(rings->drained, end, __ATOMIC_RELEASE);
}

void *ring_next(struct rings *rings, unsigned length) {
  while (rings->room == 0) rings_flush(rings);
  uint64_t address = rings->spare[--rings->room];
  rings->out[rings->next++ & (ring_frames - 1)] = (struct xdp_desc){.addr = address, .len = length};
  return rings->memory + address;
}

/// In copy mode the kernel sends within the call, and always wants it. A frame that the driver drops is not sent again:
/// the far end's count shows it.
void rings_flush(struct rings *rings) {
  __atomic_store_n(rings->put, rings->next, __ATOMIC_RELEASE);
  while (sendto(rings->socket, NULL, 0, MSG_DONTWAIT, NULL, 0) != 0)
    if (errno != EAGAIN && errno != EBUSY && errno != ENOBUFS) die("sendto");
  drain(rings);
}
