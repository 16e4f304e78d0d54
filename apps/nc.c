/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-nc: standard input and output over a flow, so that any program that reads and writes them has one. Opens a flow
 * to a name, or listens on one and takes what comes. The bytes are carried by nc-relay.c.
 */

#include <signal.h>
#include <stdio.h>

#include "apps/complain.h"
#include "apps/nc-options.h"
#include "apps/nc-relay.h"
#include "apps/show.h"
#include "apps/units.h"
#include "apps/wait.h"

static void say_flow(const NcOptions *o, o7s_flow *flow) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        char text[FLOW_CHARS_MAX];

        if (!o->verbose || o7s_flow_info(flow, &info) < 0)
                return;

        flow_format(text, sizeof(text), &info);
        (void) fprintf(stderr, "%s %s, %s\n", o->listen ? "flow to" : "open:", info.name, text);
}

/* What the flow is decides where we are asked; where we ask, the options did. Returns: 0; the exit status. */
static int check_flow(const NcOptions *o, o7s_flow *flow) {
        struct o7s_flow_info info = { .size = sizeof(info) };

        if (!o->messages || o7s_flow_info(flow, &info) < 0 || !info.is_stream)
                return 0;

        (void) fprintf(stderr, "Cannot use --messages: the other side opened a stream of bytes, which has none.\n");
        return EXIT_FAILED;
}

/* Returns the exit status. */
static int complain_end(const NcOptions *o, const NcRelay *relay, int error) {
        const char *name = o->name ?: "this flow";

        switch (error) {
        case 0:
                return EXIT_FINE;
        case -ECANCELED:                /* whoever interrupts us knows */
        case -EPIPE:                    /* as does whoever stopped reading */
                return EXIT_FAILED;
        case -ECONNRESET:
                (void) fprintf(stderr, "The other side of '%s' was gone before it %s.\n", name,
                               relay->cut || relay->in_size > 0 || relay->in_ended ? "had everything"
                                                                                   : "closed the flow");
                return EXIT_UNREACHABLE;
        case -EMSGSIZE:
                (void) fprintf(stderr, "Cannot send a line to '%s': it is longer than a message, %zu bytes.\n", name,
                               relay->chunk_bytes);
                return EXIT_FAILED;
        default:
                return complain_error(error, "Lost the flow of '%s'", name);
        }
}

/* Returns the exit status. */
static int use_flow(const NcOptions *o, o7s_flow *flow, int signal_fd, bool *in_ended) {
        NcRelay relay = {
                .flow = flow,
                .in_fd = STDIN_FILENO,
                .out_fd = STDOUT_FILENO,
                .signal_fd = signal_fd,
                .messages = o->messages,
                .quit_usec = o->quit_usec,
                .in_ended = *in_ended,
        };
        int r;

        say_flow(o, flow);
        r = check_flow(o, flow);
        if (r > 0)
                return r;

        r = nc_relay_init(&relay);
        if (r >= 0)
                r = nc_relay_run(&relay);

        *in_ended = relay.in_ended;
        r = complain_end(o, &relay, r);
        if (o->verbose)
                (void) fprintf(stderr, "sent %llu bytes, received %llu\n", (unsigned long long) relay.n_sent,
                               (unsigned long long) relay.n_received);
        nc_relay_done(&relay);
        return r;
}

static int connect_and_use(const NcOptions *o, int signal_fd) {
        _cleanup_(flow_closep) o7s_flow *flow = NULL;
        bool in_ended = false;
        int r;

        r = o7s_flow_alloc(o->name, &o->qos, o->messages ? 0 : O7S_STREAM, o->timeout_usec, &flow);
        if (r < 0)
                return complain_error(r, "Cannot reach '%s'", o->name);
        if (!o->only_look)
                return use_flow(o, flow, signal_fd, &in_ended);

        say_flow(o, flow);
        return EXIT_FINE;
}

/* Waits for the next flow. Returns: > 0: a signal came; 0; a negative errno. */
static int next_flow(o7s_listener *listener, int signal_fd, o7s_flow **ret) {
        struct pollfd polled[] = {
                { .fd = signal_fd, .events = POLLIN },
                { .fd = o7s_listener_fd(listener), .events = POLLIN },
        };

        for (;;) {
                int r;

                r = wait_until(polled, ELEMENTSOF(polled), WAIT_FOREVER);
                if (r < 0)
                        return r;
                if (polled[0].revents != 0)
                        return 1;

                r = o7s_flow_accept(listener, 0, ret);
                if (r != -EAGAIN)
                        return r;
        }
}

static int listen_and_use(const NcOptions *o, int signal_fd) {
        o7s_listener *listener;
        bool in_ended = false;
        int r, status;

        r = o7s_listen(o->name, 0, &listener);
        if (r < 0)
                return complain_error(r, "Cannot serve '%s'", o->name ?: "what is bound to us");
        if (o->verbose)
                (void) fprintf(stderr, "serving %s\n", o->name ?: "what is bound to us");

        do {
                _cleanup_(flow_closep) o7s_flow *flow = NULL;

                r = next_flow(listener, signal_fd, &flow);
                if (r != 0) {
                        status = r > 0 ? (o->keep_open ? EXIT_FINE : EXIT_FAILED)
                                       : complain_error(r, "Stopped serving '%s'", o->name ?: "what is bound to us");
                        break;
                }

                if (!o->keep_open)              /* who comes now finds nobody, rather than somebody who does not
                                                 * answer */
                        listener = o7s_listener_unref(listener);
                status = use_flow(o, flow, signal_fd, &in_ended);
        } while (o->keep_open);

        (void) o7s_listener_unref(listener);
        return status;
}

int main(int argc, char *argv[]) {
        _cleanup_(fd_closep) int signal_fd = -1;
        NcOptions options = {};
        int r;

        r = nc_options_parse(argc, argv, &options);
        if (r <= 0)
                return -r;

        signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");
        (void) signal(SIGPIPE, SIG_IGN);        /* the write says so itself */

        return options.listen ? listen_and_use(&options, signal_fd) : connect_and_use(&options, signal_fd);
}
