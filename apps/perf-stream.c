/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One flow under test: its course, from the request to the reports. */

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "apps/perf-stream.h"
#include "apps/preset.h"
#include "apps/units.h"

#define ASK_AGAIN_NSEC (200ULL * NSEC_PER_MSEC)
#define ASK_FOR_NSEC (5ULL * NSEC_PER_SEC)
#define SILENCE_NSEC (5ULL * NSEC_PER_SEC)
/* the library gives up after 120 s without a sign of the peer */
#define SILENCE_RELIABLE_NSEC (150ULL * NSEC_PER_SEC)

static uint64_t cpu_usec(void) {
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage);
        return (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC +
               (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Room for a batch, and for any control message. */
static size_t buffer_bytes(const PerfRequest *request) {
        size_t batch = (size_t) PERF_BATCH * request->size;

        if (batch > PERF_BATCH_BYTES)
                batch = request->size > PERF_BATCH_BYTES ? request->size : PERF_BATCH_BYTES;
        return batch > PERF_CONTROL_BYTES_MAX ? batch : PERF_CONTROL_BYTES_MAX;
}

int perf_stream_begin(PerfStream *s, uint64_t now) {
        bool latency = s->request.mode & PERF_LATENCY;
        uint32_t sends = s->asker ? PERF_FORWARD : PERF_REVERSE,
                 receives = s->asker ? PERF_REVERSE : PERF_FORWARD;
        uint8_t *buffer;
        int r;

        buffer = calloc(1, buffer_bytes(&s->request));
        if (!buffer)
                return -ENOMEM;
        free(s->buffer);
        s->buffer = buffer;

        if ((s->request.mode & PERF_STREAM) && !s->frame.memory) {
                r = perf_frame_init(&s->frame, s->request.size);
                if (r < 0)
                        return r;
        }

        s->state = PERF_STATE_RUNNING;
        s->begun_nsec = now;
        s->begun_cpu_usec = cpu_usec();
        s->give_up_nsec = now + s->request.duration_usec * NSEC_PER_USEC + s->silence_nsec;

        s->sending = (PerfSending) {
                .active = latency ? s->asker : (s->request.mode & sends) != 0,
                .ends_nsec = now + s->request.duration_usec * NSEC_PER_USEC,
                .next_nsec = now,
        };
        s->receiving = (PerfReceiving) { .active = latency ? !s->asker : (s->request.mode & receives) != 0 };
        return 0;
}

struct o7s_flow_stats perf_stream_stats(const PerfStream *s) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };

        if (o7s_flow_stats(s->flow, &stats) < 0)
                return (struct o7s_flow_stats) {};

        return stats;
}

static PerfReport report_of(const PerfStream *s, uint64_t now) {
        struct o7s_flow_stats stats = perf_stream_stats(s);

        return (PerfReport) {
                .n_messages = s->receiving.n_messages,
                .n_bytes = s->receiving.n_bytes,
                .n_out_of_order = s->receiving.n_out_of_order,
                .duration_usec = (s->receiving.last_nsec - s->receiving.first_nsec) / NSEC_PER_USEC,
                .cpu_usec = perf_stream_cpu_usec(s),
                .cpu_permille = perf_stream_cpu_permille(s, now),
                .n_duplicates = stats.duplicates,
                .n_marked = stats.marked,
        };
}

static PerfEnd end_of(const PerfStream *s) {
        struct o7s_flow_stats stats = perf_stream_stats(s);

        return (PerfEnd) {
                .n_messages = s->sending.n_messages,
                .n_retransmitted = stats.retransmitted,
                .rtt_nsec = stats.rtt_ns,
        };
}

void perf_stream_say(PerfStream *s, PerfType type) {
        s->due |= 1U << type;
}

/* The control messages that are due, each made as it is sent. Returns: how many were sent; a negative errno. */
static int send_due(PerfStream *s, uint64_t now) {
        static const PerfType order[] = { PERF_REQUEST, PERF_ACCEPT, PERF_END, PERF_REPORT };
        int n_sent = 0;

        for (size_t i = 0; i < ELEMENTSOF(order); i++) {
                PerfMessage message = { .type = order[i], .test = s->test, .sent_nsec = now };
                uint8_t buffer[PERF_CONTROL_BYTES_MAX];
                ssize_t n;

                if (!(s->due & 1U << order[i]) || s->blocked)
                        continue;

                if (order[i] == PERF_REQUEST)
                        message.request = s->request;
                else if (order[i] == PERF_END)
                        message.end = end_of(s);
                else if (order[i] == PERF_REPORT)
                        message.report = report_of(s, now);

                n = perf_sending_put(s, buffer, perf_message_write(&message, buffer));
                if (n < 0)
                        return (int) n;
                if (n == 0)
                        break;

                s->due &= ~(1U << order[i]);
                n_sent++;
        }

        return n_sent;
}

static int ask(PerfStream *s, uint64_t now) {
        if (now >= s->give_up_nsec)
                return -ETIMEDOUT;
        if (now < s->next_ask_nsec)
                return 0;

        s->next_ask_nsec = s->reliable ? s->give_up_nsec : now + ASK_AGAIN_NSEC;
        perf_stream_say(s, PERF_REQUEST);
        return 0;
}

int perf_stream_transmit(PerfStream *s, uint64_t now) {
        int sent = 0, r;

        if (s->state == PERF_STATE_ASKING)
                sent = ask(s, now);
        else if (s->state == PERF_STATE_RUNNING)
                sent = now >= s->give_up_nsec ? -ETIMEDOUT : perf_sending_transmit(s, now);
        if (sent < 0)
                return sent;

        if (s->due == 0 || s->blocked)
                return sent;

        r = send_due(s, now);
        return r < 0 ? r : sent + r;
}

void perf_stream_writable(PerfStream *s) {
        if (!s->blocked)
                return;

        s->blocked = false;
        (void) o7s_flow_arm_write(s->flow, false);
}

void perf_stream_stop(PerfStream *s, uint64_t now) {
        if (s->state != PERF_STATE_RUNNING)
                return;

        if (s->sending.active && s->sending.n_ends == 0)
                s->sending.ends_nsec = s->sending.next_nsec = now;
        if (s->receiving.active && !s->receiving.ended)
                s->receiving.ended = s->receiving.cut = true;

        if ((!s->sending.active || s->sending.reported) && (!s->receiving.active || s->receiving.ended))
                s->state = PERF_STATE_DONE;
}

uint64_t perf_stream_deadline(const PerfStream *s) {
        uint64_t deadline = s->give_up_nsec, next = s->sending.next_nsec;

        if (s->due != 0 && !s->blocked)
                return 0;
        if (s->state == PERF_STATE_ASKING)
                return s->next_ask_nsec < deadline ? s->next_ask_nsec : deadline;
        if (s->state != PERF_STATE_RUNNING)
                return UINT64_MAX;
        if (!s->sending.active || s->sending.reported)
                return deadline;

        /* Neither a full queue nor a pause of the rate limit outlasts the test. */
        if (s->sending.n_ends == 0 && (s->blocked || next > s->sending.ends_nsec))
                next = s->sending.ends_nsec;
        return next < deadline ? next : deadline;
}

uint64_t perf_stream_cpu_usec(const PerfStream *s) {
        return cpu_usec() - s->begun_cpu_usec;
}

uint64_t perf_stream_cpu_permille(const PerfStream *s, uint64_t now) {
        uint64_t elapsed_usec = (now - s->begun_nsec) / NSEC_PER_USEC;

        return elapsed_usec == 0 ? 0 : perf_stream_cpu_usec(s) * 1000 / elapsed_usec;
}

int perf_stream_new(o7s_flow *flow, const PerfRequest *request, uint64_t test, uint64_t now, PerfStream **ret) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        PerfStream *s;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s) {
                (void) o7s_flow_unref(flow);
                return -ENOMEM;
        }

        s->flow = flow;
        s->reliable = o7s_flow_info(flow, &info) >= 0 && preset_is_reliable(&info.qos_granted);
        s->silence_nsec = s->reliable ? SILENCE_RELIABLE_NSEC : SILENCE_NSEC;
        s->buffer = calloc(1, PERF_CONTROL_BYTES_MAX);
        r = s->buffer ? 0 : -ENOMEM;
        if (r >= 0 && request && (request->mode & PERF_STREAM))
                r = perf_frame_init(&s->frame, request->size);
        if (r < 0) {
                (void) perf_stream_free(s);
                return r;
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
        perf_frame_done(&s->frame);
        free(s->buffer);
        free(s);
        return NULL;
}
