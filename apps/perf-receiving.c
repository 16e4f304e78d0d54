/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The receiving half of a flow under test, and what both halves do with the messages that come. */

#include <stdlib.h>

#include "apps/perf-stream.h"
#include "apps/units.h"

#define INBOX_BYTES (4U * 1048576U)
#define REQUEST_ROOM_BYTES 1024U
#define ECHO_TYPE_OFFSET 5U
#define RTT_MAX_NSEC (30ULL * NSEC_PER_SEC)

static void settle(PerfStream *s) {
        bool sent = !s->sending.active || s->sending.reported,
             received = !s->receiving.active || s->receiving.ended;

        if (s->state == PERF_STATE_RUNNING && sent && received)
                s->state = PERF_STATE_DONE;
}

static void receive_data(PerfStream *s, const PerfMessage *message, size_t size, uint64_t now) {
        if (!s->receiving.active || s->receiving.ended)
                return;

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
        int r;

        if (s->asker)
                return 0;

        if (s->state == PERF_STATE_WAITING) {
                s->test = message->test;
                s->request = message->request;

                r = perf_stream_begin(s, now);
                if (r < 0)
                        return r;
        }

        if (message->test == s->test)
                perf_stream_say(s, PERF_ACCEPT);
        return 0;
}

static int receive_probe(PerfStream *s, const PerfMessage *message, uint8_t *raw, size_t size, uint64_t now) {
        ssize_t n;

        if (!s->receiving.active)
                return 0;

        receive_data(s, message, size, now);
        raw[ECHO_TYPE_OFFSET] = PERF_ECHO;
        n = perf_sending_put(s, raw, size);
        return n < 0 ? (int) n : 0;
}

/* An echo counts if it is that of the last probe, and the time in it can be one that we wrote there. */
static void receive_echo(PerfStream *s, const PerfMessage *message, uint64_t now) {
        uint64_t rtt = now - message->sent_nsec;

        if (!s->sending.active || message->sequence != s->sending.n_messages || s->rtt.n >= s->sending.n_messages ||
            rtt > RTT_MAX_NSEC)
                return;

        histogram_add(&s->rtt, rtt);
        if (s->sending.n_ends == 0)
                s->sending.next_nsec = now;
}

/* What cannot be, such as a report that nobody asked for, changes nothing. */
static int receive_message(PerfStream *s, const PerfMessage *message, uint8_t *raw, size_t size, uint64_t now) {
        int r = 0;

        if (message->type == PERF_REQUEST)
                return receive_request(s, message, now);
        if (s->state == PERF_STATE_WAITING || message->test != s->test)
                return 0;

        /* Anything else from the other side of our test says that it accepted, even where ACCEPT itself got lost. */
        if (s->state == PERF_STATE_ASKING) {
                r = perf_stream_begin(s, now);
                if (r < 0)
                        return r;
        }

        switch (message->type) {
        case PERF_DATA:
                receive_data(s, message, size, now);
                break;
        case PERF_PROBE:
                r = receive_probe(s, message, raw, size, now);
                break;
        case PERF_ECHO:
                receive_echo(s, message, now);
                break;
        case PERF_END:
                if (!s->receiving.active)
                        break;
                s->receiving.ended = true;
                s->receiving.end = message->end;
                perf_stream_say(s, PERF_REPORT);
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

        if (now + s->silence_nsec > s->give_up_nsec)
                s->give_up_nsec = now + s->silence_nsec;
        settle(s);
        return r;
}

static int receive_bytes(PerfStream *s, uint64_t now) {
        PerfMessage message;
        uint8_t *raw;
        size_t size;
        ssize_t n;
        void *room;
        int r, n_messages = 0;

        room = perf_frame_room(&s->frame, &size);
        n = o7s_flow_read(s->flow, room, size);
        if (n < 0)
                return n == -EAGAIN ? 0 : (int) n;
        perf_frame_add(&s->frame, (size_t) n);

        while ((r = perf_frame_next(&s->frame, &message, &raw, &size)) > 0) {
                r = receive_message(s, &message, raw, size, now);
                if (r < 0)
                        return r;
                n_messages++;
        }

        return r < 0 ? r : n_messages;
}

/* Entries larger than a message by one byte at least: so no message goes on in the next entry. */
static int receive_batch(PerfStream *s, PerfInbox *inbox, uint64_t now) {
        size_t size = s->state == PERF_STATE_WAITING ? REQUEST_ROOM_BYTES : s->request.size + PERF_CONTROL_BYTES_MAX;
        unsigned n_entries = INBOX_BYTES / size < PERF_BATCH ? (unsigned) (INBOX_BYTES / size) : PERF_BATCH;
        int n, r;

        for (unsigned i = 0; i < n_entries; i++)
                inbox->messages[i] = (o7s_msg) { .data = inbox->memory + i * size, .capacity = size };

        n = o7s_flow_read_batch(s->flow, inbox->messages, n_entries);
        if (n < 0)
                return n == -EAGAIN ? 0 : n;

        for (int i = 0; i < n; i++) {
                const o7s_msg *raw = &inbox->messages[i];
                PerfMessage message;

                if (perf_message_parse(raw->data, raw->size, &message) < 0)
                        continue;

                r = receive_message(s, &message, raw->data, raw->size, now);
                if (r < 0)
                        return r;
        }

        return n;
}

int perf_stream_receive(PerfStream *s, PerfInbox *inbox, uint64_t now) {
        return s->frame.memory ? receive_bytes(s, now) : receive_batch(s, inbox, now);
}

int perf_inbox_init(PerfInbox *inbox) {
        inbox->memory = malloc(INBOX_BYTES);
        return inbox->memory ? 0 : -ENOMEM;
}

void perf_inbox_done(PerfInbox *inbox) {
        free(inbox->memory);
        inbox->memory = NULL;
}
