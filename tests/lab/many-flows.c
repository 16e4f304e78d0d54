/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * many-flows NAME COUNT [idle]: opens COUNT flows to a server that echoes, and holds them.
 *
 * First all flows are opened, a bounded number of requests at a time; only when every one of them is there is a
 * message sent on each, its number, and the same has to come back: so all flows are open at once. With "idle"
 * nothing is sent. Then "open COUNT echoed COUNT seconds S" is printed, and the flows stay until SIGTERM.
 *
 * All through <o7s.h>: pending and open flows are waited for in one o7s_set. An event names its flow by the
 * handle; a tree finds the conversation that goes with it.
 */

#include <inttypes.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include <o7s.h>

#include "basic/macro.h"

#define PENDING_MAX 48U                 /* below the quota for pending allocations */
#define TIMEOUT_USEC UINT64_C(20000000) /* for an allocation, and for a silence in which nothing happens */
#define EVENTS 64U

typedef struct Conversation {
        o7s_flow *flow;
        uint32_t number;
        bool open;
        bool echoed;
} Conversation;

typedef struct Crowd {
        o7s_set *set;
        Conversation *conversations;
        void *by_flow;                  /* tree of Conversation; not owned */
        uint32_t n;
        uint32_t n_started;
        uint32_t n_open;
        uint32_t n_echoed;
} Crowd;

static int compare_flows(const void *a, const void *b) {
        uintptr_t x = (uintptr_t) ((const Conversation *) a)->flow, y = (uintptr_t) ((const Conversation *) b)->flow;

        return x < y ? -1 : x > y;
}

static void crowd_done(Crowd *c) {
        for (uint32_t i = 0; i < c->n_started; i++) {
                (void) o7s_set_remove(c->set, c->conversations[i].flow);
                (void) tdelete(&c->conversations[i], &c->by_flow, compare_flows);
                (void) o7s_flow_unref(c->conversations[i].flow);
        }

        (void) o7s_set_unref(c->set);
        free(c->conversations);
}

static int complain(int error, const char *what, uint32_t number) {
        o7s_error last = { .size = sizeof(last) };
        bool ours = o7s_last_error(&last) >= 0 && last.error == error && !isempty(last.text);

        (void) fprintf(stderr, "flow %" PRIu32 ": cannot %s: %s\n", number, what,
                       ours ? last.text : o7s_strerror(error));
        return error;
}

static int crowd_start_one(Crowd *c, const char *name) {
        Conversation *conversation = &c->conversations[c->n_started];
        int r;

        conversation->number = c->n_started;
        r = o7s_flow_alloc_start(name, &O7S_QOS_RAW, O7S_THIN, TIMEOUT_USEC, &conversation->flow);
        if (r < 0)
                return complain(r, "ask", conversation->number);

        c->n_started++;
        if (!tsearch(conversation, &c->by_flow, compare_flows))
                return -ENOMEM;

        r = o7s_set_add(c->set, O7S_KIND_FLOW, conversation->flow);
        return r < 0 ? complain(r, "watch", conversation->number) : 0;
}

static int conversation_finish(Crowd *c, Conversation *conversation) {
        int r;

        r = o7s_flow_alloc_finish(conversation->flow);
        if (r == -EINPROGRESS)
                return 0;
        if (r < 0)
                return complain(r, "open", conversation->number);

        conversation->open = true;
        c->n_open++;
        (void) o7s_flow_set_timeout(conversation->flow, O7S_TIMEOUT_READ, 0);
        return 0;
}

static int conversation_read(Crowd *c, Conversation *conversation) {
        uint32_t message[2], number;    /* longer than the message: its end shows in the same read */
        ssize_t size;

        size = o7s_flow_read(conversation->flow, message, sizeof(message));
        if (size == -EAGAIN)
                return 0;
        if (size < 0)
                return complain((int) size, "read", conversation->number);

        number = size == sizeof(number) ? message[0] : UINT32_MAX;
        if (number != conversation->number || conversation->echoed) {
                (void) fprintf(stderr, "flow %" PRIu32 ": %zd bytes came back, with number %" PRIu32 "\n",
                               conversation->number, size, number);
                return -EBADMSG;
        }

        conversation->echoed = true;
        c->n_echoed++;
        return 0;
}

/* Waits for something to happen and deals with it. */
static int crowd_dispatch(Crowd *c) {
        o7s_event events[EVENTS];
        int n;

        n = o7s_set_wait(c->set, events, EVENTS, TIMEOUT_USEC);
        if (n == -EINTR)
                return 0;
        if (n < 0) {
                (void) fprintf(stderr, "%" PRIu32 " flows started, %" PRIu32 " open, %" PRIu32 " echoed; then: %s\n",
                               c->n_started, c->n_open, c->n_echoed, o7s_strerror(n));
                return n;
        }

        for (int i = 0; i < n; i++) {
                Conversation key = { .flow = events[i].handle }, **found;
                int r;

                found = tfind(&key, &c->by_flow, compare_flows);
                if (!found)
                        return -EBADMSG;

                r = (*found)->open ? conversation_read(c, *found) : conversation_finish(c, *found);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int crowd_open(Crowd *c, const char *name) {
        int r;

        while (c->n_open < c->n) {
                while (c->n_started < c->n && c->n_started - c->n_open < PENDING_MAX) {
                        r = crowd_start_one(c, name);
                        if (r < 0)
                                return r;
                }

                r = crowd_dispatch(c);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int crowd_echo(Crowd *c) {
        for (uint32_t i = 0; i < c->n; i++) {
                Conversation *conversation = &c->conversations[i];
                ssize_t size;
                int r;

                size = o7s_flow_write(conversation->flow, &conversation->number, sizeof(conversation->number));
                if (size < 0)
                        return complain((int) size, "write", i);

                /* Answers are taken along the way: a raw flow drops what finds its queue full. */
                while (i + 1 - c->n_echoed >= PENDING_MAX) {
                        r = crowd_dispatch(c);
                        if (r < 0)
                                return r;
                }
        }

        while (c->n_echoed < c->n) {
                int r = crowd_dispatch(c);

                if (r < 0)
                        return r;
        }

        return 0;
}

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static int run(const char *name, uint32_t n, bool idle) {
        _cleanup_(crowd_done) Crowd c = { .n = n };
        uint64_t begun = now_usec();
        sigset_t signals;
        int r, signal_number;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);

        c.conversations = calloc(n, sizeof(*c.conversations));
        if (!c.conversations)
                return -ENOMEM;

        r = o7s_set_new(&c.set);
        if (r < 0)
                return complain(r, "make a set", 0);

        r = crowd_open(&c, name);
        if (r < 0)
                return r;

        if (!idle) {
                r = crowd_echo(&c);
                if (r < 0)
                        return r;
        }

        (void) printf("open %" PRIu32 " echoed %" PRIu32 " seconds %.2f\n", c.n_open, c.n_echoed,
                      (double) (now_usec() - begun) / 1e6);
        (void) fflush(stdout);
        (void) sigwait(&signals, &signal_number);
        return 0;
}

int main(int argc, char *argv[]) {
        unsigned long n;
        bool idle;

        idle = argc == 4 && streq(argv[3], "idle");
        if (argc < 3 || argc > 4 || (argc == 4 && !idle)) {
                (void) fprintf(stderr, "many-flows NAME COUNT [idle]\n");
                return 2;
        }

        n = strtoul(argv[2], NULL, 10);
        if (n == 0 || n > UINT32_MAX) {
                (void) fprintf(stderr, "COUNT is a number from 1 on\n");
                return 2;
        }

        return run(argv[1], (uint32_t) n, idle) < 0 ? 1 : 0;
}
