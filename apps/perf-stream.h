/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One flow under test. Both ends are the same object: one asks for a test, the other is asked, and from then
 * on each has a sending half, a receiving half, or both. A sending half sends for the time of the test, says
 * END until the other's REPORT comes, and is done; a receiving half counts until END comes and reports.
 *
 * The caller owns clock and loop: it calls perf_stream_transmit() at perf_stream_deadline() and when the flow
 * takes messages again, and perf_stream_receive() when there are some.
 */

#include "apps/common.h"
#include "apps/histogram.h"
#include "apps/perf-message.h"

#define PERF_BATCH 64U

typedef enum PerfState {
        PERF_STATE_WAITING,     /* asked side: no request yet */
        PERF_STATE_ASKING,      /* asking side: no answer yet */
        PERF_STATE_RUNNING,
        PERF_STATE_DONE,        /* all halves have what they need */
} PerfState;

typedef struct PerfSending {
        bool active;
        bool blocked;           /* the queue was full: wait for O7S_WRITABLE */
        bool reported;
        uint64_t ends_nsec;
        uint64_t n_messages;
        uint64_t n_bytes;
        uint64_t next_nsec;     /* not before; UINT64_MAX: something has to arrive first */
        unsigned n_ends;        /* times that END was said */
        PerfReport report;      /* what the other side received */
} PerfSending;

typedef struct PerfReceiving {
        bool active;
        bool ended;
        bool cut;               /* by perf_stream_stop(): the other side's count is not known */
        uint64_t n_messages;
        uint64_t n_bytes;
        uint64_t n_out_of_order;
        uint64_t newest;
        uint64_t first_nsec;
        uint64_t last_nsec;
        uint64_t n_sent;        /* by the other side, as it said at the end */
} PerfReceiving;

typedef struct PerfStream {
        o7s_flow *flow;         /* owned */
        PerfState state;
        bool asker;
        uint64_t test;
        PerfRequest request;    /* as the asking side sees it */
        uint64_t begun_nsec;
        uint64_t begun_cpu_usec;
        uint64_t give_up_nsec;
        uint64_t next_ask_nsec;
        PerfSending sending;
        PerfReceiving receiving;
        Histogram rtt;          /* latency mode: of answered probes */
        uint8_t *buffer;        /* PERF_BATCH messages to send */
} PerfStream;

/* Memory to receive into, shared by all streams of a process. */
typedef struct PerfInbox {
        o7s_msg messages[PERF_BATCH];
        uint8_t *memory;
} PerfInbox;

int perf_inbox_init(PerfInbox *inbox);
void perf_inbox_done(PerfInbox *inbox);

/* The stream takes over the flow, whatever the result. request is NULL on the asked side. */
int perf_stream_new(o7s_flow *flow, const PerfRequest *request, uint64_t test, uint64_t now_nsec,
                    PerfStream **ret);
PerfStream *perf_stream_free(PerfStream *stream);

/* Returns: messages sent; a negative errno: the test is over (-ETIMEDOUT: the other side does not answer). */
int perf_stream_transmit(PerfStream *stream, uint64_t now_nsec);

/* Returns: messages received; a negative errno: the flow is over. */
int perf_stream_receive(PerfStream *stream, PerfInbox *inbox, uint64_t now_nsec);

/* The queue has room again. */
void perf_stream_writable(PerfStream *stream);

/* Ends the test early: what was sent is asked about, what would still come is not waited for. */
void perf_stream_stop(PerfStream *stream, uint64_t now_nsec);

/* When to transmit next, if nothing happens before; UINT64_MAX: never. */
uint64_t perf_stream_deadline(const PerfStream *stream);

/* This process's processor time since the stream began, in 1/1000 of the elapsed time. */
uint64_t perf_stream_cpu_permille(const PerfStream *stream, uint64_t now_nsec);
