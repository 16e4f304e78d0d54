/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tools share. They are the examples of <o7s.h>, so they use it and nothing else of this
 * project: each of them can be copied out of the tree and built with
 *
 *   cc -D_GNU_SOURCE -I. echo.c echo-server.c complain.c wait.c units.c $(pkg-config --cflags --libs libo7s) -lm
 *
 * In which order to read them:
 *
 *   echo.c          a server: its command line; what it does is in echo-server.c: listen, wait on many flows with a set
 *   ping.c          a client in an event loop of its own: poll() on the flow's descriptor and on a signalfd
 *   ping-*.c        its command line, its messages and what became of them, what it prints
 *   nc.c            any program's standard input and output over a flow; nc-relay.c carries the bytes
 *   cbr.c           a constant rate over flows; cbr-client.c sends, cbr-server.c counts, cbr-meter.c judges
 *   perf.c          the two roles of o7s-perf and the loop that both run
 *   perf-stream.c   one flow under test: the test's course, from the request to the reports
 *   perf-sending.c  its sending half; perf-receiving.c its receiving half; perf-frame.c finds messages in a byte stream
 *   perf-*.c        its command line, its messages byte by byte, what it shows
 *   argument.c      values of options that several of them have
 *   message.c       what their messages have alike
 *   preset.c        qualities of service by name
 *   complain.c      errors as a sentence, and the exit status that goes with them
 *   wait.c          sleeping until a descriptor or a time
 *   show.c          what is known of a flow, percentiles, JSON lines
 *   units.c         durations, sizes and rates, read and written
 *   histogram.c     percentiles in constant memory
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <o7s.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

/* Exit statuses, the same for all tools. */
enum {
        EXIT_FINE = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_UNREACHABLE = 3,
        EXIT_DENIED = 4,
        EXIT_TIMEOUT = 5,
        EXIT_LOSS = 6,
        EXIT_NOT_RUNNING = 69,
        EXIT_CONFIG = 78,
};

static inline void flow_closep(o7s_flow **flow) {
        *flow = o7s_flow_unref(*flow);
}

static inline void fd_closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
        *fd = -1;
}
