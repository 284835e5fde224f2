// SPDX-License-Identifier: Apache-2.0
// Tells the thread sanitizer what a contended Synchronization.Mutex orders. Its fast path is compiled into our code and
// instrumented; its slow one waits inside libswiftSynchronization, which is not, so that two threads that contend for a lock
// look as if nothing ordered them (Swift 6.3.1). scripts/test --long builds and preloads this.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define SWIFT_SELF __attribute__((swift_context))
#define SWIFT_CALL __attribute__((swiftcall))

__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

SWIFT_CALL void lock_slow(uint32_t thread, SWIFT_SELF void *handle) __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
SWIFT_CALL void lock_slow(uint32_t thread, SWIFT_SELF void *handle) {
  typedef SWIFT_CALL void (*Original)(uint32_t, SWIFT_SELF void *);
  ((Original)dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"))(thread, handle);
  if (__tsan_acquire) __tsan_acquire(handle);
}

SWIFT_CALL void unlock_slow(SWIFT_SELF void *handle) __asm__("$s15Synchronization12_MutexHandleV11_unlockSlowyyF");
SWIFT_CALL void unlock_slow(SWIFT_SELF void *handle) {
  typedef SWIFT_CALL void (*Original)(SWIFT_SELF void *);
  if (__tsan_release) __tsan_release(handle);
  ((Original)dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"))(handle);
}
