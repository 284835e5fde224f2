// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Runs the jobs of a task on one thread made for it, where they may block, or change what belongs to a thread: its
/// network namespace, its capabilities.
///
/// A task that prefers this executor keeps its task-local values, and with them its place in a test.
package final class ThreadExecutor: TaskExecutor {
  private struct State {
    var jobs: [UnownedJob] = []
    var isClosed = false
  }
  private let state = Mutex(State())
  private let work = Semaphore()

  package init(name: String) throws(SystemCallError) {
    _ = try DedicatedThread(name: name) { [self] in run() }
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    state.withLock { $0.jobs.append(job) }
    work.signal()
  }

  /// Ends the thread once nothing is left to run. No task may prefer this executor from here on.
  package func close() {
    state.withLock { $0.isClosed = true }
    work.signal()
  }

  private func run() {
    while true {
      work.wait()
      let (jobs, isLast) = state.withLock { state in
        defer { state.jobs.removeAll() }
        return (state.jobs, state.isClosed)
      }
      // SAFETY: each job came by `enqueue` and runs once.
      for job in jobs { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
      if isLast { return }
    }
  }
}
