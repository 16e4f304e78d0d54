/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The echo server. One thread, any number of flows. An o7s_set watches the listener and all flows; its descriptor is
 * polled together with a signalfd, which is also how a set fits into any other event loop. The set owns the flows: a
 * flow that ended is removed from it, and that was its last reference.
 *
 * Messages are answered in bounded bursts, so that one busy client cannot keep the others waiting. Where a client does
 * not take its answers its queue fills up. On a flow that may lose messages the answer is dropped and counted. On a
 * reliable flow nothing may be lost: the answer is kept, and the flow leaves the set until the answer could be
 * written, so that its own sending is held up in turn, and nobody else's.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/echo-server.h"
#include "apps/preset.h"
#include "apps/show.h"
#include "apps/units.h"
#include "apps/wait.h"

#define BURST 64U               /* messages of one flow before the next flow has its turn */
#define EVENTS 64U
#define RETRY_NSEC (5ULL * NSEC_PER_MSEC)       /* for answers that are kept */

struct EchoStalled {
        EchoStalled *next;
        o7s_flow *flow;         /* owned */
        size_t size;
        uint8_t answer[];
};

static EchoStalled *stalled_free(EchoStalled *stalled) {
        if (!stalled)
                return NULL;

        (void) o7s_flow_unref(stalled->flow);
        free(stalled);
        return NULL;
}

EchoServer *echo_server_free(EchoServer *s) {
        if (!s)
                return NULL;

        while (s->stalled) {
                EchoStalled *first = s->stalled;

                s->stalled = first->next;
                (void) stalled_free(first);
        }
        (void) o7s_set_unref(s->set);
        (void) o7s_listener_unref(s->listener);
        free(s->message);
        free(s);
        return NULL;
}

int echo_server_new(const char *name, uint64_t flags, EchoServer **ret) {
        _cleanup_(echo_server_freep) EchoServer *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        s->message = malloc(ECHO_BYTES_MAX);
        if (!s->message)
                return -ENOMEM;

        r = o7s_listen(name, flags, &s->listener);
        if (r < 0)
                return r;

        r = o7s_set_new(&s->set);
        if (r < 0)
                return r;

        r = o7s_set_add(s->set, O7S_KIND_LISTENER, s->listener);
        if (r < 0)
                return r;

        *ret = s;
        s = NULL;
        return 0;
}

static bool is_reliable(o7s_flow *flow) {
        struct o7s_flow_info info = { .size = sizeof(info) };

        return o7s_flow_info(flow, &info) >= 0 && preset_is_reliable(&info.qos_granted);
}

/* Keeps what could not be written, and takes the flow out of the set. Returns: 0; -ENOMEM. */
static int server_stall(EchoServer *s, o7s_flow *flow, const uint8_t *answer, size_t size) {
        EchoStalled *stalled;

        stalled = malloc(sizeof(*stalled) + size);
        if (!stalled)
                return -ENOMEM;

        stalled->next = s->stalled;
        stalled->flow = o7s_flow_ref(flow);
        stalled->size = size;
        (void) memcpy(stalled->answer, answer, size);
        s->stalled = stalled;

        (void) o7s_set_remove(s->set, flow);
        return 0;
}

/* One answer. Returns: > 0: written, or dropped; 0: the flow is stalled; a negative errno: of no more use. */
static int server_answer(EchoServer *s, o7s_flow *flow, size_t size) {
        ssize_t written;

        written = o7s_flow_write(flow, s->message, size);
        if (written < 0 && written != -EAGAIN)
                return (int) written;

        if (written == (ssize_t) size) {
                s->n_echoed++;
                s->n_bytes += size;
                return 1;
        }

        /* A byte stream may have taken a part. */
        if (written > 0 || is_reliable(flow)) {
                size_t done = written > 0 ? (size_t) written : 0;

                s->n_bytes += done;
                return server_stall(s, flow, s->message + done, size - done);
        }

        s->n_dropped++;
        return 1;
}

/* Sends back what is there, up to a burst. Returns: 0; why the flow is of no more use. */
static int server_echo(EchoServer *s, o7s_flow *flow) {
        for (unsigned i = 0; i < BURST; i++) {
                ssize_t size;
                int r;

                size = o7s_flow_read(flow, s->message, ECHO_BYTES_MAX);
                if (size == -EAGAIN)
                        return 0;
                if (size < 0)
                        return (int) size;
                if (size == 0)                  /* the end of a message that filled the whole buffer */
                        continue;

                r = server_answer(s, flow, (size_t) size);
                if (r <= 0)
                        return r;
        }

        return 0;
}

/* Tries what was kept once more; who has taken it goes back into the set. Returns: 0; a negative errno. */
static int server_retry(EchoServer *s) {
        for (EchoStalled **link = &s->stalled; *link;) {
                EchoStalled *stalled = *link;
                ssize_t written;
                int r;

                written = o7s_flow_write(stalled->flow, stalled->answer, stalled->size);
                if (written > 0) {
                        s->n_bytes += (uint64_t) written;
                        stalled->size -= (size_t) written;
                        (void) memmove(stalled->answer, stalled->answer + written, stalled->size);
                }
                if (written == -EAGAIN || (written > 0 && stalled->size > 0)) {
                        link = &stalled->next;
                        continue;
                }

                *link = stalled->next;
                r = 0;
                if (written > 0) {
                        s->n_echoed++;
                        r = o7s_set_add(s->set, O7S_KIND_FLOW, stalled->flow);
                }
                (void) stalled_free(stalled);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Who came, and who else can read what he says: "flow 17 to echo.example via lan, o7s:name:alice (authenticated),
 * ...". */
static void server_tell(const EchoServer *s, o7s_flow *flow) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        char text[FLOW_CHARS_MAX];

        if (!s->tell || o7s_flow_info(flow, &info) < 0)
                return;

        if (s->json) {
                json_object *line = show_event("flow");

                show_flow_json(line, &info);
                show_line(line);
                return;
        }

        flow_format(text, sizeof(text), &info);
        (void) printf("flow %llu to %s %s\n", (unsigned long long) info.flow_id, info.name, text);
        (void) fflush(stdout);
}

/* Takes the flows that wait, as many as there are. Returns: 0; why no more can be accepted. */
static int server_accept(EchoServer *s) {
        for (;;) {
                _cleanup_(flow_closep) o7s_flow *flow = NULL;
                int r;

                r = o7s_flow_accept(s->listener, 0, &flow);
                if (r == -EAGAIN)
                        return 0;
                if (r < 0)
                        return r;

                (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 0);
                (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_WRITE, 0);

                r = o7s_set_add(s->set, O7S_KIND_FLOW, flow);
                if (r < 0)
                        return r;

                s->n_accepted++;
                server_tell(s, flow);
        }
}

/* Deals with all that the set reports now. */
static int server_dispatch(EchoServer *s) {
        o7s_event events[EVENTS];
        int n, r;

        n = o7s_set_wait(s->set, events, ELEMENTSOF(events), 0);
        if (n == -EAGAIN || n == -EINTR)
                return 0;
        if (n < 0)
                return n;

        for (int i = 0; i < n; i++) {
                if (events[i].kind == O7S_KIND_LISTENER) {
                        r = server_accept(s);
                        if (r < 0)
                                return r;
                        continue;
                }

                /* Answer first: what arrived before the flow went down can still be read. */
                r = server_echo(s, events[i].handle);
                if (r < 0)
                        (void) o7s_set_remove(s->set, events[i].handle);
        }

        return 0;
}

int echo_server_run(EchoServer *s, int signal_fd) {
        struct pollfd polled[] = {
                { .fd = o7s_set_fd(s->set), .events = POLLIN },
                { .fd = signal_fd, .events = POLLIN },
        };

        if (polled[0].fd < 0)
                return polled[0].fd;

        for (;;) {
                int r;

                r = wait_until(polled, ELEMENTSOF(polled), s->stalled ? clock_nsec() + RETRY_NSEC : WAIT_FOREVER);
                if (r < 0)
                        return r;
                if (polled[1].revents != 0)
                        return 0;

                r = server_retry(s);
                if (r < 0)
                        return r;

                r = server_dispatch(s);
                if (r < 0)
                        return r;
        }
}

void echo_server_show(const EchoServer *s, bool json) {
        if (json) {
                json_object *line = show_event("summary");

                show_add(line, "flows", json_object_new_uint64(s->n_accepted));
                show_add(line, "echoed", json_object_new_uint64(s->n_echoed));
                show_add(line, "bytes", json_object_new_uint64(s->n_bytes));
                show_add(line, "dropped", json_object_new_uint64(s->n_dropped));
                show_line(line);
                return;
        }

        (void) printf("%llu flows, %llu messages echoed, %llu dropped\n", (unsigned long long) s->n_accepted,
                      (unsigned long long) s->n_echoed, (unsigned long long) s->n_dropped);
}
