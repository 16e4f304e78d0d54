/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sends every message back on the flow that it came from, for any number of flows: o7s-echo and "o7s-ping --listen". */

#include "apps/common.h"

/* A message of 1 MiB, the largest there is, is read in one piece where there is room for one byte more. */
#define ECHO_BYTES_MAX (1048576U + 1U)

typedef struct EchoStalled EchoStalled;

typedef struct EchoServer {
        o7s_listener *listener;
        o7s_set *set;           /* owns the flows */
        EchoStalled *stalled;   /* owned; flows whose peer does not take its answers now */
        uint64_t n_accepted;
        uint64_t n_echoed;
        uint64_t n_bytes;
        uint64_t n_dropped;
        uint8_t *message;       /* ECHO_BYTES_MAX */
        bool tell;              /* who comes, a line for each flow */
        bool json;              /* as an object */
} EchoServer;

/* name NULL: every name that is bound to us. flags: as o7s_listen(). */
int echo_server_new(const char *name, uint64_t flags, EchoServer **ret);
EchoServer *echo_server_free(EchoServer *server);

static inline void echo_server_freep(EchoServer **server) {
        *server = echo_server_free(*server);
}

/* Serves until signal_fd is readable. Returns: 0; a negative errno. */
int echo_server_run(EchoServer *server, int signal_fd);

/* "2 flows, 7 messages echoed, 0 dropped", or the same as a line of JSON. */
void echo_server_show(const EchoServer *server, bool json);
