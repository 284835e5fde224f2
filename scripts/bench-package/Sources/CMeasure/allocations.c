// SPDX-License-Identifier: Apache-2.0

// Counts allocations: these definitions come before the C library's, which is still behind its internal names.

#include "measure.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

_Atomic uint64_t measured_allocations, measured_bytes;
static _Atomic int counting;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void count_allocations(int on) { atomic_store(&counting, on); }

static inline void note(size_t size) {
  if (__builtin_expect(!atomic_load_explicit(&counting, memory_order_relaxed), 1)) return;
  atomic_fetch_add_explicit(&measured_allocations, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&measured_bytes, size, memory_order_relaxed);
}

void *malloc(size_t size) {
  note(size);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note(count * size);
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  note(size);
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  note(size);
  *result = __libc_memalign(alignment, size);
  return *result || size == 0 ? 0 : ENOMEM;
}
