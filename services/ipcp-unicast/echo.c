/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers probes, and asks with them; see echo.h. */

#include "services/ipcp-unicast/echo.h"

static int echo_get(Unicast *u, Echo **ret) {
        if (!u->echo) {
                Echo *echo = malloc(sizeof(*echo));

                if (!echo)
                        return -ENOMEM;

                limit_init(&echo->limit, u->config.key, ECHO_SENDER_RATE, ECHO_SENDER_BURST, ECHO_TOTAL_RATE,
                           ECHO_TOTAL_BURST);
                list_init(&echo->traces);
                echo->n_traces = 0;
                u->echo = echo;
        }

        *ret = u->echo;
        return 0;
}

Echo *echo_free(Echo *echo) {
        if (!echo)
                return NULL;

        while (!list_is_empty(&echo->traces))
                echo_trace_free(list_first(&echo->traces, EchoTrace, by_echo));

        return mfree(echo);
}

/* -- answering -- */

/* Whatever its neighbour and cube: it waits because of us. */
static uint32_t packets_waiting(const Unicast *u) {
        const Neighbour *n;
        uint32_t sum = 0;

        list_for_each(n, &u->neighbours, by_unicast)
                for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                        sum += n->queues[cube].n;

        return sum;
}

static void answer(Unicast *u, const EchoMessage *probe, bool destination, usec_t now) {
        EchoMessage message = {
                .code = ECHO_ANSWER,
                .destination = destination,
                .sequence = probe->sequence,
                .cookie = probe->cookie,
                .address = u->address,
                .queue = packets_waiting(u),
        };
        uint8_t bytes[ECHO_MESSAGE_BYTES];
        Echo *echo;

        if (echo_get(u, &echo) < 0)
                return counters_drop(&u->counters, DROP_NO_MEMORY);
        if (!limit_take(&echo->limit, &probe->address, sizeof(probe->address), now))
                return counters_drop(&u->counters, DROP_LIMIT);

        (void) copy_string(message.member, sizeof(message.member), u->config.member);
        echo_message_pack(&message, bytes);
        (void) unicast_send_message(u, probe->address, EID_ECHO, bytes, sizeof(bytes), now);
}

void echo_expired(Unicast *u, const uint8_t *data, size_t size, const LowerFlow *from, usec_t now) {
        EchoMessage message;

        /* An answer that ends here ends in silence, or two members could keep each other busy. */
        if (echo_message_parse(data, size, &message) >= 0 && message.code == ECHO_PROBE)
                answer(u, &message, false, now);
}

/* -- asking -- */

static EchoTrace *find_trace(Unicast *u, const EchoMessage *message) {
        EchoTrace *trace;

        if (!u->echo)
                return NULL;

        list_for_each(trace, &u->echo->traces, by_echo)
                if (trace->cookie == message->cookie)
                        return trace;

        return NULL;
}

static uint32_t sequence_of(unsigned hop, unsigned round) {
        return (uint32_t) hop << 16 | (uint32_t) round;
}

static void send_probe(Unicast *u, EchoTrace *trace, unsigned hop, usec_t now) {
        const Pci pci = { .destination = trace->destination, .ttl = (uint8_t) (hop + 1), .eid = EID_ECHO };
        const EchoMessage message = {
                .code = ECHO_PROBE,
                .sequence = sequence_of(hop, trace->n_rounds),
                .cookie = trace->cookie,
                .address = u->address,
        };
        EchoHop *h = &trace->hops[hop];
        uint8_t *bytes;

        h->sent[h->n_sent++] = now;

        packet_reset(u->message);
        bytes = packet_append(u->message, ECHO_MESSAGE_BYTES);
        assert(bytes);                          /* made for the messages of the directory */
        echo_message_pack(&message, bytes);

        if (pci_push(&u->format, u->message, &pci) >= 0)
                unicast_forward(u, u->message, &pci, NULL, now);
}

/* A round that has all its probes is complete; then when the next one, or the end, is due. */
static void round_on(EchoTrace *trace, usec_t now) {
        if (trace->next_hop >= trace->n_hops) {
                trace->next_hop = 0;
                trace->n_rounds++;
        }

        trace->next = usec_add(now, trace->n_rounds < trace->n_probes ? ECHO_INTERVAL_USEC / trace->n_hops
                                                                      : ECHO_TIMEOUT_USEC);
}

/* One after the other: answers to a burst would wait for each other, and all hops look equally far. */
static void send_next(Unicast *u, EchoTrace *trace, usec_t now) {
        send_probe(u, trace, trace->next_hop, now);

        trace->next_hop++;
        round_on(trace, now);
}

static int compare_usec(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

usec_t echo_hop_quantile(const EchoHop *hop, unsigned n) {
        if (hop->n_answered == 0)
                return 0;

        return hop->rtt_usec[(hop->n_answered - 1) * MIN(n, 100U) / 100];
}

static void finish(EchoTrace *trace) {
        for (unsigned i = 0; i < trace->n_hops; i++)
                qsort(trace->hops[i].rtt_usec, trace->hops[i].n_answered, sizeof(usec_t), compare_usec);

        trace->done(trace->userdata, trace);
        echo_trace_free(trace);
}

static bool is_complete(const EchoTrace *trace) {
        if (trace->n_rounds < trace->n_probes)
                return false;

        for (unsigned i = 0; i < trace->n_hops; i++)
                if (trace->hops[i].n_answered < trace->n_probes)
                        return false;

        return true;
}

static void answered(EchoTrace *trace, const EchoMessage *message, usec_t now) {
        unsigned hop = message->sequence >> 16, round = message->sequence & UINT16_MAX;
        EchoHop *h;

        if (hop >= trace->n_hops || round >= trace->hops[hop].n_sent || trace->hops[hop].sent[round] == USEC_INFINITY)
                return;

        h = &trace->hops[hop];
        h->rtt_usec[h->n_answered++] = usec_sub(now, h->sent[round]);
        h->sent[round] = USEC_INFINITY;         /* a second answer to the same probe is none */
        h->queue = MAX(h->queue, message->queue);
        h->address = message->address;
        (void) copy_string(h->member, sizeof(h->member), message->member);

        /* The way became shorter than routing thought: what is behind the destination is it once more. */
        if (message->destination) {
                trace->reached = true;
                if (hop + 1 < trace->n_hops) {
                        trace->n_hops = hop + 1;
                        round_on(trace, now);
                }
        }

        if (is_complete(trace))
                finish(trace);
}

void echo_receive(Unicast *u, const uint8_t *data, size_t size, const LowerFlow *from, usec_t now) {
        EchoMessage message;
        EchoTrace *trace;

        if (echo_message_parse(data, size, &message) < 0)
                return counters_drop(&u->counters, DROP_MALFORMED);
        if (message.code == ECHO_PROBE)
                return answer(u, &message, true, now);

        trace = find_trace(u, &message);
        if (trace)
                answered(trace, &message, now);
}

EchoTrace *echo_trace_free(EchoTrace *trace) {
        if (!trace)
                return NULL;

        list_unlink(&trace->by_echo);
        trace->unicast->echo->n_traces--;
        return mfree(trace);
}

/* How far it is, by the last computation; 0: no way. */
static unsigned distance(const Unicast *u, uint64_t destination) {
        const Route *routes;
        size_t n;

        routes = routing_routes(u->routing, &n);
        for (size_t i = 0; i < n; i++)
                if (routes[i].destination == destination)
                        return MIN(routes[i].n_links, ECHO_HOPS_MAX);

        return 0;
}

int echo_trace_start(Unicast *u, uint64_t destination, unsigned n_probes, echo_traced_t done, void *userdata,
                     usec_t now, EchoTrace **ret) {
        EchoTrace *trace;
        unsigned n_hops;
        uint64_t cookie;
        Echo *echo;
        int r;

        if (!u->is_member)
                return -ENOTCONN;
        if (destination == u->address || n_probes > ECHO_PROBES_MAX)
                return -EINVAL;

        n_hops = distance(u, destination);
        if (n_hops == 0)
                return -EHOSTUNREACH;

        r = echo_get(u, &echo);
        if (r < 0)
                return r;
        if (echo->n_traces >= ECHO_TRACES_MAX)
                return -EBUSY;

        r = u->events->random(u->userdata, &cookie, sizeof(cookie));
        if (r < 0)
                return r;

        trace = calloc(1, sizeof(*trace));
        if (!trace)
                return -ENOMEM;

        trace->unicast = u;
        trace->destination = destination;
        trace->cookie = cookie;
        trace->n_hops = n_hops;
        trace->n_probes = n_probes > 0 ? n_probes : ECHO_PROBES_DEFAULT;
        trace->done = done;
        trace->userdata = userdata;
        list_append(&echo->traces, &trace->by_echo);
        echo->n_traces++;

        *ret = trace;
        send_next(u, trace, now);
        return 0;
}

/* -- time -- */

void echo_expire(Unicast *u, usec_t now) {
        EchoTrace *trace, *following;

        if (!u->echo)
                return;

        list_for_each_safe(trace, following, &u->echo->traces, by_echo) {
                if (trace->next > now)
                        continue;
                if (u->is_member && trace->n_rounds < trace->n_probes)
                        send_next(u, trace, now);
                else
                        finish(trace);
        }
}

usec_t echo_next(const Unicast *u) {
        const EchoTrace *trace;
        usec_t next = USEC_INFINITY;

        if (u->echo)
                list_for_each(trace, &u->echo->traces, by_echo)
                        next = MIN(next, trace->next);

        return next;
}
