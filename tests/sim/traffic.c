/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/traffic-internal.h"

#define ATTEMPT_USEC (3 * USEC_PER_SEC)
#define QUERIES_MAX 3U
#define QUERY_AGAIN_USEC USEC_PER_SEC
#define MESSAGE_INTERVAL_USEC (20 * USEC_PER_MSEC)
#define CLOSE_DELAY_USEC USEC_PER_SEC /* after the last message, for those still under way */
#define MESSAGES_MAX 64U

Exchange *exchange_get(const Traffic *t, uint64_t id) {
        return id >= t->first_id && id - t->first_id < t->n_exchanges ? t->exchanges[id - t->first_id]
                                                                      : NULL;
}

static LayerFlow *client_flow(const Exchange *e) {
        return e->client ? traffic_flow_of(e->client, e->id << 4, e->attempt, LAYER_FLOW_ESTABLISHED) : NULL;
}

static void abort_others(Exchange *e, unsigned keep) {
        for (unsigned i = 0; i < e->n_attempts; i++)
                if (i != keep && e->client)
                        order_plan(e->traffic, &(Order) {.member = e->client,
                                                        .type = ORDER_ABORT,
                                                        .flow_id = e->id << 4,
                                                        .attempt = i});
}

/* -- the client's steps -- */

static void step_ask(Exchange *e, usec_t now) {
        if (e->n_queries++ == QUERIES_MAX) {
                e->state = EXCHANGE_FAILED;
                return;
        }

        unicast_query(&e->client->unicast, e->id, e->server->application, MEMBER_HASH_BYTES, now);
}

static void step_allocate(Exchange *e, usec_t now) {
        Traffic *t = e->traffic;

        if (e->n_attempts == ATTEMPTS_MAX) {
                e->state = EXCHANGE_FAILED;
                abort_others(e, ATTEMPTS_MAX);
                return;
        }

        t->order = (LayerMessage) {
                .type = LAYER_REQUEST,
                .flow_id = e->id << 4,
                .attempt = e->n_attempts,
                .qos = O7S_QOS_RAW,
                .hash_size = MEMBER_HASH_BYTES,
                .oap_size = OAP_REQUEST_BYTES,
        };
        memcpy(t->order.hash, e->server->application, MEMBER_HASH_BYTES);
        memcpy(t->order.oap, &e->id, sizeof(e->id)); /* the first half of the id */
        memcpy(t->order.oap + sizeof(e->id), &(uint64_t) {e->n_attempts}, sizeof(uint64_t));
        e->n_attempts++;
        timeline_set(&t->world->timeline, &e->event, now + ATTEMPT_USEC);
        unicast_request(&e->client->unicast, &t->order, now);
}

static void step_talk(Exchange *e, usec_t now) {
        Traffic *t = e->traffic;
        Content content = { .id = e->id, .number = e->n_sent };
        LayerFlow *flow = client_flow(e);

        if (!flow) {
                e->state = EXCHANGE_FAILED;
                return;
        }

        if (e->n_sent < e->n_messages) {
                if (traffic_send(t, e->client, flow, &content))
                        e->n_sent++;
                timeline_set(&t->world->timeline, &e->event,
                             now + (e->n_sent < e->n_messages ? MESSAGE_INTERVAL_USEC : CLOSE_DELAY_USEC));
                return;
        }

        unicast_close(&e->client->unicast, flow, now);
        e->state = EXCHANGE_CLOSED;
}

static void exchange_happen(TimelineEvent *event, usec_t now) {
        Exchange *e = container_of(event, Exchange, event);

        if (!e->client || !e->server)
                return;

        switch (e->state) {

        case EXCHANGE_ASKING:
                step_ask(e, now);
                break;

        case EXCHANGE_ALLOCATING:
                step_allocate(e, now);
                break;

        case EXCHANGE_TALKING:
                step_talk(e, now);
                break;

        case EXCHANGE_CLOSED:
        case EXCHANGE_FAILED:
                return;
        }

        member_plan(e->client);
}

static const TimelineKind exchange_kind = { .happen = exchange_happen };

/* -- what cores report -- */

void traffic_query_done(Traffic *t, Member *m, uint64_t query_id, int32_t result) {
        Exchange *e = exchange_get(t, query_id);

        if (!e || e->client != m || e->state != EXCHANGE_ASKING)
                return;

        e->error = result;
        if (result >= 0) {
                e->found = true;
                e->state = EXCHANGE_ALLOCATING;
        }
        timeline_set(&t->world->timeline, &e->event,
                     t->world->timeline.now + (result >= 0 ? 0 : QUERY_AGAIN_USEC));
}

int traffic_reply(Traffic *t, Member *m, LayerFlow *flow, int32_t result) {
        uint64_t id = flow->key.flow_id >> 4;
        Order order = { .member = m, .flow_id = flow->key.flow_id, .attempt = (uint32_t) flow->key.attempt };
        Exchange *e = exchange_get(t, id);

        if (result < 0) {
                if (e && e->client == m)
                        e->error = result; /* the next attempt follows in its time */
                return 0;
        }

        order.type = ORDER_ESTABLISH;
        if (!(flow->key.flow_id & SERVER_END)) {
                if (!e || e->state != EXCHANGE_ALLOCATING || e->allocated) {
                        order.type = ORDER_ABORT;
                } else {
                        e->allocated = true; /* the first answer wins */
                        e->attempt = order.attempt;
                        abort_others(e, e->attempt);
                }
        }

        order_plan(t, &order);
        return 0;
}

void traffic_failed(Traffic *t, Member *m, uint64_t flow_id, uint32_t attempt, int32_t result) {
        Exchange *e = exchange_get(t, flow_id >> 4);

        if (e && e->client == m)
                e->error = result; /* the next attempt follows in its time */
}

void traffic_incoming(Traffic *t, Member *m, uint64_t reference, const uint8_t *hash, size_t hash_size,
                      const uint8_t *oap, size_t oap_size) {
        World *w = t->world;
        uint64_t id, attempt;

        verdict_checked(&w->verdict);
        if (hash_size != MEMBER_HASH_BYTES || memcmp(hash, m->application, hash_size) != 0)
                return verdict_fail(&w->verdict, w->timeline.now,
                                    "%s: a request for a name that it did not register", m->name);
        if (oap_size != OAP_REQUEST_BYTES)
                return verdict_fail(&w->verdict, w->timeline.now, "%s: an OAP request of %zu bytes, not %u",
                                    m->name, oap_size, OAP_REQUEST_BYTES);

        memcpy(&id, oap, sizeof(id));
        memcpy(&attempt, oap + sizeof(id), sizeof(attempt));
        order_plan(t, &(Order) {
                              .member = m,
                              .type = ORDER_ACCEPT,
                              .reference = reference,
                              .flow_id = id << 4 | SERVER_END | (attempt & 7),
                      });
}

void traffic_down(Traffic *t, Member *m, LayerFlow *flow) {
        Exchange *e = exchange_get(t, flow->key.flow_id >> 4);

        if (!e)
                return;

        if (flow->key.flow_id & SERVER_END) {
                if ((flow->key.flow_id & 7) == e->attempt)
                        e->closed = true;
        } else if (e->state == EXCHANGE_TALKING) {
                e->state = EXCHANGE_FAILED;
        }
}

static void note_arrival(Exchange *e, uint64_t *seen, uint32_t number) {
        uint64_t bit = UINT64_C(1) << number;

        if (*seen & bit)
                e->n_duplicates++;
        else if (*seen >= bit)
                e->n_overtaken++;
        *seen |= bit;
}

static void deliver_one(Traffic *t, Member *m, uint64_t flow_id, const Packet *packet) {
        World *w = t->world;
        bool server = flow_id & SERVER_END;
        Exchange *e = exchange_get(t, flow_id >> 4);
        Content content;

        verdict_checked(&w->verdict);
        if (packet_size(packet) != sizeof(content))
                return verdict_fail(&w->verdict, w->timeline.now,
                                    "%s: a message of %zu bytes that nobody sent", m->name,
                                    packet_size(packet));

        memcpy(&content, packet->head, sizeof(content));
        if (content.id != flow_id >> 4 || (content.end == SERVER_END) == server)
                return verdict_fail(&w->verdict, w->timeline.now,
                                    "%s: a message of exchange %" PRIu64 " in a flow of %" PRIu64, m->name,
                                    content.id, flow_id >> 4);
        if (!e)
                return;
        if (content.number >= e->n_messages)
                return verdict_fail(&w->verdict, w->timeline.now, "%s: message %" PRIu32 " that nobody sent",
                                    m->name, content.number);

        if (!server)
                return note_arrival(e, &e->returned, content.number);

        note_arrival(e, &e->arrived, content.number);
        content.end = SERVER_END;
        order_plan(t, &(Order) { .member = m, .type = ORDER_RETURN, .flow_id = flow_id, .content = content });
}

void traffic_deliver(Traffic *t, Member *m, UnicastFlow *flow, Packet *const *packets, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                if (packet_size(packets[i]) > 0) /* an empty one only says that the peer lives */
                        deliver_one(t, m, flow->layer.key.flow_id, packets[i]);
}

void traffic_member_gone(Traffic *t, Member *m) {
        for (size_t i = 0; i < t->n_exchanges; i++) {
                Exchange *e = t->exchanges[i];

                if (e->client == m)
                        e->client = NULL;
                if (e->server == m)
                        e->server = NULL;
        }
}

/* -- exchanges -- */

int traffic_start(Traffic *t, Member *client, Member *server, unsigned n_messages) {
        Exchange *e;

        if (t->n_exchanges == t->n_allocated) {
                size_t n = t->n_allocated > 0 ? 2 * t->n_allocated : 64;
                Exchange **exchanges;

                exchanges = realloc(t->exchanges, n * sizeof(Exchange *));
                if (!exchanges)
                        return -ENOMEM;

                t->exchanges = exchanges;
                t->n_allocated = n;
        }

        e = malloc(sizeof(*e));
        if (!e)
                return -ENOMEM;

        *e = (Exchange) {
                .traffic = t,
                .event.kind = &exchange_kind,
                .id = t->first_id + t->n_exchanges,
                .client = client,
                .server = server,
                .begin = t->world->timeline.now,
                .n_messages = MIN(n_messages, MESSAGES_MAX),
        };
        t->exchanges[t->n_exchanges++] = e;
        timeline_set(&t->world->timeline, &e->event, t->world->timeline.now);
        return 0;
}

static int compare_usec(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static void sum_up(const Exchange *e, TrafficResult *r, usec_t *times) {
        r->n++;
        r->n_found += e->found;
        r->n_closed += e->allocated && e->closed;
        r->n_sent += e->n_sent;
        r->n_arrived += (unsigned) __builtin_popcountll(e->arrived);
        r->n_returned += (unsigned) __builtin_popcountll(e->returned);
        r->n_duplicates += e->n_duplicates;
        r->n_overtaken += e->n_overtaken;
        if (e->allocated)
                times[r->n_allocated++] = e->allocation_usec;
}

static void exchange_end(Exchange *e, bool must) {
        World *w = e->traffic->world;
        usec_t now = w->timeline.now;
        LayerFlow *flow = client_flow(e);

        timeline_cancel(&w->timeline, &e->event);
        if (must && e->client && e->server) {
                verdict_checked(&w->verdict);
                if (!e->found)
                        verdict_fail(&w->verdict, now, "%s does not find the name of %s (%i)",
                                     e->client->name, e->server->name, e->error);
                else if (!e->allocated)
                        verdict_fail(&w->verdict, now, "%s gets no flow to %s after %u attempts (%i)",
                                     e->client->name, e->server->name, e->n_attempts, e->error);
        }

        if (flow) {
                unicast_close(&e->client->unicast, flow, now);
                member_plan(e->client);
        }
        for (unsigned i = 0; i < ATTEMPTS_MAX && e->server; i++) {
                flow = traffic_flow_of(e->server, e->id << 4 | SERVER_END | i, 0, LAYER_FLOW_ESTABLISHED);
                if (!flow)
                        continue;
                unicast_close(&e->server->unicast, flow, now);
                member_plan(e->server);
        }
        if (!e->allocated)
                abort_others(e, ATTEMPTS_MAX);
}

void traffic_finish(Traffic *t, bool must, TrafficResult *ret) {
        _cleanup_free_ usec_t *times = NULL;

        *ret = (TrafficResult) {};
        times = calloc(t->n_exchanges + 1, sizeof(*times));
        if (!times)
                return;

        for (size_t i = 0; i < t->n_exchanges; i++) {
                if (t->exchanges[i]->client && t->exchanges[i]->server)
                        sum_up(t->exchanges[i], ret, times);
                exchange_end(t->exchanges[i], must);
                free(t->exchanges[i]);
        }

        t->first_id += t->n_exchanges;
        t->n_exchanges = 0;

        if (ret->n_allocated > 0) {
                qsort(times, ret->n_allocated, sizeof(*times), compare_usec);
                ret->allocation_median_usec = times[ret->n_allocated / 2];
                ret->allocation_max_usec = times[ret->n_allocated - 1];
        }
}

Traffic *traffic_free(Traffic *t) {
        if (!t)
                return NULL;

        t->world->traffic = NULL;
        for (size_t i = 0; i < t->n_exchanges; i++) {
                timeline_cancel(&t->world->timeline, &t->exchanges[i]->event);
                free(t->exchanges[i]);
        }
        free(t->exchanges);
        packet_free(t->packet);
        return mfree(t);
}

int traffic_new(World *w, Traffic **ret) {
        Traffic *t;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;

        t->world = w;
        t->first_id = 1;
        r = packet_new(NETWORK_PACKET_MAX, &t->packet);
        if (r < 0) {
                free(t);
                return r;
        }

        w->traffic = t;
        *ret = t;
        return 0;
}
