// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "spawned.h"

#include "measure.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

static volatile pid_t measured;

static void end_it_too(int signal) {
  if (measured > 0) kill(measured, SIGKILL);
  _exit(128 + signal);
}

pid_t spawned_measured(char *const words[], const char *output, const char *errors) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t pid;
  int failed = posix_spawn(&pid, words[0], &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return -1;
  measured = pid;
  signal(SIGINT, end_it_too);
  signal(SIGTERM, end_it_too);
  return pid;
}

/// Whether it ended within `seconds`.
static int ends_within(int pidfd, double seconds) {
  struct pollfd wait = {.fd = pidfd, .events = POLLIN};
  return poll(&wait, 1, (int)(seconds * 1000)) > 0;
}

void spawned_await(pid_t pid, double seconds, struct spent *spent) {
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  *spent = (struct spent){.status = -1};
  if (!ends_within(pidfd, seconds)) {
    spent->was_ended = 1;
    kill(pid, SIGINT);
    if (!ends_within(pidfd, 15)) kill(pid, SIGKILL);
  }
  spent->ended = meter_now();
  struct rusage usage;
  int status = 0;
  if (wait4(pid, &status, 0, &usage) == pid) {
    spent->user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    spent->system = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    if (WIFEXITED(status)) spent->status = WEXITSTATUS(status);
  }
  measured = 0;
  close(pidfd);
}
