/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sending half of a flow under test: batches of messages, as fast as the flow takes them or at a rate, or probes
 * one at a time. A byte stream may take a part of what is written: the rest stays at the beginning of the buffer, and
 * goes first.
 */

#include <string.h>

#include "apps/perf-stream.h"
#include "apps/units.h"

#define END_AGAIN_NSEC (100ULL * NSEC_PER_MSEC)
#define ENDS_MAX 20U
#define PROBE_LOST_NSEC (200ULL * NSEC_PER_MSEC)
#define PROBE_LOST_RELIABLE_NSEC (10ULL * NSEC_PER_SEC)
#define BATCHES_MAX 4U                  /* before the other streams have their turn */
#define STREAM_WRITE_BYTES 65536U

static int block(PerfStream *s) {
        s->blocked = true;
        return o7s_flow_arm_write(s->flow, true);
}

/* What a single write is given: all of a message, but no more of a stream of bytes than any flow carries at once. */
static size_t write_bytes(const PerfStream *s, size_t size) {
        return s->frame.memory && size > STREAM_WRITE_BYTES ? STREAM_WRITE_BYTES : size;
}

/* Returns: > 0: nothing is left of the last write; 0: not now; a negative errno. */
static int put_rest(PerfStream *s) {
        size_t done = 0;
        int r = 1;

        while (done < s->rest_bytes && r > 0) {
                ssize_t n = o7s_flow_write(s->flow, s->buffer + done, write_bytes(s, s->rest_bytes - done));

                if (n == -EAGAIN)
                        r = block(s);
                else if (n < 0)
                        r = (int) n;
                else
                        done += (size_t) n;
        }

        s->rest_bytes -= done;
        if (done > 0)
                (void) memmove(s->buffer, s->buffer + done, s->rest_bytes);
        return r;
}

ssize_t perf_sending_put(PerfStream *s, const void *data, size_t size) {
        ssize_t n;
        int r;

        r = put_rest(s);
        if (r <= 0)
                return r;

        n = o7s_flow_write(s->flow, data, write_bytes(s, size));
        if (n == -EAGAIN)
                return block(s);
        if (n < 0)
                return n;

        s->rest_bytes = size - (size_t) n;
        (void) memmove(s->buffer, (const uint8_t *) data + n, s->rest_bytes);
        r = put_rest(s);
        return r < 0 ? r : (ssize_t) size;
}

/* When the next message may go out under the rate limit. */
static uint64_t paced_nsec(const PerfStream *s) {
        double seconds;

        if (s->request.rate_bps == 0)
                return 0;

        seconds = (double) s->sending.n_bytes * 8.0 / (double) s->request.rate_bps;
        return s->begun_nsec + (uint64_t) (seconds * NSEC_PER_SEC);
}

/* How many messages may go out now: a full batch without a limit, what is due with one. */
static unsigned batch_due(const PerfStream *s, uint64_t now) {
        size_t bytes = s->request.mode & PERF_STREAM ? STREAM_WRITE_BYTES : PERF_BATCH_BYTES;
        double due = PERF_BATCH;

        if (s->request.rate_bps > 0) {
                if (now < paced_nsec(s))
                        return 0;
                due = 1.0 + (double) (now - paced_nsec(s)) / NSEC_PER_SEC * (double) s->request.rate_bps / 8.0 /
                                    s->request.size;
        }

        if (s->request.n_bytes > 0) {
                uint64_t left = (s->request.n_bytes - s->sending.n_bytes + s->request.size - 1) / s->request.size;

                due = due < (double) left ? due : (double) left;
        }
        if (due > PERF_BATCH)
                due = PERF_BATCH;
        if (due * s->request.size > (double) bytes)
                due = bytes / s->request.size;
        return due < 1 ? 1 : (unsigned) due;
}

/* Returns: messages sent; 0: none due, or the queue is full. */
static int send_batch(PerfStream *s, uint64_t now) {
        unsigned n = batch_due(s, now);
        o7s_msg messages[PERF_BATCH];
        int r;

        r = n > 0 ? put_rest(s) : 0;
        if (r <= 0)
                return r;

        for (unsigned i = 0; i < n; i++) {
                PerfMessage message = { .type = PERF_DATA, .test = s->test, .sent_nsec = now };
                uint8_t *p = s->buffer + (size_t) i * s->request.size;

                message.sequence = s->sending.n_messages + i + 1;
                (void) perf_message_write(&message, p);
                messages[i] = (o7s_msg) { .data = p, .size = s->request.size };
        }

        if (s->request.mode & PERF_STREAM) {
                ssize_t written = perf_sending_put(s, s->buffer, (size_t) n * s->request.size);

                r = written > 0 ? (int) n : (int) written;
        } else {
                r = o7s_flow_write_batch(s->flow, messages, n);
                if (r == -EAGAIN)
                        return block(s);
        }
        if (r < 0)
                return r;

        s->sending.n_messages += (unsigned) r;
        s->sending.n_bytes += (uint64_t) r * s->request.size;
        s->sending.next_nsec = paced_nsec(s);
        return r;
}

static int send_data(PerfStream *s, uint64_t now) {
        int total = 0;

        for (unsigned i = 0; i < BATCHES_MAX && !s->blocked; i++) {
                int r;

                if (s->request.n_bytes > 0 && s->sending.n_bytes >= s->request.n_bytes) {
                        s->sending.ends_nsec = s->sending.next_nsec = now;
                        s->give_up_nsec = now + s->silence_nsec;
                        return total + 1;               /* there is more to do at once */
                }

                r = send_batch(s, now);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;

                total += r;
        }

        return total;
}

/* Latency: the next probe goes out when the last one came back, or is taken for lost. */
static int send_probe(PerfStream *s, uint64_t now) {
        PerfMessage message = { .type = PERF_PROBE, .test = s->test, .sent_nsec = now };
        ssize_t n;

        message.sequence = s->sending.n_messages + 1;
        (void) perf_message_write(&message, s->buffer);
        n = perf_sending_put(s, s->buffer, s->request.size);
        if (n <= 0)
                return (int) n;

        s->sending.n_messages++;
        s->sending.n_bytes += s->request.size;
        s->sending.next_nsec = now + (s->reliable ? PROBE_LOST_RELIABLE_NSEC : PROBE_LOST_NSEC);
        return 1;
}

/* The test's time is over: ask what arrived, a limited number of times where the question may get lost. */
static int send_end(PerfStream *s, uint64_t now) {
        if (s->sending.n_ends >= ENDS_MAX)
                return -ETIMEDOUT;

        s->sending.n_ends++;
        s->sending.next_nsec = s->reliable ? UINT64_MAX : now + END_AGAIN_NSEC;
        perf_stream_say(s, PERF_END);
        return 1;
}

int perf_sending_transmit(PerfStream *s, uint64_t now) {
        if (!s->sending.active || s->sending.reported)
                return 0;
        if (now >= s->sending.ends_nsec && (s->sending.n_ends == 0 || now >= s->sending.next_nsec))
                return send_end(s, now);
        if (now < s->sending.next_nsec || s->blocked || s->sending.n_ends > 0)
                return 0;

        return s->request.mode & PERF_LATENCY ? send_probe(s, now) : send_data(s, now);
}
