/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-ping: is a name reachable, through what, and how long does a message take there and back?
 *
 * Shows how a flow fits into a loop of one's own: poll() waits on the flow's descriptor, on a signalfd and
 * for the time of the next message, whichever comes first. Reads and writes never block. What the answers mean
 * is decided in ping-message.c.
 */

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "apps/common.h"
#include "apps/complain.h"
#include "apps/histogram.h"
#include "apps/ping-message.h"
#include "apps/show.h"
#include "apps/units.h"

#define MESSAGE_BYTES_MAX 65536U
#define INTERVAL_USEC_MIN 1000U         /* more often is a job for o7s-perf */
#define RETRY_USEC 200000U              /* between two attempts of --until-up */

typedef struct Ping {
        o7s_flow *flow;
        int signal_fd;                  /* not owned */
        uint64_t allocated_in_nsec;
        uint64_t next_nsec;             /* when the next message is due */
        uint64_t last_sent_nsec;
        PingLedger ledger;
        Histogram rtt;                  /* of answers in time and late ones alike */
        uint8_t message[MESSAGE_BYTES_MAX];
} Ping;

static const char *arg_name = NULL;
static uint64_t arg_count = 0;                          /* 0: until interrupted */
static uint64_t arg_interval_usec = USEC_PER_SEC;
static uint64_t arg_size = 64;
static uint64_t arg_timeout_usec = 5 * USEC_PER_SEC;
static bool arg_json = false;
static bool arg_until_up = false;
static bool arg_quiet = false;
static o7s_qos arg_qos = O7S_QOS_RAW;

static void ping_freep(Ping **p) {
        if (!*p)
                return;

        (void) o7s_flow_unref((*p)->flow);
        free(*p);
        *p = NULL;
}

static void show_connected(Ping *p) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        char took[UNIT_CHARS_MAX];

        if (o7s_flow_info(p->flow, &info) < 0)
                return;

        if (arg_json) {
                json_object *line = show_event("connected");

                show_flow_json(line, &info);
                show_add_number(line, "allocated_usec", (double) p->allocated_in_nsec / NSEC_PER_USEC);
                show_line(line);
                return;
        }

        show_flow(arg_name, &info);
        (void) printf("; flow %llu allocated in %s\n", (unsigned long long) info.flow_id,
                      duration_format(took, sizeof(took), p->allocated_in_nsec));
        (void) fflush(stdout);
}

static void show_answer(PingAnswer answer, const PingMessage *message, size_t size, uint64_t rtt_nsec) {
        static const char *const names[] = {
                [PING_ANSWER_OK] = "reply",
                [PING_ANSWER_LATE] = "late",
                [PING_ANSWER_DUPLICATE] = "duplicate",
                [PING_ANSWER_FOREIGN] = "foreign",
        };
        bool timed = answer == PING_ANSWER_OK || answer == PING_ANSWER_LATE;
        char rtt[UNIT_CHARS_MAX];

        if (arg_quiet)
                return;

        if (arg_json) {
                json_object *line = show_event(names[answer]);

                show_add(line, "bytes", json_object_new_uint64(size));
                show_add(line, "seq", json_object_new_uint64(message->sequence));
                if (timed)
                        show_add_number(line, "rtt_usec", (double) rtt_nsec / NSEC_PER_USEC);
                show_line(line);
                return;
        }

        if (timed)
                (void) printf("%zu B seq=%llu %s%s\n", size, (unsigned long long) message->sequence,
                              duration_format(rtt, sizeof(rtt), rtt_nsec),
                              answer == PING_ANSWER_LATE ? " (late)" : "");
        else if (answer == PING_ANSWER_DUPLICATE)
                (void) printf("%zu B seq=%llu again\n", size, (unsigned long long) message->sequence);
        else
                (void) printf("%zu B that answer nothing of ours\n", size);
        (void) fflush(stdout);
}

static void show_summary_json(const Ping *p) {
        json_object *line = show_event("summary");

        show_add(line, "sent", json_object_new_uint64(p->ledger.n_sent));
        show_add(line, "received", json_object_new_uint64(p->ledger.n_received));
        show_add(line, "lost", json_object_new_uint64(p->ledger.n_sent - p->ledger.n_received));
        show_add(line, "late", json_object_new_uint64(p->ledger.n_late));
        show_add(line, "duplicates", json_object_new_uint64(p->ledger.n_duplicates));
        show_add(line, "foreign", json_object_new_uint64(p->ledger.n_foreign));
        show_add(line, "out_of_order", json_object_new_uint64(p->ledger.n_out_of_order));
        show_histogram_json(line, "rtt_usec", &p->rtt);
        show_line(line);
}

static void show_summary(const Ping *p) {
        if (arg_json) {
                show_summary_json(p);
                return;
        }

        (void) printf("%llu sent, %llu received, %llu lost, %llu out of order",
                      (unsigned long long) p->ledger.n_sent, (unsigned long long) p->ledger.n_received,
                      (unsigned long long) (p->ledger.n_sent - p->ledger.n_received),
                      (unsigned long long) p->ledger.n_out_of_order);
        if (p->ledger.n_late > 0)
                (void) printf(", %llu late", (unsigned long long) p->ledger.n_late);
        if (p->ledger.n_duplicates > 0)
                (void) printf(", %llu duplicates", (unsigned long long) p->ledger.n_duplicates);
        if (p->ledger.n_foreign > 0)
                (void) printf(", %llu foreign", (unsigned long long) p->ledger.n_foreign);
        show_histogram("      rtt", &p->rtt);
        (void) printf("\n");
}

/* Whether trying again can help: the name, the way or the IRM may still appear. */
static bool may_come_up(int error) {
        int status = exit_status_of(error);

        return status == EXIT_UNREACHABLE || status == EXIT_TIMEOUT || status == EXIT_NOT_RUNNING;
}

/* Opens the flow. With --until-up the time-out is for each attempt, and there is no end to these.
 * Returns: 0; a negative errno, complained about by the caller. */
static int ping_connect(Ping *p) {
        for (bool said = false;;) {
                struct timespec pause = { .tv_nsec = RETRY_USEC * (long) NSEC_PER_USEC };
                uint64_t begun = clock_nsec();
                int r;

                r = o7s_flow_alloc(arg_name, &arg_qos, 0, arg_timeout_usec, &p->flow);
                p->allocated_in_nsec = clock_nsec() - begun;
                if (r >= 0 || !arg_until_up || !may_come_up(r))
                        return r;

                if (!said && !arg_quiet)
                        (void) complain_error(r, "Waiting for '%s'", arg_name);
                said = true;
                (void) nanosleep(&pause, NULL);
        }
}

/* Returns: 0, also where the queue was full, which counts as a loss; a negative errno: the flow is no more. */
static int ping_send(Ping *p, uint64_t now_nsec) {
        PingMessage message = ping_ledger_send(&p->ledger, now_nsec);
        ssize_t n;

        p->last_sent_nsec = now_nsec;
        p->next_nsec += arg_interval_usec * NSEC_PER_USEC;
        if (p->next_nsec < now_nsec)            /* we were stopped for a while: no burst to catch up */
                p->next_nsec = now_nsec + arg_interval_usec * NSEC_PER_USEC;

        ping_message_write(&message, p->message, (size_t) arg_size);
        n = o7s_flow_write(p->flow, p->message, (size_t) arg_size);
        return n < 0 && n != -EAGAIN ? (int) n : 0;
}

/* Reads until nothing is left. Returns: 0; a negative errno: the flow is no more. */
static int ping_receive(Ping *p) {
        for (;;) {
                PingMessage message = {};
                PingAnswer answer;
                uint64_t rtt_nsec = 0;
                ssize_t n;

                n = o7s_flow_read(p->flow, p->message, sizeof(p->message));
                if (n == -EAGAIN)
                        return 0;
                if (n < 0)
                        return (int) n;
                if (n == 0)             /* the end of a message that filled the whole buffer */
                        continue;

                if (ping_message_parse(p->message, (size_t) n, &message))
                        answer = ping_ledger_receive(&p->ledger, &message, clock_nsec(),
                                                     arg_timeout_usec * NSEC_PER_USEC, &rtt_nsec);
                else {
                        answer = PING_ANSWER_FOREIGN;
                        p->ledger.n_foreign++;
                }

                if (answer == PING_ANSWER_OK || answer == PING_ANSWER_LATE)
                        histogram_add(&p->rtt, rtt_nsec);
                show_answer(answer, &message, (size_t) n, rtt_nsec);
        }
}

static bool all_sent(const Ping *p) {
        return arg_count > 0 && p->ledger.n_sent >= arg_count;
}

/* When something has to be done without any message coming in. */
static uint64_t ping_deadline(const Ping *p) {
        return all_sent(p) ? p->last_sent_nsec + arg_timeout_usec * NSEC_PER_USEC : p->next_nsec;
}

/* Returns: 0: done, by count, time or signal; a negative errno: the flow is no more. */
static int ping_run(Ping *p) {
        struct pollfd polled[] = {
                { .fd = o7s_flow_fd(p->flow), .events = POLLIN },
                { .fd = p->signal_fd, .events = POLLIN },
        };

        if (polled[0].fd < 0)
                return polled[0].fd;

        p->next_nsec = clock_nsec();
        for (;;) {
                uint64_t now = clock_nsec(), deadline = ping_deadline(p);
                uint64_t left = deadline > now ? deadline - now : 0;
                struct timespec wait = { .tv_sec = (time_t) (left / NSEC_PER_SEC),
                                         .tv_nsec = (long) (left % NSEC_PER_SEC) };
                int r;

                if (left == 0) {
                        if (all_sent(p))
                                return 0;

                        r = ping_send(p, now);
                        if (r < 0)
                                return r;
                        continue;
                }

                if (ppoll(polled, ELEMENTSOF(polled), &wait, NULL) < 0 && errno != EINTR)
                        return -errno;
                if (polled[1].revents != 0)
                        return 0;

                r = ping_receive(p);
                if (r < 0)
                        return r;
                if (all_sent(p) && p->ledger.n_received == p->ledger.n_sent)
                        return 0;
        }
}

static int help(void) {
        (void) printf("o7s-ping [OPTIONS...] NAME\n\n"
                      "Open a flow to NAME, send messages to be echoed, and show how long they take.\n\n"
                      "  -h --help            Show this help\n"
                      "     --version         Show the version\n"
                      "  -c --count=N         Stop after N messages (default: when interrupted)\n"
                      "  -i --interval=TIME   From one message to the next (default: 1s)\n"
                      "  -s --size=BYTES      Size of a message (default: 64, at least 24)\n"
                      "     --qos=CLASS       voice, video or raw (default: raw)\n"
                      "     --timeout=TIME    For the flow and for each answer (default: 5s)\n"
                      "     --until-up        Try until the name can be reached\n"
                      "     --json            Print one JSON object per line\n"
                      "  -q --quiet           Print the first line and the summary only\n\n"
                      "Exit status: 0 answers came, 1 failed, 2 usage, 3 cannot be reached,\n"
                      "4 not allowed, 5 no answer in time, 69 o7s-irm does not run.\n\n"
                      "See the o7s-ping(1) man page for details.\n");
        return 0;
}

/* A class of traffic, without retransmission: what is lost shall show. Returns: 0; -EINVAL. */
static int qos_parse(const char *text, o7s_qos *ret) {
        const struct {
                const char *name;
                o7s_qos qos;
        } classes[] = {
                { "raw", O7S_QOS_RAW },
                { "video", O7S_QOS_VIDEO },
                { "voice", O7S_QOS_VOICE },
        };

        for (size_t i = 0; i < ELEMENTSOF(classes); i++)
                if (strcmp(text, classes[i].name) == 0) {
                        *ret = classes[i].qos;
                        ret->in_order = 0;
                        ret->ber = 1;
                        return 0;
                }

        return -EINVAL;
}

/* Returns: > 0: go on; 0: done; negative: the exit status to end with, negated. */
static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_QOS, ARG_TIMEOUT, ARG_JSON, ARG_UNTIL_UP };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "count", required_argument, NULL, 'c' },
                { "interval", required_argument, NULL, 'i' },
                { "size", required_argument, NULL, 's' },
                { "qos", required_argument, NULL, ARG_QOS },
                { "timeout", required_argument, NULL, ARG_TIMEOUT },
                { "until-up", no_argument, NULL, ARG_UNTIL_UP },
                { "json", no_argument, NULL, ARG_JSON },
                { "quiet", no_argument, NULL, 'q' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "hc:i:s:q", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        (void) printf("o7s-ping %s\n", o7s_version());
                        return 0;
                case 'c':
                        if (size_parse(optarg, UINT32_MAX, &arg_count) < 0 || arg_count == 0)
                                return -complain_usage("o7s-ping", "'%s' is not a number of messages.", optarg);
                        break;
                case 'i':
                        if (duration_parse(optarg, &arg_interval_usec) < 0 ||
                            arg_interval_usec < INTERVAL_USEC_MIN)
                                return -complain_usage("o7s-ping", "'%s' is not an interval of 1ms or more.",
                                                       optarg);
                        break;
                case 's':
                        if (size_parse(optarg, MESSAGE_BYTES_MAX, &arg_size) < 0 || arg_size < PING_BYTES_MIN)
                                return -complain_usage("o7s-ping", "'%s' is not a size of %u to %u bytes.",
                                                       optarg, PING_BYTES_MIN, MESSAGE_BYTES_MAX);
                        break;
                case ARG_QOS:
                        if (qos_parse(optarg, &arg_qos) < 0)
                                return -complain_usage("o7s-ping", "'%s' is none of voice, video and raw.", optarg);
                        break;
                case ARG_TIMEOUT:
                        if (duration_parse(optarg, &arg_timeout_usec) < 0 || arg_timeout_usec == 0)
                                return -complain_usage("o7s-ping", "'%s' is not a time such as 500ms or 5s.",
                                                       optarg);
                        break;
                case ARG_UNTIL_UP:
                        arg_until_up = true;
                        break;
                case ARG_JSON:
                        arg_json = true;
                        break;
                case 'q':
                        arg_quiet = true;
                        break;
                default:
                        (void) fprintf(stderr, "See 'o7s-ping --help'.\n");
                        return -EXIT_USAGE;
                }

        if (argc - optind != 1)
                return -complain_usage("o7s-ping", argc == optind ? "Which name?" : "One name at a time.");

        arg_name = argv[optind];
        return 1;
}

int main(int argc, char *argv[]) {
        _cleanup_(ping_freep) Ping *p = NULL;
        _cleanup_(fd_closep) int signal_fd = -1;
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return -r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return complain_error(-ENOMEM, "Cannot start");

        if (getrandom(&p->ledger.session, sizeof(p->ledger.session), 0) < 0)
                return complain_error(-errno, "Cannot draw a session number");

        r = ping_connect(p);
        if (r < 0)
                return complain_error(r, "Cannot reach '%s'", arg_name);

        /* Only now: until here an interrupt simply ends us. */
        p->signal_fd = signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");

        (void) o7s_flow_set_timeout(p->flow, O7S_TIMEOUT_READ, 0);
        (void) o7s_flow_set_timeout(p->flow, O7S_TIMEOUT_WRITE, 0);
        show_connected(p);

        r = ping_run(p);
        if (r < 0)
                (void) complain_error(r, "Lost the flow to '%s'", arg_name);
        show_summary(p);

        if (r < 0)
                return exit_status_of(r);
        return p->ledger.n_received > 0 || p->ledger.n_sent == 0 ? EXIT_FINE : EXIT_TIMEOUT;
}
