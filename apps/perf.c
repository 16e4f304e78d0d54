/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-perf: how much goes through a flow, how fast, and how long a message takes there and back.
 *
 * Both roles run the same loop over an o7s_set: transmit what is due, sleep until something arrives, a queue
 * has room or a time has come, and receive. What a stream does with that is in perf-stream.c.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include "apps/complain.h"
#include "apps/perf-options.h"
#include "apps/perf-show.h"
#include "apps/perf-stream.h"
#include "apps/preset.h"
#include "apps/show.h"
#include "apps/units.h"
#include "apps/wait.h"

#define STREAMS_MAX 128U
#define EVENTS 64U
#define ALLOCATE_USEC (5ULL * USEC_PER_SEC)
#define PROGRESS_NSEC (100ULL * NSEC_PER_MSEC)
#define PROGRESS_SLACK_NSEC (5ULL * NSEC_PER_MSEC)
#define CLOSE_USEC USEC_PER_SEC

typedef struct Perf {
        const PerfOptions *options;     /* not owned */
        o7s_set *set;
        o7s_listener *listener;         /* serving only */
        PerfStream *streams[STREAMS_MAX];
        size_t n_streams;
        PerfInbox inbox;
        PerfView view;
        bool running;                   /* asking side: all streams have begun */
        bool stopped;                   /* asking side: by a signal, the reports are still waited for */
        uint64_t next_progress_nsec;
} Perf;

static void perf_freep(Perf **p) {
        if (!*p)
                return;

        (void) o7s_set_unref((*p)->set);
        (void) o7s_listener_unref((*p)->listener);
        for (size_t i = 0; i < (*p)->n_streams; i++)
                (void) perf_stream_free((*p)->streams[i]);
        perf_inbox_done(&(*p)->inbox);
        free(*p);
        *p = NULL;
}

static int perf_new(const PerfOptions *options, Perf **ret) {
        _cleanup_(perf_freep) Perf *p = NULL;
        int r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        p->options = options;
        r = perf_inbox_init(&p->inbox);
        if (r < 0)
                return r;

        r = o7s_set_new(&p->set);
        if (r < 0)
                return r;

        *ret = p;
        p = NULL;
        return 0;
}

/* Takes over the flow, whatever the result. */
static int perf_add(Perf *p, o7s_flow *flow, const PerfRequest *request, uint64_t test) {
        PerfStream *stream;
        int r;

        r = perf_stream_new(flow, request, test, clock_nsec(), &stream);
        if (r < 0)
                return r;

        r = o7s_set_add(p->set, O7S_KIND_FLOW, flow);
        if (r < 0) {
                (void) perf_stream_free(stream);
                return r;
        }

        p->streams[p->n_streams++] = stream;
        return 0;
}

static void perf_remove(Perf *p, size_t i) {
        if (p->streams[i]->state != PERF_STATE_WAITING && !p->options->quiet)
                perf_show_served(p->streams[i]);

        (void) o7s_set_remove(p->set, p->streams[i]->flow);
        (void) perf_stream_free(p->streams[i]);
        p->streams[i] = p->streams[--p->n_streams];
}

/* Beyond the limit of streams a new flow is closed at once: its peer hears so and does not wait. */
static int perf_accept(Perf *p) {
        for (;;) {
                _cleanup_(flow_closep) o7s_flow *flow = NULL;
                int r;

                r = o7s_flow_accept(p->listener, 0, &flow);
                if (r == -EAGAIN)
                        return 0;
                if (r < 0)
                        return r;
                if (p->n_streams >= STREAMS_MAX)
                        continue;

                r = perf_add(p, flow, NULL, 0);
                flow = NULL;
                if (r < 0)
                        return r;
        }
}

/* Deals with what the set reports. An asking side ends with a stream that fails, a serving one goes on. */
static int perf_dispatch(Perf *p) {
        o7s_event events[EVENTS];
        int n, r;

        n = o7s_set_wait(p->set, events, EVENTS, 0);
        if (n == -EAGAIN || n == -EINTR)
                return 0;
        if (n < 0)
                return n;

        for (int k = 0; k < n; k++) {
                size_t i;

                if (events[k].kind == O7S_KIND_LISTENER) {
                        r = perf_accept(p);
                        if (r < 0)
                                return r;
                        continue;
                }

                for (i = 0; i < p->n_streams && p->streams[i]->flow != events[k].handle; i++)
                        ;
                if (i == p->n_streams)
                        continue;

                if (events[k].events & O7S_WRITABLE)
                        perf_stream_writable(p->streams[i]);

                r = events[k].events & ~O7S_WRITABLE
                            ? perf_stream_receive(p->streams[i], &p->inbox, clock_nsec())
                            : 0;
                if (r >= 0)
                        continue;
                if (!p->options->serve)
                        return r;
                perf_remove(p, i);
        }

        return 0;
}

/* Gives each stream its turn. Returns: > 0: there was something to send, do not sleep; 0; a negative errno. */
static int perf_transmit(Perf *p, uint64_t now, uint64_t *ret_deadline) {
        uint64_t deadline = UINT64_MAX;
        int total = 0;

        for (size_t i = 0; i < p->n_streams; i++) {
                uint64_t next;
                int r;

                r = perf_stream_transmit(p->streams[i], now);
                if (r < 0 && !p->options->serve)
                        return r;
                if (r < 0) {
                        perf_remove(p, i--);
                        continue;
                }

                total += r;
                next = perf_stream_deadline(p->streams[i]);
                deadline = next < deadline ? next : deadline;
        }

        *ret_deadline = deadline;
        return total;
}

/* The asking side's own work in each turn. Returns whether all streams are done. */
static bool perf_watch(Perf *p, uint64_t now, uint64_t *deadline) {
        bool running = true, done = true;
        PerfTotals totals;

        for (size_t i = 0; i < p->n_streams; i++) {
                running = running && p->streams[i]->state != PERF_STATE_ASKING;
                done = done && p->streams[i]->state == PERF_STATE_DONE && p->streams[i]->due == 0;
        }

        if (running && !p->running) {
                p->running = true;
                p->view.begun_nsec = p->view.last_nsec = p->next_progress_nsec = now;
        }
        if (!running || done)
                return done;

        if (now >= p->next_progress_nsec) {
                totals = perf_totals(p->streams, p->n_streams, now);

                if (now - p->view.last_nsec + PROGRESS_SLACK_NSEC >= p->options->interval_usec * NSEC_PER_USEC &&
                    now - p->view.begun_nsec <= p->options->request.duration_usec * NSEC_PER_USEC + PROGRESS_NSEC)
                        perf_show_interval(&p->view, &totals, now);
                perf_show_progress(&p->view, &totals, now);
                p->next_progress_nsec = now + PROGRESS_NSEC;
        }

        *deadline = p->next_progress_nsec < *deadline ? p->next_progress_nsec : *deadline;
        return false;
}

/* A first signal cuts the test short, a second one, or one to a server, ends the loop. Returns whether to go on. */
static bool perf_stop(Perf *p, int signal_fd) {
        struct signalfd_siginfo signal;

        if (p->options->serve || !p->running || p->stopped || read(signal_fd, &signal, sizeof(signal)) < 0)
                return false;

        p->stopped = true;
        for (size_t i = 0; i < p->n_streams; i++)
                perf_stream_stop(p->streams[i], clock_nsec());

        return true;
}

/* Returns: 0: the test is done, or a signal came; a negative errno. */
static int perf_run(Perf *p, int signal_fd) {
        struct pollfd polled[] = {
                { .fd = o7s_set_fd(p->set), .events = POLLIN },
                { .fd = signal_fd, .events = POLLIN },
        };

        if (polled[0].fd < 0)
                return polled[0].fd;

        for (;;) {
                uint64_t now = clock_nsec(), deadline;
                int r, sent;

                sent = perf_transmit(p, now, &deadline);
                if (sent < 0)
                        return sent;
                if (!p->options->serve && perf_watch(p, now, &deadline))
                        return 0;

                r = wait_until(polled, ELEMENTSOF(polled), sent > 0 ? 0 : deadline);
                if (r < 0)
                        return r;
                if (polled[1].revents != 0 && !perf_stop(p, signal_fd))
                        return 0;

                r = perf_dispatch(p);
                if (r < 0)
                        return r;
        }
}

static int serve(Perf *p, int signal_fd) {
        int r;

        r = o7s_listen(p->options->name, 0, &p->listener);
        if (r < 0)
                return complain_error(r, "Cannot serve '%s'", p->options->name);

        r = o7s_set_add(p->set, O7S_KIND_LISTENER, p->listener);
        if (r < 0)
                return complain_error(r, "Cannot wait for flows");

        if (!p->options->quiet)
                show_serving(p->options->name, p->options->json);

        r = perf_run(p, signal_fd);
        return r < 0 ? complain_error(r, "Stopped serving '%s'", p->options->name) : EXIT_FINE;
}

static void show_connection(const Perf *p) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        json_object *line;

        if (o7s_flow_info(p->streams[0]->flow, &info) < 0)
                return;

        if (p->options->json) {
                line = show_event("connected");
                show_flow_json(line, &info);
                show_add(line, "streams", json_object_new_uint64(p->n_streams));
                show_add(line, "size", json_object_new_uint64(p->options->request.size));
                show_line(line);
        } else if (!p->options->quiet) {
                show_flow(p->options->name, &info);
                (void) printf("; %zu flow%s, messages of %u B\n", p->n_streams, p->n_streams == 1 ? "" : "s",
                              p->options->request.size);
                (void) fflush(stdout);
        }
}

/* Opens all flows. Returns: 0; the exit status, complained about. */
static int open_streams(Perf *p) {
        const PerfOptions *o = p->options;
        uint64_t flags = (o->request.mode & PERF_LATENCY ? 0 : O7S_BULK) |
                         (o->request.mode & PERF_STREAM ? O7S_STREAM : 0);
        uint64_t test;

        if (getrandom(&test, sizeof(test), 0) < 0)
                return complain_error(-errno, "Cannot draw a test number");

        for (unsigned i = 0; i < o->parallel; i++) {
                struct o7s_flow_info info = { .size = sizeof(info) };
                o7s_flow *flow;
                int r;

                r = o7s_flow_alloc(o->name, &o->qos, flags, ALLOCATE_USEC, &flow);
                if (r < 0)
                        return complain_error(r, "Cannot reach '%s'", o->name);

                if (o7s_flow_info(flow, &info) >= 0 && info.mtu < o->request.size && !(flags & O7S_STREAM)) {
                        (void) fprintf(stderr,
                                       "Cannot measure '%s': a message of %u bytes does not fit, its flow takes %u "
                                       "at most.\n  See --size=.\n",
                                       o->name, o->request.size, info.mtu);
                        (void) o7s_flow_unref(flow);
                        return EXIT_FAILED;
                }

                r = perf_add(p, flow, &o->request, test + i);
                if (r < 0)
                        return complain_error(r, "Cannot use the flow to '%s'", o->name);
        }

        return 0;
}

/* Everything has been said; the last of it may still be under way. */
static void close_streams(Perf *p) {
        for (size_t i = 0; i < p->n_streams; i++)
                (void) o7s_flow_close(p->streams[i]->flow, CLOSE_USEC);
}

/* Returns the exit status. */
static int judge(Perf *p, int error) {
        double loss_percent = 0, max_percent = p->options->max_loss_percent;

        if (!perf_show_summary(&p->view, p->streams, p->n_streams, clock_nsec(), &loss_percent))
                return error < 0 ? exit_status_of(error) : p->stopped ? EXIT_FINE : EXIT_TIMEOUT;

        close_streams(p);
        if (max_percent < 0)
                max_percent = preset_is_reliable(&p->options->qos) ? 0 : 100;
        return loss_percent > max_percent ? EXIT_LOSS : EXIT_FINE;
}

static int measure(Perf *p, int signal_fd) {
        int r;

        r = open_streams(p);
        if (r > 0)
                return r;

        p->view.request = p->options->request;
        p->view.n_streams = p->n_streams;
        p->view.json = p->options->json;
        p->view.quiet = p->options->quiet;
        p->view.bar = isatty(STDOUT_FILENO);
        show_connection(p);

        r = perf_run(p, signal_fd);
        if (r == -ETIMEDOUT && !p->running) {
                (void) fprintf(stderr, "Cannot measure '%s': its other side does not answer as o7s-perf does.\n"
                                       "  There, run: o7s-perf --serve %s\n", p->options->name, p->options->name);
                return EXIT_TIMEOUT;
        }
        if (r < 0 && r != -ETIMEDOUT)
                (void) complain_error(r, "Lost the flow to '%s'", p->options->name);

        if (!p->running)
                return r < 0 ? exit_status_of(r) : EXIT_FAILED;
        return judge(p, r);
}

int main(int argc, char *argv[]) {
        PerfOptions options = PERF_OPTIONS_INIT;
        _cleanup_(perf_freep) Perf *p = NULL;
        _cleanup_(fd_closep) int signal_fd = -1;
        int r;

        r = perf_options_parse(&options, argc, argv);
        if (r <= 0)
                return -r;

        r = perf_new(&options, &p);
        if (r < 0)
                return complain_error(r, "Cannot start");

        signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");

        return options.serve ? serve(p, signal_fd) : measure(p, signal_fd);
}
