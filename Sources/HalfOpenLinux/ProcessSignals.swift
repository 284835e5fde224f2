// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The signals that end a program, taken by a thread that waits for them instead of a handler.
package enum ProcessSignals {
  /// What a terminal or a supervisor sends to end a program.
  package static let ending: [CInt] = [SIGINT, SIGTERM, SIGHUP]
  /// What asks a running program for more of something, and for less.
  package static let more: CInt = SIGUSR1
  package static let less: CInt = SIGUSR2

  /// Keeps all of these from every thread that is started from here on, and makes writing to a closed pipe an error (EPIPE).
  /// Before the first thread starts.
  ///
  /// The corresponding C functions are `pthread_sigmask` and `signal`.
  package static func takeOver() {
    var set = awaitedSet()
    // SAFETY: the set outlives the call; no old set is asked for.
    _ = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    _ = signal(SIGPIPE, SIG_IGN)
  }

  /// Waits for one of them. Blocks.
  ///
  /// The corresponding C function is `sigwait`.
  package static func wait() -> CInt {
    var set = awaitedSet()
    var number: CInt = 0
    // SAFETY: both outlive the call.
    while unsafe sigwait(&set, &number) != 0 {}
    return number
  }

  private static func awaitedSet() -> sigset_t {
    var set = sigset_t()
    // SAFETY: both functions only write the set they are given.
    _ = unsafe sigemptyset(&set)
    for number in ending + [more, less] { _ = unsafe sigaddset(&set, number) }
    return set
  }
}
