/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One flow under test. Both ends are the same object: one asks for a test, the other is asked, and from then
 * on each has a sending half, a receiving half, or both. A sending half sends for the time of the test, says
 * END until the other's REPORT comes, and is done; a receiving half counts until END comes and reports.
 *
 * On a flow that may lose messages REQUEST and END are repeated. On a reliable one they are said once, and wait behind
 * the data that was sent before: until that is through, which may take far longer than the test, silence is no failure.
 *
 * The caller owns clock and loop: it calls perf_stream_transmit() at perf_stream_deadline() and when the flow
 * takes messages again, and perf_stream_receive() when there are some.
 */

#include "apps/common.h"
#include "apps/histogram.h"
#include "apps/perf-frame.h"
#include "apps/perf-message.h"

#define PERF_BATCH 64U
#define PERF_BATCH_BYTES 1048576U       /* a batch has no more than this, unless one message does */

typedef enum PerfState {
        PERF_STATE_WAITING,     /* asked side: no request yet */
        PERF_STATE_ASKING,      /* asking side: no answer yet */
        PERF_STATE_RUNNING,
        PERF_STATE_DONE,        /* all halves have what they need */
} PerfState;

typedef struct PerfSending {
        bool active;
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
        PerfEnd end;            /* what the other side said at the end */
} PerfReceiving;

typedef struct PerfStream {
        o7s_flow *flow;         /* owned */
        PerfState state;
        bool asker;
        bool reliable;
        bool blocked;           /* the queue was full: wait for O7S_WRITABLE */
        uint32_t due;           /* control messages to send, a bit for each PerfType */
        uint64_t test;
        PerfRequest request;    /* as the asking side sees it */
        uint64_t begun_nsec;
        uint64_t begun_cpu_usec;
        uint64_t silence_nsec;  /* for so long nothing may come */
        uint64_t give_up_nsec;
        uint64_t next_ask_nsec;
        PerfSending sending;
        PerfReceiving receiving;
        Histogram rtt;          /* latency mode: of answered probes */
        uint8_t *buffer;        /* owned; a batch of messages to send */
        size_t rest_bytes;      /* byte stream: at the beginning of buffer, what was not taken of a message */
        PerfFrame frame;        /* byte stream */
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

/* This process's processor time since the stream began; perf_stream_cpu_permille() is in 1/1000 of the elapsed time. */
uint64_t perf_stream_cpu_usec(const PerfStream *stream);
uint64_t perf_stream_cpu_permille(const PerfStream *stream, uint64_t now_nsec);

/* The library's counters of the flow; zeroes where there are none. */
struct o7s_flow_stats perf_stream_stats(const PerfStream *stream);

/* -- for perf-sending.c, perf-receiving.c and perf-stream.c alone -- */

/* Request and state are known: the halves begin. */
int perf_stream_begin(PerfStream *stream, uint64_t now_nsec);

/* Says so as soon as the flow takes it. */
void perf_stream_say(PerfStream *stream, PerfType type);

/* The sending half: what is due. Returns: messages sent; a negative errno. */
int perf_sending_transmit(PerfStream *stream, uint64_t now_nsec);

/* One message. Returns: its size; 0: not now; a negative errno. */
ssize_t perf_sending_put(PerfStream *stream, const void *data, size_t size);
