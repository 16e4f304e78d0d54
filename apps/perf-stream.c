/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One flow under test: sending, counting, and the exchange of reports at the end. */

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "apps/perf-stream.h"
#include "apps/units.h"

#define ASK_AGAIN_NSEC (200ULL * NSEC_PER_MSEC)
#define ASK_FOR_NSEC (5ULL * NSEC_PER_SEC)
#define END_AGAIN_NSEC (100ULL * NSEC_PER_MSEC)
#define ENDS_MAX 20U
#define PROBE_LOST_NSEC (200ULL * NSEC_PER_MSEC)
#define BATCHES_MAX 4U          /* before the other streams have their turn */
#define SILENCE_NSEC (5ULL * NSEC_PER_SEC)      /* past the end of the test, without END */

static uint64_t cpu_usec(void) {
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage);
        return (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC +
                (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* One control message, or a data message for a queue of one. Full queues are no error: all of these are repeated. */
static int send_message(PerfStream *s, const PerfMessage *message, size_t size) {
        size_t written = perf_message_write(message, s->buffer);
        ssize_t n;

        n = o7s_flow_write(s->flow, s->buffer, written > size ? written : size);
        return n == -EAGAIN ? 0 : n < 0 ? (int) n : 1;
}

/* Request and state are known: the halves begin. */
static int begin(PerfStream *s, uint64_t now) {
        bool latency = s->request.mode == PERF_LATENCY;
        uint32_t sends = s->asker ? PERF_FORWARD : PERF_REVERSE,
                 receives = s->asker ? PERF_REVERSE : PERF_FORWARD;

        s->state = PERF_STATE_RUNNING;
        s->begun_nsec = now;
        s->begun_cpu_usec = cpu_usec();
        s->give_up_nsec = now + s->request.duration_usec * NSEC_PER_USEC + SILENCE_NSEC;

        s->sending = (PerfSending) {
                .active = latency ? s->asker : (s->request.mode & sends) != 0,
                .ends_nsec = now + s->request.duration_usec * NSEC_PER_USEC,
                .next_nsec = now,
        };
        s->receiving = (PerfReceiving) { .active = latency ? !s->asker : (s->request.mode & receives) != 0 };

        if (s->sending.active) {
                uint8_t *buffer =
                        calloc(PERF_BATCH, s->request.size > PERF_CONTROL_BYTES_MAX ? s->request.size
                                                                                    : PERF_CONTROL_BYTES_MAX);

                if (!buffer)
                        return -ENOMEM;

                free(s->buffer);
                s->buffer = buffer;
        }

        return 0;
}

static void settle(PerfStream *s) {
        bool sent = !s->sending.active || s->sending.reported,
             received = !s->receiving.active || s->receiving.ended;

        if (s->state == PERF_STATE_RUNNING && sent && received)
                s->state = PERF_STATE_DONE;
}

static PerfMessage message_of(const PerfStream *s, PerfType type, uint64_t now) {
        return (PerfMessage) { .type = type, .test = s->test, .sent_nsec = now };
}

static int send_report(PerfStream *s, uint64_t now) {
        PerfMessage message = message_of(s, PERF_REPORT, now);

        message.report = (PerfReport) {
                .n_messages = s->receiving.n_messages,
                .n_bytes = s->receiving.n_bytes,
                .n_out_of_order = s->receiving.n_out_of_order,
                .duration_usec = (s->receiving.last_nsec - s->receiving.first_nsec) / NSEC_PER_USEC,
                .cpu_permille = perf_stream_cpu_permille(s, now),
        };

        return send_message(s, &message, 0);
}

static int send_request(PerfStream *s, uint64_t now) {
        PerfMessage message = message_of(s, PERF_REQUEST, now);

        if (now >= s->give_up_nsec)
                return -ETIMEDOUT;
        if (now < s->next_ask_nsec)
                return 0;

        s->next_ask_nsec = now + ASK_AGAIN_NSEC;
        message.request = s->request;
        return send_message(s, &message, 0);
}

/* The test's time is over: ask what arrived, a limited number of times. */
static int send_end(PerfStream *s, uint64_t now) {
        PerfMessage message = message_of(s, PERF_END, now);

        if (s->sending.n_ends >= ENDS_MAX)
                return -ETIMEDOUT;

        perf_stream_writable(s);        /* no longer of interest */
        s->sending.n_ends++;
        s->sending.next_nsec = now + END_AGAIN_NSEC;
        message.n_sent = s->sending.n_messages;
        return send_message(s, &message, 0);
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
        double due;

        if (s->request.rate_bps == 0)
                return PERF_BATCH;
        if (now < paced_nsec(s))
                return 0;

        due = (double) (now - paced_nsec(s)) / NSEC_PER_SEC * (double) s->request.rate_bps / 8.0 /
              s->request.size;
        return due >= PERF_BATCH ? PERF_BATCH : 1U + (unsigned) due;
}

/* Returns: messages sent; 0: none due, or the queue is full. */
static int send_batch(PerfStream *s, uint64_t now) {
        unsigned n = batch_due(s, now);
        o7s_msg messages[PERF_BATCH];
        int r;

        for (unsigned i = 0; i < n; i++) {
                PerfMessage message = message_of(s, PERF_DATA, now);
                uint8_t *p = s->buffer + (size_t) i * s->request.size;

                message.sequence = s->sending.n_messages + i + 1;
                (void) perf_message_write(&message, p);
                messages[i] = (o7s_msg) { .data = p, .size = s->request.size };
        }

        r = n > 0 ? o7s_flow_write_batch(s->flow, messages, n) : 0;
        if (r == -EAGAIN) {
                s->sending.blocked = true;
                s->sending.next_nsec = s->sending.ends_nsec;
                return o7s_flow_arm_write(s->flow, true);
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

        for (unsigned i = 0; i < BATCHES_MAX && !s->sending.blocked; i++) {
                int r;

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
        PerfMessage message = message_of(s, PERF_PROBE, now);

        message.sequence = ++s->sending.n_messages;
        s->sending.n_bytes += s->request.size;
        s->sending.next_nsec = now + PROBE_LOST_NSEC;
        return send_message(s, &message, s->request.size);
}

int perf_stream_transmit(PerfStream *s, uint64_t now) {
        int r = 0;

        if (s->state == PERF_STATE_ASKING)
                return send_request(s, now);
        if (s->state != PERF_STATE_RUNNING)
                return 0;
        if (now >= s->give_up_nsec)
                return -ETIMEDOUT;

        if (s->sending.active && !s->sending.reported && now >= s->sending.next_nsec) {
                if (now >= s->sending.ends_nsec)
                        r = send_end(s, now);
                else if (s->request.mode == PERF_LATENCY)
                        r = send_probe(s, now);
                else if (!s->sending.blocked)
                        r = send_data(s, now);
        }

        return r;
}

static void receive_data(PerfStream *s, const PerfMessage *message, size_t size, uint64_t now) {
        if (s->receiving.n_messages++ == 0)
                s->receiving.first_nsec = now;
        s->receiving.n_bytes += size;
        s->receiving.last_nsec = now;

        if (message->sequence < s->receiving.newest)
                s->receiving.n_out_of_order++;
        else
                s->receiving.newest = message->sequence;
}

/* The asked side: a first request begins the test, a repeated one means that ACCEPT was lost. */
static int receive_request(PerfStream *s, const PerfMessage *message, uint64_t now) {
        PerfMessage accept;
        int r;

        if (s->asker)
                return 0;

        if (s->state == PERF_STATE_WAITING) {
                s->test = message->test;
                s->request = message->request;

                r = begin(s, now);
                if (r < 0)
                        return r;
        }

        if (message->test != s->test)
                return 0;

        accept = message_of(s, PERF_ACCEPT, now);
        return send_message(s, &accept, 0);
}

/* What cannot be, such as a report that nobody asked for, changes nothing. */
static int receive_message(PerfStream *s, const PerfMessage *message, const o7s_msg *raw, uint64_t now) {
        uint64_t rtt;
        int r = 0;

        if (message->type == PERF_REQUEST)
                return receive_request(s, message, now);
        if (s->state == PERF_STATE_WAITING || message->test != s->test)
                return 0;

        /* Anything else from the other side of our test says that it accepted, even where ACCEPT itself got lost. */
        if (s->state == PERF_STATE_ASKING) {
                r = begin(s, now);
                if (r < 0)
                        return r;
        }

        switch (message->type) {
        case PERF_DATA:
                if (s->receiving.active && !s->receiving.ended)
                        receive_data(s, message, raw->size, now);
                break;
        case PERF_PROBE:
                if (!s->receiving.active)
                        break;
                receive_data(s, message, raw->size, now);
                ((uint8_t *) raw->data)[5] = PERF_ECHO;
                r = (int) o7s_flow_write(s->flow, raw->data, raw->size);
                break;
        case PERF_ECHO:
                if (!s->sending.active || message->sequence != s->sending.n_messages ||
                    s->rtt.n >= s->sending.n_messages)
                        break;
                rtt = now - message->sent_nsec;
                if (rtt > PROBE_LOST_NSEC * 2)          /* not a time that we wrote there */
                        break;
                histogram_add(&s->rtt, rtt);
                s->sending.next_nsec = now;
                break;
        case PERF_END:
                if (!s->receiving.active)
                        break;
                s->receiving.ended = true;
                s->receiving.n_sent = message->n_sent;
                r = send_report(s, now);
                break;
        case PERF_REPORT:
                if (!s->sending.active || s->sending.n_ends == 0)
                        break;
                s->sending.reported = true;
                s->sending.report = message->report;
                break;
        case PERF_REQUEST:
        case PERF_ACCEPT:
                break;
        }

        settle(s);
        return r == -EAGAIN ? 0 : r;
}

int perf_stream_receive(PerfStream *s, PerfInbox *inbox, uint64_t now) {
        int n, r;

        for (unsigned i = 0; i < PERF_BATCH; i++)
                inbox->messages[i] = (o7s_msg) {
                        .data = inbox->memory + (size_t) i * PERF_MESSAGE_BYTES_MAX,
                        .capacity = PERF_MESSAGE_BYTES_MAX,
                };

        n = o7s_flow_read_batch(s->flow, inbox->messages, PERF_BATCH);
        if (n == -EAGAIN)
                return 0;
        if (n < 0)
                return n;

        for (int i = 0; i < n; i++) {
                PerfMessage message;

                if (perf_message_parse(inbox->messages[i].data, inbox->messages[i].size, &message) < 0)
                        continue;

                r = receive_message(s, &message, &inbox->messages[i], now);
                if (r < 0)
                        return r;
        }

        return n;
}

void perf_stream_writable(PerfStream *s) {
        if (!s->sending.blocked)
                return;

        s->sending.blocked = false;
        s->sending.next_nsec = 0;
        (void) o7s_flow_arm_write(s->flow, false);
}

void perf_stream_stop(PerfStream *s, uint64_t now) {
        if (s->state != PERF_STATE_RUNNING)
                return;

        if (s->sending.active && s->sending.n_ends == 0)
                s->sending.ends_nsec = s->sending.next_nsec = now;
        if (s->receiving.active && !s->receiving.ended)
                s->receiving.ended = s->receiving.cut = true;

        settle(s);
}

uint64_t perf_stream_deadline(const PerfStream *s) {
        uint64_t deadline = s->give_up_nsec;

        if (s->state == PERF_STATE_ASKING)
                return s->next_ask_nsec;
        if (s->state != PERF_STATE_RUNNING)
                return UINT64_MAX;

        if (s->sending.active && !s->sending.reported) {
                uint64_t next = s->sending.next_nsec;

                /* A pause of the rate limit never outlasts the test. */
                if (s->sending.n_ends == 0 && next > s->sending.ends_nsec)
                        next = s->sending.ends_nsec;
                deadline = next < deadline ? next : deadline;
        }

        return deadline;
}

uint64_t perf_stream_cpu_permille(const PerfStream *s, uint64_t now) {
        uint64_t elapsed_usec = (now - s->begun_nsec) / NSEC_PER_USEC;

        return elapsed_usec == 0 ? 0 : (cpu_usec() - s->begun_cpu_usec) * 1000 / elapsed_usec;
}

int perf_stream_new(o7s_flow *flow, const PerfRequest *request, uint64_t test, uint64_t now, PerfStream **ret) {
        PerfStream *s;

        s = calloc(1, sizeof(*s));
        if (!s) {
                (void) o7s_flow_unref(flow);
                return -ENOMEM;
        }

        s->flow = flow;
        s->buffer = calloc(1, PERF_CONTROL_BYTES_MAX);
        if (!s->buffer) {
                (void) perf_stream_free(s);
                return -ENOMEM;
        }

        (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 0);
        (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_WRITE, 0);

        if (request) {
                s->state = PERF_STATE_ASKING;
                s->asker = true;
                s->test = test;
                s->request = *request;
                s->give_up_nsec = now + ASK_FOR_NSEC;
        }

        *ret = s;
        return 0;
}

PerfStream *perf_stream_free(PerfStream *s) {
        if (!s)
                return NULL;

        (void) o7s_flow_unref(s->flow);
        free(s->buffer);
        free(s);
        return NULL;
}

int perf_inbox_init(PerfInbox *inbox) {
        inbox->memory = malloc((size_t) PERF_BATCH * PERF_MESSAGE_BYTES_MAX);
        return inbox->memory ? 0 : -ENOMEM;
}

void perf_inbox_done(PerfInbox *inbox) {
        free(inbox->memory);
        inbox->memory = NULL;
}
