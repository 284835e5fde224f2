// SPDX-License-Identifier: Apache-2.0

// The least that sending through an AF_XDP socket takes: copy mode, one queue a socket.

#ifndef RINGS_H
#define RINGS_H

enum { ring_frames = 1024, ring_frame_size = 2048 };

struct rings;

struct rings *rings_open(const char *interface, int queue, int *socket);
void *ring_frame(struct rings *rings, int number);
/// The next frame to fill, `length` bytes of which leave with the next flush.
void *ring_next(struct rings *rings, unsigned length);
void rings_flush(struct rings *rings);

#endif
