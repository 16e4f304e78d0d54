/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-perf: how much goes through a flow, how fast, and how long a message takes there and back.
 *
 * Both roles run the same loop over an o7s_set: transmit what is due, sleep until something arrives, a queue
 * has room or a time has come, and receive. What a stream does with that is in perf-stream.c.
 */

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "apps/complain.h"
#include "apps/perf-show.h"
#include "apps/perf-stream.h"
#include "apps/show.h"
#include "apps/units.h"

#define STREAMS_MAX 128U
#define PARALLEL_MAX 64U
#define EVENTS 64U
#define ALLOCATE_USEC (5ULL * USEC_PER_SEC)
#define PROGRESS_NSEC (200ULL * NSEC_PER_MSEC)
#define MESSAGE_BYTES_DEFAULT 1400U
#define PROBE_BYTES_DEFAULT 64U

typedef struct Perf {
        o7s_set *set;
        o7s_listener *listener;         /* serving only */
        PerfStream *streams[STREAMS_MAX];
        size_t n_streams;
        PerfInbox inbox;
        PerfView view;
        bool running;                   /* asking side: all streams have begun */
        uint64_t next_progress_nsec;
} Perf;

static const char *arg_name = NULL;
static bool arg_serve = false;
static bool arg_json = false;
static bool arg_quiet = false;
static unsigned arg_parallel = 1;
static PerfRequest arg_request = { .mode = PERF_FORWARD, .duration_usec = 10 * USEC_PER_SEC };

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

static int perf_new(Perf **ret) {
        _cleanup_(perf_freep) Perf *p = NULL;
        int r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;

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
        if (p->streams[i]->state != PERF_STATE_WAITING && !arg_quiet)
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

                r = events[k].events & ~O7S_WRITABLE ? perf_stream_receive(p->streams[i], &p->inbox, clock_nsec()) : 0;
                if (r >= 0)
                        continue;
                if (!arg_serve)
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
                if (r < 0 && !arg_serve)
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
                done = done && p->streams[i]->state == PERF_STATE_DONE;
        }

        if (running && !p->running) {
                p->running = true;
                p->view.begun_nsec = p->view.last_nsec = p->next_progress_nsec = now;
        }
        if (!running || done)
                return done;

        if (now >= p->next_progress_nsec) {
                totals = perf_totals(p->streams, p->n_streams, now);

                if (now - p->view.last_nsec >= NSEC_PER_SEC &&
                    now - p->view.begun_nsec <= arg_request.duration_usec * NSEC_PER_USEC + PROGRESS_NSEC)
                        perf_show_interval(&p->view, &totals, now);
                perf_show_progress(&p->view, &totals, now);
                p->next_progress_nsec = now + PROGRESS_NSEC;
        }

        *deadline = p->next_progress_nsec < *deadline ? p->next_progress_nsec : *deadline;
        return false;
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
                uint64_t now = clock_nsec(), deadline, left;
                struct timespec wait = {};
                int r, sent;

                sent = perf_transmit(p, now, &deadline);
                if (sent < 0)
                        return sent;
                if (!arg_serve && perf_watch(p, now, &deadline))
                        return 0;

                now = clock_nsec();
                left = sent > 0 || deadline <= now ? 0 : deadline - now;
                wait.tv_sec = (time_t) (left / NSEC_PER_SEC);
                wait.tv_nsec = (long) (left % NSEC_PER_SEC);

                if (ppoll(polled, ELEMENTSOF(polled), deadline == UINT64_MAX && sent == 0 ? NULL : &wait, NULL) < 0 &&
                    errno != EINTR)
                        return -errno;
                if (polled[1].revents != 0)
                        return 0;

                r = perf_dispatch(p);
                if (r < 0)
                        return r;
        }
}

static int serve(Perf *p, int signal_fd) {
        int r;

        r = o7s_listen(arg_name, 0, &p->listener);
        if (r < 0)
                return complain_error(r, "Cannot serve '%s'", arg_name);

        r = o7s_set_add(p->set, O7S_KIND_LISTENER, p->listener);
        if (r < 0)
                return complain_error(r, "Cannot wait for flows");

        if (!arg_quiet)
                (void) printf("serving %s\n", arg_name);
        (void) fflush(stdout);

        r = perf_run(p, signal_fd);
        return r < 0 ? complain_error(r, "Stopped serving '%s'", arg_name) : EXIT_FINE;
}

static void show_connection(const Perf *p) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        json_object *line;

        if (o7s_flow_info(p->streams[0]->flow, &info) < 0)
                return;

        if (arg_json) {
                line = show_event("connected");
                show_flow_json(line, &info);
                show_add(line, "streams", json_object_new_uint64(p->n_streams));
                show_add(line, "size", json_object_new_uint64(arg_request.size));
                show_line(line);
        } else if (!arg_quiet) {
                show_flow(arg_name, &info);
                (void) printf("; %zu flow%s, messages of %u B\n", p->n_streams, p->n_streams == 1 ? "" : "s",
                              arg_request.size);
                (void) fflush(stdout);
        }
}

static int measure(Perf *p, int signal_fd) {
        uint64_t test;
        int r;

        if (getrandom(&test, sizeof(test), 0) < 0)
                return complain_error(-errno, "Cannot draw a test number");

        for (unsigned i = 0; i < arg_parallel; i++) {
                o7s_flow *flow;

                r = o7s_flow_alloc(arg_name, NULL, arg_request.mode == PERF_LATENCY ? 0 : O7S_BULK, ALLOCATE_USEC, &flow);
                if (r < 0)
                        return complain_error(r, "Cannot reach '%s'", arg_name);

                r = perf_add(p, flow, &arg_request, test + i);
                if (r < 0)
                        return complain_error(r, "Cannot use the flow to '%s'", arg_name);
        }

        p->view.request = arg_request;
        p->view.json = arg_json;
        p->view.quiet = arg_quiet;
        p->view.bar = isatty(STDOUT_FILENO);
        show_connection(p);

        r = perf_run(p, signal_fd);
        if (r == -ETIMEDOUT && !p->running) {
                (void) fprintf(stderr, "Cannot measure '%s': its other side does not answer as o7s-perf does.\n"
                                       "  There, run: o7s-perf --serve %s\n", arg_name, arg_name);
                return EXIT_TIMEOUT;
        }
        if (r < 0 && r != -ETIMEDOUT)
                (void) complain_error(r, "Lost the flow to '%s'", arg_name);

        if (!p->running)
                return r < 0 ? exit_status_of(r) : EXIT_FAILED;
        if (!perf_show_summary(&p->view, p->streams, p->n_streams, clock_nsec()))
                return r < 0 ? exit_status_of(r) : EXIT_TIMEOUT;
        return EXIT_FINE;
}

static int help(void) {
        (void) printf("o7s-perf [OPTIONS...] NAME\n"
                      "o7s-perf --serve NAME\n\n"
                      "Measure what flows to NAME carry. There, o7s-perf --serve has to run.\n\n"
                      "  -h --help           Show this help\n"
                      "     --version        Show the version\n"
                      "     --serve          Be the other side\n"
                      "  -t --time=TIME      How long to measure (default: 10s)\n"
                      "  -s --size=BYTES     Size of a message (default: 1400, with -l 64; at least 32)\n"
                      "  -b --rate=BITS      Send no more than this per second, such as 10M\n"
                      "  -P --parallel=N     Use N flows at once (default: 1)\n"
                      "  -R --reverse        Let the other side send\n"
                      "     --bidir          Let both sides send\n"
                      "  -l --latency        Measure round trips, one message at a time\n"
                      "     --json           Print one JSON object per line\n"
                      "  -q --quiet          Print the summary only\n\n"
                      "Exit status: 0 measured, 1 failed, 2 usage, 3 cannot be reached, 4 not allowed,\n"
                      "5 no answer or no report in time, 69 o7s-irm does not run.\n\n"
                      "See the o7s-perf(1) man page for details.\n");
        return 0;
}

/* Options that exclude each other, and defaults that depend on others. Returns: > 0; the negated exit status. */
static int check_arguments(int argc, char *argv[]) {
        if (argc - optind != 1)
                return -complain_usage("o7s-perf", argc == optind ? "Which name?" : "One name at a time.");
        if ((arg_request.mode & PERF_LATENCY) && arg_request.mode != PERF_LATENCY)
                return -complain_usage("o7s-perf", "--latency measures both ways already: no --reverse or --bidir with it.");

        if (arg_request.size == 0)
                arg_request.size = arg_request.mode == PERF_LATENCY ? PROBE_BYTES_DEFAULT : MESSAGE_BYTES_DEFAULT;

        arg_name = argv[optind];
        return 1;
}

/* Returns: > 0: go on; 0: done; negative: the exit status to end with, negated. */
static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_SERVE, ARG_BIDIR, ARG_JSON };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "serve", no_argument, NULL, ARG_SERVE },
                { "time", required_argument, NULL, 't' },
                { "size", required_argument, NULL, 's' },
                { "rate", required_argument, NULL, 'b' },
                { "parallel", required_argument, NULL, 'P' },
                { "reverse", no_argument, NULL, 'R' },
                { "bidir", no_argument, NULL, ARG_BIDIR },
                { "latency", no_argument, NULL, 'l' },
                { "json", no_argument, NULL, ARG_JSON },
                { "quiet", no_argument, NULL, 'q' },
                {},
        };
        bool latency = false;
        uint64_t value;
        int c;

        while ((c = getopt_long(argc, argv, "ht:s:b:P:Rlq", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        (void) printf("o7s-perf %s\n", o7s_version());
                        return 0;
                case ARG_SERVE:
                        arg_serve = true;
                        break;
                case 't':
                        if (duration_parse(optarg, &value) < 0 || value == 0 || value > PERF_DURATION_USEC_MAX)
                                return -complain_usage("o7s-perf", "'%s' is not a time of up to 1h, such as 10s.", optarg);
                        arg_request.duration_usec = value;
                        break;
                case 's':
                        if (size_parse(optarg, PERF_MESSAGE_BYTES_MAX, &value) < 0 || value < PERF_HEADER_BYTES)
                                return -complain_usage("o7s-perf", "'%s' is not a size of %u to %u bytes.", optarg,
                                                       PERF_HEADER_BYTES, PERF_MESSAGE_BYTES_MAX);
                        arg_request.size = (uint32_t) value;
                        break;
                case 'b':
                        if (rate_parse(optarg, &value) < 0 || value == 0)
                                return -complain_usage("o7s-perf", "'%s' is not a rate such as 800K or 10M.", optarg);
                        arg_request.rate_bps = value;
                        break;
                case 'P':
                        if (size_parse(optarg, PARALLEL_MAX, &value) < 0 || value == 0)
                                return -complain_usage("o7s-perf", "'%s' is not a number from 1 to %u.", optarg, PARALLEL_MAX);
                        arg_parallel = (unsigned) value;
                        break;
                case 'R':
                        arg_request.mode = PERF_REVERSE;
                        break;
                case ARG_BIDIR:
                        arg_request.mode = PERF_FORWARD | PERF_REVERSE;
                        break;
                case 'l':
                        latency = true;
                        break;
                case ARG_JSON:
                        arg_json = true;
                        break;
                case 'q':
                        arg_quiet = true;
                        break;
                default:
                        (void) fprintf(stderr, "See 'o7s-perf --help'.\n");
                        return -EXIT_USAGE;
                }

        if (latency)
                arg_request.mode = arg_request.mode == PERF_FORWARD ? PERF_LATENCY : arg_request.mode | PERF_LATENCY;

        return check_arguments(argc, argv);
}

int main(int argc, char *argv[]) {
        _cleanup_(perf_freep) Perf *p = NULL;
        _cleanup_(fd_closep) int signal_fd = -1;
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return -r;

        r = perf_new(&p);
        if (r < 0)
                return complain_error(r, "Cannot start");

        signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");

        return arg_serve ? serve(p, signal_fd) : measure(p, signal_fd);
}
