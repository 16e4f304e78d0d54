/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-echo: serves a name and sends every message back on the flow that it came from.
 *
 * One thread, any number of flows. An o7s_set watches the listener and all flows; its descriptor is polled
 * together with a signalfd, which is also how a set fits into any other event loop. The set owns the flows:
 * a flow that ended is removed from it, and that was its last reference.
 *
 * Messages are answered in bounded bursts, so that one busy client cannot keep the others waiting. Where a
 * client does not take its answers its queue is full, and the answer is dropped and counted: a flow without
 * retransmission may lose messages anyway, and the alternative would be to let one client hold up all others.
 */

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/common.h"
#include "apps/complain.h"

#define MESSAGE_BYTES_MAX 65536U
#define BURST 64U               /* messages of one flow before the next flow has its turn */
#define EVENTS 64U

typedef struct Server {
        o7s_listener *listener;
        o7s_set *set;           /* owns the flows */
        uint64_t n_accepted;
        uint64_t n_echoed;
        uint64_t n_dropped;
        uint8_t message[MESSAGE_BYTES_MAX];
} Server;

static const char *arg_name = NULL;     /* NULL: every name that is bound to us */
static bool arg_quiet = false;
static bool arg_thin = false;

static void server_freep(Server **s) {
        if (!*s)
                return;

        (void) o7s_set_unref((*s)->set);
        (void) o7s_listener_unref((*s)->listener);
        free(*s);
        *s = NULL;
}

static int server_new(const char *name, Server **ret) {
        _cleanup_(server_freep) Server *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        r = o7s_listen(name, arg_thin ? O7S_THIN : 0, &s->listener);
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

/* Sends back what is there, up to a burst. Returns: 0; why the flow is of no more use. */
static int server_echo(Server *s, o7s_flow *flow) {
        for (unsigned i = 0; i < BURST; i++) {
                ssize_t size, written;

                size = o7s_flow_read(flow, s->message, sizeof(s->message));
                if (size == -EAGAIN)
                        return 0;
                if (size < 0)
                        return (int) size;
                if (size == 0)                  /* the end of a message that filled the whole buffer */
                        continue;

                written = o7s_flow_write(flow, s->message, (size_t) size);
                if (written == -EAGAIN)
                        s->n_dropped++;
                else if (written < 0)
                        return (int) written;
                else
                        s->n_echoed++;
        }

        return 0;
}

/* Takes the flows that wait, as many as there are. Returns: 0; why no more can be accepted. */
static int server_accept(Server *s) {
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
        }
}

/* Deals with all that the set reports now. */
static int server_dispatch(Server *s) {
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

static int server_run(Server *s, int signal_fd) {
        struct pollfd polled[] = {
                { .fd = o7s_set_fd(s->set), .events = POLLIN },
                { .fd = signal_fd, .events = POLLIN },
        };

        if (polled[0].fd < 0)
                return polled[0].fd;

        for (;;) {
                int r;

                if (poll(polled, ELEMENTSOF(polled), -1) < 0 && errno != EINTR)
                        return -errno;

                if (polled[1].revents != 0)
                        return 0;

                r = server_dispatch(s);
                if (r < 0)
                        return r;
        }
}

static int help(void) {
        (void) printf("o7s-echo [OPTIONS...] [NAME]\n\n"
                      "Serve NAME and send every message back to where it came from. Without NAME,\n"
                      "serve every name that is bound to this program, its unit or its user.\n\n"
                      "  -h --help      Show this help\n"
                      "     --version   Show the version\n"
                      "  -q --quiet     Say nothing unless something fails\n"
                      "     --thin      Short queues: little memory for each of very many clients\n\n"
                      "Ends at SIGINT or SIGTERM. To make a name that you may serve:\n"
                      "  o7sctl name NAME --user=$USER\n\n"
                      "See the o7s-echo(1) man page for details.\n");
        return 0;
}

/* Returns: > 0: go on; 0: done; negative: the exit status to end with, negated. */
static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_THIN };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "quiet", no_argument, NULL, 'q' },
                { "thin", no_argument, NULL, ARG_THIN },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "hq", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        (void) printf("o7s-echo %s\n", o7s_version());
                        return 0;
                case ARG_THIN:
                        arg_thin = true;
                        break;
                case 'q':
                        arg_quiet = true;
                        break;
                default:
                        (void) fprintf(stderr, "See 'o7s-echo --help'.\n");
                        return -EXIT_USAGE;
                }

        if (argc - optind > 1)
                return -complain_usage("o7s-echo", "One name at most: '%s' is too many.", argv[optind + 1]);

        arg_name = argv[optind];
        return 1;
}

int main(int argc, char *argv[]) {
        _cleanup_(server_freep) Server *server = NULL;
        _cleanup_(fd_closep) int signal_fd = -1;
        int r;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return -r;

        signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");

        r = server_new(arg_name, &server);
        if (r < 0)
                return complain_error(r, "Cannot serve %s%s%s", arg_name ? "'" : "",
                                      arg_name ?: "what is bound to us", arg_name ? "'" : "");

        /* Whoever started us may wait for this line, so it goes out before the first flow comes in. */
        if (!arg_quiet)
                (void) printf("serving %s\n", arg_name ?: "every name that is bound to us");
        (void) fflush(stdout);

        r = server_run(server, signal_fd);
        if (r < 0)
                return complain_error(r, "Stopped serving");

        if (!arg_quiet)
                (void) printf("%llu flows, %llu messages echoed, %llu dropped\n",
                              (unsigned long long) server->n_accepted, (unsigned long long) server->n_echoed,
                              (unsigned long long) server->n_dropped);
        return EXIT_FINE;
}
