/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * watch-flow NAME [INTERVAL-MS]: opens a flow to a server that echoes, and sends a numbered message every interval.
 * watch-flow serve NAME: serves a name, accepts one flow and echoes.
 *
 * Both say on standard output, a line each and at once, what a test wants to know to the microsecond of
 * CLOCK_MONOTONIC, which all nodes of a lab share:
 *
 *   serving                                    the name is served
 *   up USEC                                    the flow is there
 *   down USEC gone|closed sent N received N longest-gap-usec N third-gap-usec N
 *                                              it has ended, without or with a word of the other side
 *   end USEC sent N received N longest-gap-usec N third-gap-usec N     SIGTERM came
 *
 * After SIGTERM nothing more is sent, and answers that are still under way are waited for, for up to a second: so that
 * fewer received than sent means that some were lost. The longest gap is the longest time between two messages
 * received; the third is the third longest, for who causes many and grants the host two of its own. Where a host stops,
 * as shared ones do, the watch is stopped with it: who asks every few milliseconds knows how late he is woken, and
 * what that took is nobody's gap.
 */

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>

#include <o7s.h>

#include "basic/macro.h"

#define ALLOC_TIMEOUT_USEC UINT64_C(10000000)
#define INTERVAL_MS_DEFAULT 20U
#define DRAIN_USEC UINT64_C(1000000)    /* for answers under way, once told to end */
#define STOPPED_USEC UINT64_C(20000)    /* no scheduler takes so long to wake who sleeps, unless the host stands still */

typedef struct Watch {
        o7s_flow *flow;
        int signal_fd;
        bool echo;                      /* answer instead of asking */
        bool ending;                    /* SIGTERM came */
        uint64_t ended_usec, drained_usec;
        uint64_t interval_usec;
        uint64_t next_usec;
        uint64_t sent, received;
        uint64_t last_received_usec;
        uint64_t awake_usec;            /* until then all is well: we run, or sleep because we want to */
        uint64_t stopped_usec;          /* since the last one received: beyond that */
        uint64_t gaps_usec[3];          /* the longest ones, longest first */
} Watch;

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void watch_done(Watch *w) {
        (void) o7s_flow_unref(w->flow);
        (void) safe_close(w->signal_fd);
}

static int complain(int error, const char *what) {
        o7s_error last = { .size = sizeof(last) };
        bool ours = o7s_last_error(&last) >= 0 && last.error == error && !isempty(last.text);

        (void) fprintf(stderr, "cannot %s: %s\n", what, ours ? last.text : o7s_strerror(error));
        return error;
}

static void say_totals(const Watch *w) {
        (void) printf(" sent %" PRIu64 " received %" PRIu64 " longest-gap-usec %" PRIu64 " third-gap-usec %" PRIu64 "\n",
                      w->sent, w->received, w->gaps_usec[0], w->gaps_usec[2]);
        (void) fflush(stdout);
}

static int watch_send(Watch *w) {
        ssize_t size;

        size = o7s_flow_write(w->flow, &w->sent, sizeof(w->sent));
        if (size < 0)
                return (int) size;

        w->sent++;
        return 0;
}

/* Looks whether we were stopped since we last looked. */
static void watch_wake(Watch *w, uint64_t now) {
        if (now > w->awake_usec + STOPPED_USEC) {
                w->stopped_usec += now - w->awake_usec;
                w->drained_usec += now - w->awake_usec;         /* so were those who answer */
        }
        w->awake_usec = now;
}

static void watch_add_gap(Watch *w, uint64_t gap) {
        for (size_t i = 0; i < ELEMENTSOF(w->gaps_usec); i++) {
                uint64_t shorter = MIN(gap, w->gaps_usec[i]);

                w->gaps_usec[i] = MAX(gap, w->gaps_usec[i]);
                gap = shorter;
        }
}

/* Takes all messages that wait; answers them where we are the server. */
static int watch_receive(Watch *w) {
        for (;;) {
                uint8_t message[2048];
                uint64_t now;
                ssize_t size;

                size = o7s_flow_read(w->flow, message, sizeof(message));
                if (size == -EAGAIN)
                        return 0;
                if (size < 0)
                        return (int) size;

                now = now_usec();
                watch_wake(w, now);
                watch_add_gap(w, now - w->last_received_usec - MIN(w->stopped_usec, now - w->last_received_usec));
                w->last_received_usec = now;
                w->stopped_usec = 0;
                w->received++;
                if (w->echo && o7s_flow_write(w->flow, message, (size_t) size) > 0)
                        w->sent++;
        }
}

/* How long to wait for something to happen, in milliseconds; -1: for ever. Asks where it is time to. */
static int watch_turn(Watch *w, uint64_t now) {
        uint64_t next = w->drained_usec;

        if (w->echo)
                return -1;

        if (!w->ending) {
                if (now >= w->next_usec) {
                        (void) watch_send(w);   /* a flow that ended shows in its events */
                        w->next_usec = now + w->interval_usec;
                }
                next = w->next_usec;
        }

        return now < next ? (int) ((next - now + 999) / 1000) : 0;
}

static bool watch_is_over(const Watch *w, uint64_t now) {
        return w->ending && (w->echo || w->received >= w->sent || now >= w->drained_usec);
}

/* Until the flow ends or a signal comes. Returns: 0; a negative errno where waiting itself fails. */
static int watch_run(Watch *w) {
        struct pollfd polled[] = {
                { .fd = o7s_flow_fd(w->flow), .events = POLLIN },
                { .fd = w->signal_fd, .events = POLLIN },
        };

        if (polled[0].fd < 0)
                return complain(polled[0].fd, "wait for the flow");

        w->last_received_usec = w->next_usec = w->awake_usec = now_usec();
        for (;;) {
                int events, patience_ms;

                watch_wake(w, now_usec());
                patience_ms = watch_turn(w, w->awake_usec);
                if (poll(polled, w->ending ? 1 : ELEMENTSOF(polled), patience_ms) < 0 && errno != EINTR)
                        return -errno;

                w->awake_usec = patience_ms < 0 ? now_usec() : w->awake_usec + (uint64_t) patience_ms * 1000;
                watch_wake(w, now_usec());

                if (polled[1].revents != 0 && !w->ending) {
                        w->ending = true;
                        w->ended_usec = now_usec();
                        w->drained_usec = w->ended_usec + DRAIN_USEC;
                }

                events = o7s_flow_events(w->flow);
                if (events < 0)
                        return complain(events, "ask for events");

                if (events & O7S_READABLE)
                        (void) watch_receive(w);
                if (events & O7S_DOWN) {
                        (void) printf("down %" PRIu64 " %s", now_usec(), events & O7S_PEER_GONE ? "gone" : "closed");
                        say_totals(w);
                        return 0;
                }
                if (watch_is_over(w, now_usec())) {
                        (void) printf("end %" PRIu64, w->ended_usec);
                        say_totals(w);
                        return 0;
                }
        }
}

static int watch_listen(Watch *w, const char *name) {
        o7s_listener *listener;
        int r;

        r = o7s_listen(name, 0, &listener);
        if (r < 0)
                return complain(r, "listen");

        (void) printf("serving\n");
        (void) fflush(stdout);
        r = o7s_flow_accept(listener, O7S_FOREVER, &w->flow);
        (void) o7s_listener_unref(listener);
        return r < 0 ? complain(r, "accept") : 0;
}

static int run(const char *name, bool serve, uint64_t interval_usec) {
        _cleanup_(watch_done) Watch w = { .echo = serve, .interval_usec = interval_usec, .signal_fd = -1 };
        sigset_t signals;
        int r;

        if (serve)
                r = watch_listen(&w, name);
        else {
                r = o7s_flow_alloc(name, &O7S_QOS_RAW, 0, ALLOC_TIMEOUT_USEC, &w.flow);
                if (r < 0)
                        (void) complain(r, "open the flow");
        }
        if (r < 0)
                return r;

        (void) printf("up %" PRIu64 "\n", now_usec());
        (void) fflush(stdout);

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);
        w.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
        if (w.signal_fd < 0)
                return -errno;

        (void) o7s_flow_set_timeout(w.flow, O7S_TIMEOUT_READ, 0);
        (void) o7s_flow_set_timeout(w.flow, O7S_TIMEOUT_WRITE, 0);
        return watch_run(&w);
}

int main(int argc, char *argv[]) {
        bool serve = argc == 3 && streq(argv[1], "serve");
        unsigned long interval_ms = INTERVAL_MS_DEFAULT;

        if (argc < 2 || argc > 3) {
                (void) fprintf(stderr, "watch-flow NAME [INTERVAL-MS]\nwatch-flow serve NAME\n");
                return 2;
        }

        if (argc == 3 && !serve)
                interval_ms = strtoul(argv[2], NULL, 10);
        if (interval_ms == 0 || interval_ms > 3600000) {
                (void) fprintf(stderr, "INTERVAL-MS is a number from 1 on\n");
                return 2;
        }

        return run(serve ? argv[2] : argv[1], serve, interval_ms * 1000) < 0 ? 1 : 0;
}
