/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sending side of o7s-cbr. Each message has its time, counted from the beginning, so that being late once does not
 * make all others late, and as many go out as the time has room for. Where the flow takes none at that time the
 * message is left out and counted: a constant rate does not catch up. At the end the other side is asked what arrived.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include "apps/cbr.h"
#include "apps/complain.h"
#include "apps/preset.h"
#include "apps/show.h"
#include "apps/units.h"
#include "apps/wait.h"

#define ALLOCATE_USEC (5ULL * USEC_PER_SEC)
#define CLOSE_USEC USEC_PER_SEC
#define END_AGAIN_NSEC (100ULL * NSEC_PER_MSEC)
#define REPORT_NSEC (2ULL * NSEC_PER_SEC)
/* the library gives up after 120 s without a sign of the peer */
#define REPORT_RELIABLE_NSEC (150ULL * NSEC_PER_SEC)

typedef struct CbrClient {
        const CbrOptions *options;      /* not owned */
        o7s_flow *flow;
        int flow_fd;                    /* the flow's */
        int signal_fd;                  /* not owned */
        bool reliable;
        bool reported;
        uint64_t run;
        uint64_t begun_nsec;
        uint64_t ended_nsec;
        uint64_t n_slots;               /* messages whose time has come */
        uint64_t n_sent;
        uint64_t n_left_out;
        CbrReport report;
        uint8_t *message;
} CbrClient;

static void client_done(CbrClient *c) {
        c->flow = o7s_flow_unref(c->flow);
        free(c->message);
}

#define _cleanup_client_ __attribute__((cleanup(client_done)))

/* Returns: 0; the exit status, complained about. */
static int client_open(CbrClient *c) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        const CbrOptions *o = c->options;
        int r;

        c->message = calloc(1, o->size > CBR_CONTROL_BYTES_MAX ? o->size : CBR_CONTROL_BYTES_MAX);
        if (!c->message)
                return complain_error(-ENOMEM, "Cannot start");
        if (getrandom(&c->run, sizeof(c->run), 0) < 0)
                return complain_error(-errno, "Cannot draw a number for this run");

        r = o7s_flow_alloc(o->name, &o->qos, 0, ALLOCATE_USEC, &c->flow);
        if (r < 0)
                return complain_error(r, "Cannot reach '%s'", o->name);

        r = c->flow_fd = o7s_flow_fd(c->flow);
        if (r >= 0)
                r = o7s_flow_info(c->flow, &info);
        if (r < 0)
                return complain_error(r, "Cannot use the flow to '%s'", o->name);
        if (o->size > info.mtu) {
                (void) fprintf(stderr,
                               "Cannot send to '%s': a message of %llu bytes does not fit, its flow takes %u at "
                               "most.\n  See --size=.\n",
                               o->name, (unsigned long long) o->size, info.mtu);
                return EXIT_FAILED;
        }

        c->reliable = preset_is_reliable(&info.qos_granted);
        (void) o7s_flow_set_timeout(c->flow, O7S_TIMEOUT_READ, 0);
        (void) o7s_flow_set_timeout(c->flow, O7S_TIMEOUT_WRITE, 0);

        if (o->json) {
                json_object *line = show_event("connected");

                show_flow_json(line, &info);
                show_line(line);
        } else if (!o->quiet) {
                show_flow(o->name, &info);
                (void) printf("; messages of %llu B\n", (unsigned long long) o->size);
                (void) fflush(stdout);
        }
        return 0;
}

/* When message number n goes out. */
static uint64_t slot_nsec(const CbrClient *c, uint64_t n) {
        double seconds = (double) n * (double) c->options->size * 8.0 / (double) c->options->rate_bps;

        return c->begun_nsec + (uint64_t) (seconds * NSEC_PER_SEC);
}

/* Returns: 0; a negative errno. */
static int client_send(CbrClient *c, uint64_t now) {
        CbrMessage message = { .type = CBR_DATA, .run = c->run, .sequence = c->n_sent + 1, .sent_nsec = now };
        ssize_t n;

        c->n_slots++;
        (void) cbr_message_write(&message, c->message);
        n = o7s_flow_write(c->flow, c->message, c->options->size);
        if (n == -EAGAIN) {
                c->n_left_out++;
                return 0;
        }
        if (n < 0)
                return (int) n;

        c->n_sent++;
        return 0;
}

/* Anything that came: a report, or the end of the flow. Returns: 0; a negative errno. */
static int client_receive(CbrClient *c) {
        for (;;) {
                uint8_t buffer[CBR_CONTROL_BYTES_MAX];
                CbrMessage message;
                ssize_t n;

                n = o7s_flow_read(c->flow, buffer, sizeof(buffer));
                if (n < 0)
                        return n == -EAGAIN ? 0 : (int) n;
                if (cbr_message_parse(buffer, (size_t) n, &message) < 0 || message.type != CBR_REPORT ||
                    message.run != c->run)
                        continue;

                c->report = message.report;
                c->reported = true;
        }
}

/* Until something comes or the time does. Returns: > 0: a signal; 0; a negative errno. */
static int client_wait(CbrClient *c, uint64_t deadline) {
        struct pollfd polled[] = {
                { .fd = c->signal_fd, .events = POLLIN },
                { .fd = c->flow_fd, .events = POLLIN },
        };
        struct signalfd_siginfo signal;         /* taken: a second one ends the asking, too */
        int r;

        r = wait_until(polled, ELEMENTSOF(polled), c->options->spin && c->ended_nsec == 0 ? 0 : deadline);
        if (r < 0)
                return r;
        if (polled[0].revents != 0 && read(c->signal_fd, &signal, sizeof(signal)) > 0)
                return 1;

        return polled[1].revents != 0 ? client_receive(c) : 0;
}

static int client_run(CbrClient *c) {
        uint64_t ends_nsec;

        c->begun_nsec = clock_nsec();
        ends_nsec = c->begun_nsec + c->options->duration_usec * NSEC_PER_USEC;

        for (;;) {
                uint64_t now = clock_nsec(), next = slot_nsec(c, c->n_slots);
                int r = 0;

                if (next >= ends_nsec)
                        return 0;

                if (now >= next)
                        r = client_send(c, now);
                if (r >= 0)
                        r = client_wait(c, slot_nsec(c, c->n_slots));
                if (r < 0)
                        return r;
                if (r > 0)
                        return 0;
        }
}

/* Asks what arrived. Returns: 0; -ETIMEDOUT: no answer; a negative errno. */
static int client_ask(CbrClient *c) {
        CbrMessage message = { .type = CBR_END, .run = c->run, .n_sent = c->n_sent };
        uint8_t buffer[CBR_CONTROL_BYTES_MAX];
        size_t size = cbr_message_write(&message, buffer);
        uint64_t give_up;
        bool said = false;

        c->ended_nsec = clock_nsec();
        give_up = c->ended_nsec + (c->reliable ? REPORT_RELIABLE_NSEC : REPORT_NSEC);

        while (!c->reported) {
                uint64_t now = clock_nsec();
                ssize_t n = 0;
                int r;

                if (now >= give_up)
                        return -ETIMEDOUT;

                if (!said || !c->reliable) {
                        n = o7s_flow_write(c->flow, buffer, size);
                        if (n < 0 && n != -EAGAIN)
                                return (int) n;
                        said = n > 0;
                }

                r = client_wait(c, said && c->reliable ? give_up : now + END_AGAIN_NSEC);
                if (r != 0)
                        return r < 0 ? r : -ECANCELED;
        }

        return 0;
}

static void client_show(const CbrClient *c) {
        double seconds = (double) (c->ended_nsec - c->begun_nsec) / NSEC_PER_SEC;
        uint64_t n_bytes = c->n_sent * c->options->size;
        char rate[UNIT_CHARS_MAX], bytes[UNIT_CHARS_MAX], jitter[UNIT_CHARS_MAX];

        if (c->options->json) {
                json_object *line = show_event("summary");

                show_add(line, "reported", json_object_new_boolean(c->reported));
                show_add(line, "sent", json_object_new_uint64(c->n_sent));
                show_add(line, "sent_bytes", json_object_new_uint64(n_bytes));
                show_add(line, "left_out", json_object_new_uint64(c->n_left_out));
                show_add_number(line, "seconds", seconds);
                if (c->reported) {
                        show_add(line, "received", json_object_new_uint64(c->report.n_messages));
                        show_add(line, "received_bytes", json_object_new_uint64(c->report.n_bytes));
                        show_add(line, "lost", json_object_new_uint64(c->report.n_lost));
                        show_add(line, "out_of_order", json_object_new_uint64(c->report.n_out_of_order));
                        show_add_number(line, "jitter_usec", (double) c->report.jitter_nsec / NSEC_PER_USEC);
                }
                show_line(line);
                return;
        }

        (void) printf("sent %llu messages, %s, in %.3g s (%s), %llu left out as the flow was full\n",
                      (unsigned long long) c->n_sent,
                      quantity_format(bytes, sizeof(bytes), (double) n_bytes, "B"), seconds,
                      quantity_format(rate, sizeof(rate), seconds > 0 ? (double) n_bytes * 8 / seconds : 0, "b/s"),
                      (unsigned long long) c->n_left_out);
        if (c->reported)
                (void) printf("received %llu messages, %llu lost, %llu out of order, jitter %s\n",
                              (unsigned long long) c->report.n_messages, (unsigned long long) c->report.n_lost,
                              (unsigned long long) c->report.n_out_of_order,
                              duration_format(jitter, sizeof(jitter), c->report.jitter_nsec));
        else
                (void) printf("no report from the other side\n");
}

int cbr_client(const CbrOptions *options, int signal_fd) {
        _cleanup_client_ CbrClient c = { .options = options, .signal_fd = signal_fd, .flow_fd = -1 };
        int r;

        r = client_open(&c);
        if (r > 0)
                return r;

        r = client_run(&c);
        if (r >= 0)
                r = client_ask(&c);
        if (c.ended_nsec == 0)
                c.ended_nsec = clock_nsec();
        if (r < 0 && r != -ETIMEDOUT && r != -ECANCELED)
                (void) complain_error(r, "Lost the flow to '%s'", options->name);
        client_show(&c);

        if (r == -ECANCELED)
                return EXIT_FAILED;
        if (r < 0)
                return exit_status_of(r);

        (void) o7s_flow_close(c.flow, CLOSE_USEC);
        return c.report.n_lost > 0 ? EXIT_LOSS : EXIT_FINE;
}
