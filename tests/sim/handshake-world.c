/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/handshake-world.h"
#include "tests/sim/trace.h"

static const HandshakeProfile profiles[] = {
        { "open",     {} },
        { "required", { "Encryption=required" }, .required = true },
        { "only o7s", { "Peer=o7s" }, .only_o7s = true },
        { "server",   {}, .certified = true },
        { "mutual",   { "Authentication=mutual" }, .certified = true, .mutual = true },
        { "MAC",      { "Encryption=no" }, .certified = true },
        { "open MAC", { "Encryption=no" } },
        { "old",      { "Cipher=aes-192-gcm" }, .certified = true },     /* the reference's packets */
        { "old open", { "Cipher=aes-192-gcm" } },
        { "friends",  { "AllowPeer=o7s:name:node*" }, .certified = true, .mutual = true },
        { "floor",    { "Cipher=aes-256-gcm" }, .certified = true, .protection = "aes-256-gcm" },
        { "open floor", { "Cipher=aes-256-gcm", "KeyExchange=prime256v1" }, .protection = "aes-256-gcm",
          .key_exchange = "prime256v1" },
};

const char *handshake_deed_to_string(HandshakeDeed deed) {
        static const char *const names[_DEED_MAX] = {
                [DEED_CALL] = "calls",
                [DEED_DELIVER] = "delivered",
                [DEED_REPEAT] = "repeated",
                [DEED_DROP] = "dropped",
                [DEED_REORDER] = "reordered",
                [DEED_MUTATE] = "mutated",
                [DEED_REFLECT] = "reflected",
                [DEED_REDIRECT] = "of other sessions",
                [DEED_REPAIR] = "repaired",
                [DEED_IMPERSONATE] = "answered by Mallory",
                [DEED_WAIT] = "waits",
                [DEED_RESTART] = "restarts",
                [DEED_SET_CLOCK] = "clocks set",
        };

        return names[deed];
}

const char *handshake_world_name(uint8_t node) {
        static const char *const names[] = { "node0", "node1", "node2", "node3", "mallory" };

        return names[node];
}

int handshake_identities_init(HandshakeIdentities *identities, bool cheating) {
        static const char *const uris[] = {
                "o7s:name:node0", "o7s:name:node1", "o7s:name:node2", "o7s:name:node3", "o7s:name:mallory",
        };
        const TestIdentity *anchors[] = { &identities->authority };
        int r;

        *identities = (HandshakeIdentities) {};
        r = test_identity_init(&identities->authority, TEST_KEY_ED25519, "Authority", NULL, false);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(uris); i++)
                r = test_identity_init(identities->nodes + i, TEST_KEY_ED25519,
                                       uris[i == HANDSHAKE_MALLORY && cheating ? 1 : i], &identities->authority, false);
        if (r >= 0)
                r = test_trust_new(anchors, 1, &identities->trust);

        return r < 0 ? -EIO : 0;
}

void handshake_identities_done(HandshakeIdentities *identities) {
        identities->trust = trust_free(identities->trust);
        for (size_t i = 0; i < ELEMENTSOF(identities->nodes); i++)
                test_identity_done(identities->nodes + i);
        test_identity_done(&identities->authority);
}

void handshake_world_init(HandshakeWorld *w, const HandshakeIdentities *identities, uint64_t seed, Verdict *verdict) {
        const HandshakeProfile *common;
        bool alike;

        w->identities = identities;
        w->verdict = verdict;
        w->n_calls = w->n_answers = w->n_messages = 0;
        w->step = w->n_agreed = w->n_refused = w->n_unproven = w->digest = 0;
        w->now_nsec = TEST_NOW_NSEC;
        memset(w->hosts, 0, sizeof(w->hosts));
        memset(w->deeds, 0, sizeof(w->deeds));
        memset(w->delivered, 0, sizeof(w->delivered));
        verdict->seed = seed;

        dice_init(&w->dice, seed, 0);
        w->n_nodes = (uint8_t) dice_between(&w->dice, 2, HANDSHAKE_NODES_MAX);
        alike = dice_chance(&w->dice, 0.7);
        common = profiles + dice_below(&w->dice, ELEMENTSOF(profiles));
        for (uint8_t i = 0; i < w->n_nodes; i++)
                w->profiles[i] = alike ? common : profiles + dice_below(&w->dice, ELEMENTSOF(profiles));
}

void handshake_world_done(HandshakeWorld *w) {
        for (unsigned i = 0; i < w->n_calls; i++)
                test_side_done(&w->calls[i].side);
        for (unsigned i = 0; i < w->n_answers; i++)
                test_side_done(&w->answers[i].side);
        for (unsigned i = 0; i < HANDSHAKE_NODES_MAX; i++)
                w->hosts[i].replay = oap_replay_free(w->hosts[i].replay);
        w->n_calls = w->n_answers = 0;
}

static void note(HandshakeWorld *w, int result, size_t size) {
        Trace trace = { .digest = w->digest };

        trace_mix(&trace, w->step);
        trace_mix(&trace, result < 0);
        trace_mix(&trace, size);
        w->digest = trace.digest;
        w->n_refused += result < 0;
}

/* -- hosts -- */

void handshake_world_wait(HandshakeWorld *w, uint64_t nsec) {
        w->now_nsec += nsec;
        w->deeds[DEED_WAIT]++;
}

void handshake_world_restart(HandshakeWorld *w, uint8_t node) {
        HandshakeHost *host = w->hosts + node;

        host->replay = oap_replay_free(host->replay);
        host->stamp_of_before = host->newest_stamp;
        host->n_starts++;
        w->deeds[DEED_RESTART]++;
}

void handshake_world_set_clock(HandshakeWorld *w, uint8_t node, int64_t by_nsec) {
        w->hosts[node].clock_nsec += by_nsec;
        w->deeds[DEED_SET_CLOCK]++;
}

static uint64_t clock_of(const HandshakeWorld *w, uint8_t node) {
        return node == HANDSHAKE_MALLORY ? w->now_nsec : w->now_nsec + (uint64_t) w->hosts[node].clock_nsec;
}

/* Whether its host has seen this request before, as o7s-irm asks after o7s-auth has taken it. */
static int check_replay(HandshakeWorld *w, uint8_t node, const Handshake *h) {
        static const uint8_t key[SIPHASH_KEY_BYTES] = "handshakes";
        const OapHeader *header = handshake_header(h);
        HandshakeHost *host = w->hosts + node;
        AuthPeer peer;
        int r;

        handshake_peer(h, &peer);
        if (peer.verified && header->timestamp <= host->stamp_of_before)
                return -EEXIST;
        if (!host->replay && oap_replay_new(key, &host->replay) < 0)
                return -ENOMEM;

        r = oap_replay_check(host->replay, header, peer.verified, clock_of(w, node));
        if (r >= 0 && peer.verified)
                host->newest_stamp = MAX(host->newest_stamp, header->timestamp);
        return r;
}

/* -- sides -- */

static void set_binding(uint8_t ret[64], size_t *ret_size, const HandshakeWay *way, bool response) {
        const uint8_t bytes[] = { response ? 'R' : 'Q', way->from, way->to, way->call, response ? way->answer : 0 };

        memcpy(ret, bytes, sizeof(bytes));
        *ret_size = sizeof(bytes);
}

/* Of a host, by its profile; Mallory wants nothing, and may show what she has. */
static int start(HandshakeWorld *w, TestSide *side, bool server, uint8_t node, uint8_t name) {
        const HandshakeProfile *profile = node == HANDSHAKE_MALLORY ? &profiles[0] : w->profiles[node];
        bool shows = node == HANDSHAKE_MALLORY ? dice_chance(&w->dice, 0.5) : profile->certified;
        uint8_t random[HANDSHAKE_RANDOM_BYTES];
        int r;

        dice_bytes(&w->dice, random, sizeof(random));
        r = test_side_init(side, server, handshake_world_name(name), shows ? w->identities->nodes + node : NULL,
                           node != HANDSHAKE_MALLORY && profile->certified ? w->identities->trust : NULL,
                           profile->settings);
        side->now = clock_of(w, node);
        if (r >= 0)
                r = test_side_start(side, random, NULL);
        if (r < 0)
                test_side_done(side);

        return r;
}

static void say(HandshakeWorld *w, const HandshakeMessage *m) {
        if (w->n_messages < HANDSHAKE_MESSAGES_MAX)
                w->messages[w->n_messages++] = *m;
}

void handshake_world_call(HandshakeWorld *w, bool by_mallory) {
        HandshakeCall *call = w->calls + w->n_calls;
        HandshakeWay way = { .call = (uint8_t) w->n_calls };
        ssize_t n;

        if (w->n_calls == HANDSHAKE_CALLS_MAX)
                return;

        way.to = (uint8_t) dice_below(&w->dice, w->n_nodes);
        way.from = by_mallory ? HANDSHAKE_MALLORY
                              : (uint8_t) ((way.to + 1 + dice_below(&w->dice, w->n_nodes - 1U)) % w->n_nodes);
        call->from = way.from;
        call->to = way.to;
        if (start(w, &call->side, false, way.from, way.to) < 0)
                return;

        w->n_calls++;
        w->deeds[DEED_CALL]++;
        set_binding(call->side.binding, &call->side.binding_size, &way, false);
        call->request.response = false;
        call->request.way = way;
        n = test_side_request(&call->side, call->request.bytes, sizeof(call->request.bytes));
        note(w, n < 0 ? (int) n : 0, n < 0 ? 0 : (size_t) n);
        if (n < 0) {
                verdict_fail(w->verdict, w->step, "%s cannot ask: %zd", handshake_world_name(way.from), n);
                return;
        }

        call->request.size = (size_t) n;
        say(w, &call->request);
}

static void deliver_request(HandshakeWorld *w, const HandshakeMessage *m, bool for_mallory) {
        HandshakeAnswer *a = w->answers + w->n_answers;
        ssize_t n;
        int r;

        if (w->n_answers == HANDSHAKE_ANSWERS_MAX || m->way.to >= w->n_nodes)
                return;
        if (start(w, &a->side, true, for_mallory ? HANDSHAKE_MALLORY : m->way.to, m->way.to) < 0)
                return;

        a->at = m->way.to;
        a->mallory = for_mallory;
        a->n_starts = for_mallory ? 0 : w->hosts[a->at].n_starts;
        a->request = *m;
        set_binding(a->side.seen, &a->side.seen_size, &m->way, false);
        r = test_side_check_request(&a->side, m->bytes, m->size);
        if (r >= 0 && !for_mallory)
                r = check_replay(w, a->at, a->side.h);
        note(w, r, m->size);
        if (r < 0) {
                test_side_done(&a->side);
                return;
        }

        a->response.response = true;
        a->response.way = (HandshakeWay) { m->way.to, m->way.from, m->way.call, (uint8_t) w->n_answers };
        set_binding(a->side.binding, &a->side.binding_size, &a->response.way, true);
        n = test_side_response(&a->side, a->response.bytes, sizeof(a->response.bytes));
        w->n_answers++;
        if (n < 0) {
                verdict_fail(w->verdict, w->step, "%s accepts a request and cannot answer: %zd",
                             handshake_world_name(a->at), n);
                return;
        }

        a->response.size = (size_t) n;
        handshake_check_answer(w, a);
        say(w, &a->response);
}

static void deliver_response(HandshakeWorld *w, const HandshakeMessage *m) {
        HandshakeCall *call = w->calls + m->way.call;
        int r;

        if (m->way.call >= w->n_calls || call->from != m->way.to)
                return;

        set_binding(call->side.seen, &call->side.seen_size, &m->way, true);
        r = test_side_check_response(&call->side, m->bytes, m->size);
        note(w, r, m->size);
        if (r >= 0)
                handshake_check_call(w, call, m);
}

void handshake_world_deliver(HandshakeWorld *w, const HandshakeMessage *m, bool for_mallory) {
        if (m->response)
                deliver_response(w, m);
        else
                deliver_request(w, m, for_mallory);
}
