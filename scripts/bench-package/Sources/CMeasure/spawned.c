// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "spawned.h"

#include "measure.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

pid_t spawned_start(char *const words[], int *output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t pid;
  int failed = posix_spawn(&pid, words[0], &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (failed) {
    close(ends[0]);
    return -1;
  }
  *output = ends[0];
  return pid;
}

int spawned_finish(pid_t pid, int output, char *text, size_t size, int seconds) {
  uint64_t end = meter_now() + (uint64_t)seconds * 1000000000;
  size_t length = 0;
  while (length + 1 < size) {
    struct pollfd wait = {.fd = output, .events = POLLIN};
    uint64_t now = meter_now();
    if (now >= end || poll(&wait, 1, (int)((end - now) / 1000000) + 1) <= 0) {
      kill(pid, SIGKILL);
      break;
    }
    ssize_t count = read(output, text + length, size - length - 1);
    if (count <= 0) break;
    length += (size_t)count;
  }
  text[length] = 0;
  close(output);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void spawned_end(pid_t pid, int output) {
  kill(pid, SIGTERM);
  waitpid(pid, NULL, 0);
  close(output);
}
