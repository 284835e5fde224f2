// SPDX-License-Identifier: Apache-2.0

// twins listen PORT | syns COUNT INTERFACE | stamps INTERFACE SECONDS
// twins flood link|ip|xdp THREADS COUNT RATE INTERFACE MAC SOURCE
//   connect|handed|raw CONCURRENCY CHECKS SECONDS PORT [TARGET SOURCE INTERFACE FIRST-PORT]: loopback without the last

#define _GNU_SOURCE
#include "twins.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

noreturn void die(const char *what) {
  perror(what);
  exit(1);
}

/// A listener that never accepts; the namespace's loopback is brought up for it. Ends with its parent.
static void listen_for_ever(uint16_t port) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct ifreq link = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  if (ioctl(fd, SIOCSIFFLAGS, &link) != 0) die("loopback up");
  struct sockaddr_in own = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0) die("bind");
  if (listen(fd, 65535) != 0) die("listen");
  puts("listening");
  fflush(stdout);
  for (;;) pause();
}

int main(int count, char **words) {
  if (count == 3 && strcmp(words[1], "listen") == 0) listen_for_ever((uint16_t)atoi(words[2]));
  if (count == 4 && strcmp(words[1], "syns") == 0) {
    run_syns(strtoull(words[2], NULL, 10), words[3]);
    return 0;
  }
  if (count == 4 && strcmp(words[1], "stamps") == 0) {
    run_stamps(words[2], atof(words[3]));
    return 0;
  }
  if (count == 9 && strcmp(words[1], "flood") == 0) {
    struct flood flood = {.path = words[2],
                          .threads = atoi(words[3]),
                          .count = strtoull(words[4], NULL, 10),
                          .rate = atof(words[5]),
                          .interface = words[6],
                          .gateway = words[7],
                          .source = words[8]};
    run_flood(&flood);
    return 0;
  }
  if (count != 6 && count != 10) {
    fprintf(stderr, "twins: wrong words; they stand at the top of main.c\n");
    return 64;
  }
  struct run run = {.concurrency = atoi(words[2]),
                    .checks = strtoull(words[3], NULL, 10),
                    .seconds = atof(words[4]),
                    .port = (uint16_t)atoi(words[5]),
                    .target = inet_addr(count > 6 ? words[6] : "127.0.0.1"),
                    .source = inet_addr(count > 6 ? words[7] : "127.0.0.1"),
                    .interface = count > 6 ? words[8] : "lo",
                    .first_port = (uint16_t)(count > 6 ? atoi(words[9]) : 61000)};
  if (strcmp(words[1], "connect") == 0) run_connect(&run);
  if (strcmp(words[1], "handed") == 0) run_handed(&run);
  if (strcmp(words[1], "raw") == 0) run_raw(&run);
  return 0;
}
