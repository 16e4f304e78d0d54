/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * o7s-ping: is a name reachable, through what, and how long does a message take there and back?
 *
 * Shows how a flow fits into a loop of one's own: poll() waits on the flow's descriptor, on a signalfd and
 * for the time of the next message, whichever comes first. Reads and writes never block. What the answers mean
 * is decided in ping-message.c.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "apps/complain.h"
#include "apps/echo-server.h"
#include "apps/ping-show.h"
#include "apps/preset.h"
#include "apps/show.h"
#include "apps/units.h"
#include "apps/wait.h"

#define RETRY_USEC 200000U              /* between two attempts of --until-up */

typedef struct Ping {
        PingOptions options;
        o7s_flow *flow;
        int signal_fd;                  /* not owned */
        bool reliable;
        bool interrupted;
        bool link_down;                 /* as was shown last */
        uint32_t mtu;                   /* likewise */
        uint64_t allocated_in_nsec;
        uint64_t ends_nsec;             /* no more messages from then on; UINT64_MAX: no limit */
        uint64_t next_nsec;             /* when the next message is due */
        uint64_t last_sent_nsec;
        PingLedger ledger;
        Histogram rtt;                  /* of answers in time and late ones alike */
        uint8_t message[PING_MESSAGE_BYTES_MAX];
} Ping;

static void ping_freep(Ping **p) {
        if (!*p)
                return;

        (void) o7s_flow_unref((*p)->flow);
        free(*p);
        *p = NULL;
}

/* Whether trying again can help: the name, the way or the IRM may still appear. */
static bool may_come_up(int error) {
        int status = exit_status_of(error);

        return status == EXIT_UNREACHABLE || status == EXIT_TIMEOUT || status == EXIT_NOT_RUNNING;
}

/* Opens the flow. With --until-up the time-out is for each attempt, and there is no end to these.
 * Returns: 0; a negative errno, complained about by the caller. */
static int ping_connect(Ping *p) {
        const PingOptions *o = &p->options;

        for (bool said = false;;) {
                struct timespec pause = { .tv_nsec = RETRY_USEC * (long) NSEC_PER_USEC };
                uint64_t begun = clock_nsec();
                int r;

                r = o7s_flow_alloc(o->name, &o->qos, 0, o->timeout_usec, &p->flow);
                p->allocated_in_nsec = clock_nsec() - begun;
                if (r >= 0 || !o->until_up || !may_come_up(r))
                        return r;

                if (!said && !o->quiet)
                        (void) complain_error(r, "Waiting for '%s'", o->name);
                said = true;
                (void) nanosleep(&pause, NULL);
        }
}

/* Fits the size of messages to the flow. Returns: 0; the exit status, complained about. */
static int ping_fit(Ping *p) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        int r;

        r = o7s_flow_info(p->flow, &info);
        if (r < 0)
                return complain_error(r, "Cannot use the flow to '%s'", p->options.name);

        p->reliable = preset_is_reliable(&info.qos_granted);
        p->mtu = info.mtu;
        if (p->options.size_is_mtu)
                p->options.size = info.mtu < PING_MESSAGE_BYTES_MAX ? info.mtu : PING_MESSAGE_BYTES_MAX;
        if (p->options.size <= info.mtu && p->options.size >= PING_BYTES_MIN)
                return 0;

        (void) fprintf(stderr, "Cannot ping '%s': a message of %llu bytes does not fit, its flow takes %u at most.\n"
                               "  See --size=.\n", p->options.name, (unsigned long long) p->options.size, info.mtu);
        return EXIT_FAILED;
}

/* Returns: 0, also where the queue was full, which counts as a loss unless the flow is reliable and the message can go
 * later; a negative errno: the flow is no more. */
static int ping_send(Ping *p, uint64_t now) {
        PingMessage message = ping_ledger_send(&p->ledger, now);
        uint64_t interval_nsec = p->options.interval_usec * NSEC_PER_USEC;
        ssize_t n;

        p->last_sent_nsec = now;
        p->next_nsec += interval_nsec;
        if (p->next_nsec < now || p->options.flood)     /* we were stopped for a while: no burst to catch up */
                p->next_nsec = now + interval_nsec;

        ping_message_write(&message, p->message, (size_t) p->options.size);
        n = o7s_flow_write(p->flow, p->message, (size_t) p->options.size);
        if (n == -EAGAIN && p->reliable)
                ping_ledger_unsend(&p->ledger);
        return n < 0 && n != -EAGAIN ? (int) n : 0;
}

/* The descriptor was readable, and nothing is there to be read: what else is new? */
static void ping_look(Ping *p) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        int events = o7s_flow_events(p->flow);

        if (events < 0 || !(events & O7S_CHANGED) || o7s_flow_info(p->flow, &info) < 0)
                return;

        if ((info.link_down != 0) != p->link_down)
                ping_show_link(&p->options, !p->link_down);
        if (info.mtu != p->mtu)
                ping_show_mtu(&p->options, info.mtu);
        p->link_down = info.link_down != 0;
        p->mtu = info.mtu;
}

/* Reads until nothing is left. Returns: how many there were; a negative errno: the flow is no more. */
static int ping_receive(Ping *p) {
        for (int n_read = 0;; n_read++) {
                PingMessage message = {};
                PingAnswer answer;
                uint64_t rtt_nsec = 0, now;
                ssize_t n;

                n = o7s_flow_read(p->flow, p->message, sizeof(p->message));
                if (n == -EAGAIN)
                        return n_read;
                if (n < 0)
                        return (int) n;
                if (n == 0)             /* the end of a message that filled the whole buffer */
                        continue;

                now = clock_nsec();
                if (ping_message_parse(p->message, (size_t) n, &message))
                        answer = ping_ledger_receive(&p->ledger, &message, now, p->options.timeout_usec * NSEC_PER_USEC,
                                                     &rtt_nsec);
                else {
                        answer = PING_ANSWER_FOREIGN;
                        p->ledger.n_foreign++;
                }

                if (answer == PING_ANSWER_OK || answer == PING_ANSWER_LATE)
                        histogram_add(&p->rtt, rtt_nsec);
                if (answer == PING_ANSWER_OK && p->options.flood)
                        p->next_nsec = now;
                ping_show_answer(&p->options, answer, &message, (size_t) n, rtt_nsec);
        }
}

static bool all_sent(const Ping *p, uint64_t now) {
        return (p->options.count > 0 && p->ledger.n_sent >= p->options.count) || now >= p->ends_nsec;
}

/* When something has to be done without any message coming in. */
static uint64_t ping_deadline(const Ping *p, uint64_t now) {
        if (all_sent(p, now))
                return p->last_sent_nsec + p->options.timeout_usec * NSEC_PER_USEC;

        return p->next_nsec < p->ends_nsec ? p->next_nsec : p->ends_nsec;
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
        p->ends_nsec = p->options.duration_usec == 0 ? UINT64_MAX
                                                     : p->next_nsec + p->options.duration_usec * NSEC_PER_USEC;
        for (;;) {
                uint64_t now = clock_nsec();
                int r;

                if (all_sent(p, now)) {
                        if (p->ledger.n_received == p->ledger.n_sent || now >= ping_deadline(p, now))
                                return 0;
                } else if (now >= p->next_nsec) {
                        r = ping_send(p, now);
                        if (r < 0)
                                return r;
                }

                r = wait_until(polled, ELEMENTSOF(polled), ping_deadline(p, now));
                if (r < 0)
                        return r;
                if (polled[1].revents != 0) {
                        p->interrupted = true;
                        return 0;
                }

                r = ping_receive(p);
                if (r < 0)
                        return r;
                if (r == 0 && polled[0].revents != 0)
                        ping_look(p);
        }
}

static int ping_serve(const PingOptions *o) {
        _cleanup_(echo_server_freep) EchoServer *server = NULL;
        _cleanup_(fd_closep) int signal_fd = -1;
        int r;

        signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");

        r = echo_server_new(o->name, 0, &server);
        if (r < 0)
                return complain_error(r, "Cannot serve '%s'", o->name ?: "what is bound to us");
        if (!o->quiet)
                show_serving(o->name, o->json);

        r = echo_server_run(server, signal_fd);
        if (r < 0)
                return complain_error(r, "Stopped serving");

        echo_server_show(server, o->json);
        return EXIT_FINE;
}

/* Messages without an answer are lost, unless we were interrupted while it could still come. */
static int ping_finish(const Ping *p, int error) {
        uint64_t n_under_way = 0;

        if (error < 0)
                (void) complain_error(error, "Lost the flow to '%s'", p->options.name);
        if (p->interrupted)
                n_under_way = ping_ledger_under_way(&p->ledger, clock_nsec(), p->options.timeout_usec * NSEC_PER_USEC);
        ping_show_summary(&p->options, &p->ledger, &p->rtt, n_under_way);

        if (error < 0)
                return exit_status_of(error);
        if (p->ledger.n_received == 0 && p->ledger.n_sent > 0)
                return EXIT_TIMEOUT;
        return p->ledger.n_received + n_under_way < p->ledger.n_sent && !p->interrupted ? EXIT_LOSS : EXIT_FINE;
}

int main(int argc, char *argv[]) {
        _cleanup_(ping_freep) Ping *p = NULL;
        _cleanup_(fd_closep) int signal_fd = -1;
        int r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return complain_error(-ENOMEM, "Cannot start");

        r = ping_options_parse(argc, argv, &p->options);
        if (r <= 0)
                return -r;
        if (p->options.listen)
                return ping_serve(&p->options);

        if (getrandom(&p->ledger.session, sizeof(p->ledger.session), 0) < 0)
                return complain_error(-errno, "Cannot draw a session number");

        r = ping_connect(p);
        if (r < 0)
                return complain_error(r, "Cannot reach '%s'", p->options.name);

        /* Only now: until here an interrupt simply ends us. */
        p->signal_fd = signal_fd = signals_to_fd();
        if (signal_fd < 0)
                return complain_error(signal_fd, "Cannot watch for signals");

        r = ping_fit(p);
        if (r > 0)
                return r;

        (void) o7s_flow_set_timeout(p->flow, O7S_TIMEOUT_READ, 0);
        (void) o7s_flow_set_timeout(p->flow, O7S_TIMEOUT_WRITE, 0);
        ping_show_connected(&p->options, p->flow, p->allocated_in_nsec);

        return ping_finish(p, ping_run(p));
}
