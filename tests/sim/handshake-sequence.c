/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A sequence is a dozen events or two: a host calls, and Mallory, through whose hands everything goes, does with any
 * message ever said what she likes. To drop one is not to do anything with it; to reorder, to take another first. In
 * between time passes, and hosts start again and have their clocks set.
 */

#include "tests/sim/handshake-sequence.h"
#include "tests/sim/trace.h"

#define ALL_DEEDS_RUNS 1000U            /* so many sequences do everything at least once */
#define STEPS_MIN 3U
#define STEPS_MAX 14U

/* -- what may be done to bytes -- */

static void flip(HandshakeWorld *w, HandshakeMessage *m) {
        for (uint64_t n = dice_between(&w->dice, 1, 3); n > 0; n--)
                m->bytes[dice_below(&w->dice, m->size)] ^= (uint8_t) (1U << dice_below(&w->dice, 8));
}

static void cut_or_grow(HandshakeWorld *w, HandshakeMessage *m) {
        size_t size = dice_between(&w->dice, 1, MIN(m->size + 40, (size_t) HANDSHAKE_BYTES_MAX));

        if (size > m->size)
                dice_bytes(&w->dice, m->bytes + m->size, size - m->size);
        m->size = size;
}

/* A piece of another message, at the same place. */
static void splice(HandshakeWorld *w, HandshakeMessage *m) {
        const HandshakeMessage *other = w->messages + dice_below(&w->dice, w->n_messages);
        size_t common = MIN(m->size, other->size), from = dice_below(&w->dice, common),
               n = dice_between(&w->dice, 1, common - from);

        memcpy(m->bytes + from, other->bytes + from, n);
}

/* Digest of a request as its answer has it; 0: there is none. */
static size_t request_hash(const HandshakeMessage *request, uint8_t ret[HASH_BYTES_MAX]) {
        OapHeader header;
        int algorithm;
        ssize_t n;

        if (oap_header_parse(request->bytes, request->size, 0, &header) < 0)
                return 0;
        algorithm = oap_digest_to_hash(header.digest);
        if (algorithm < 0)
                return 0;

        n = hash_compute((HashAlgorithm) algorithm, request->bytes, request->size, ret);
        return n < 0 ? 0 : (size_t) n;
}

/* The parts of a message, as one who knows the protocol sees them. */
static bool take_apart(const HandshakeWorld *w, const HandshakeMessage *m, HandshakeMessage *copy, OapHeader *ret,
                       size_t *ret_hash_size) {
        uint8_t hash[HASH_BYTES_MAX];

        *copy = *m;
        *ret_hash_size =
                m->response && m->way.call < w->n_calls ? request_hash(&w->calls[m->way.call].request, hash) : 0;
        return oap_header_parse(copy->bytes, copy->size, *ret_hash_size, ret) >= 0;
}

static void put_together(HandshakeMessage *m, const OapHeader *header) {
        ssize_t n = oap_header_pack(header, m->bytes, sizeof(m->bytes));

        if (n > 0)
                m->size = (size_t) n;
}

enum {
        CUNNING_STRIP_EXTENSION,
        CUNNING_STRIP_CERTIFICATE,
        CUNNING_STRIP_KEY,
        CUNNING_SWAP_DATA,
        CUNNING_SWAP_KEY,
        CUNNING_SWAP_CERTIFICATE,
        CUNNING_WEAKEN,
        _CUNNING_MAX,
};

static void be_cunning(HandshakeWorld *w, HandshakeMessage *m) {
        HandshakeMessage copy, other_copy;
        OapHeader header, other;
        size_t hash_size, other_hash_size;

        if (!take_apart(w, m, &copy, &header, &hash_size) ||
            !take_apart(w, w->messages + dice_below(&w->dice, w->n_messages), &other_copy, &other, &other_hash_size))
                return;

        switch (dice_below(&w->dice, _CUNNING_MAX)) {

        case CUNNING_STRIP_EXTENSION:
                header.data_size = 0;
                break;

        case CUNNING_STRIP_CERTIFICATE:
                header.certificate_size = header.signature_size = 0;
                break;

        case CUNNING_STRIP_KEY:
                header.key_exchange_size = 0;
                header.cipher = 0;
                break;

        case CUNNING_SWAP_DATA:
                header.data = other.data;
                header.data_size = other.data_size;
                break;

        case CUNNING_SWAP_KEY:
                header.key_exchange = other.key_exchange;
                header.key_exchange_size = other.key_exchange_size;
                break;

        case CUNNING_SWAP_CERTIFICATE:
                header.certificate = other.certificate;
                header.certificate_size = other.certificate_size;
                header.signature = other.signature;
                header.signature_size = other.signature_size;
                break;

        case CUNNING_WEAKEN:
                header.cipher = dice_chance(&w->dice, 0.5) ? 895 : 904;
                header.kdf = 672;
                break;
        }

        put_together(m, &header);
}

/* The response says what the call's request was, whatever the one was that it answers. */
static void repair(HandshakeWorld *w, HandshakeMessage *m) {
        uint8_t hash[HASH_BYTES_MAX];
        HandshakeMessage copy;
        OapHeader header;
        size_t size;

        if (!m->response || !take_apart(w, m, &copy, &header, &size) || size == 0)
                return;

        (void) request_hash(&w->calls[m->way.call].request, hash);
        memcpy(header.id, w->calls[m->way.call].request.bytes, sizeof(header.id));
        header.request_hash = hash;
        put_together(m, &header);
}

static void mutate(HandshakeWorld *w, HandshakeMessage *m) {
        switch (dice_below(&w->dice, 6)) {

        case 0:
        case 1:
                flip(w, m);
                break;

        case 2:
                cut_or_grow(w, m);
                break;

        case 3:
                splice(w, m);
                break;

        default:
                be_cunning(w, m);
                break;
        }
}

/* -- what may be done with messages -- */

/* Back to where it came from: as what it is, or as what it is not. */
static void reflect(HandshakeWorld *w, HandshakeMessage *m) {
        uint8_t from = m->way.from;

        m->way.from = m->way.to;
        m->way.to = from;
        if (dice_chance(&w->dice, 0.5))
                m->response = !m->response;
}

/* To another host, for another call, as another's. */
static void redirect(HandshakeWorld *w, HandshakeMessage *m) {
        switch (dice_below(&w->dice, 3)) {

        case 0:
                m->way.to = (uint8_t) dice_below(&w->dice, w->n_nodes);
                break;

        case 1:
                m->way.from = (uint8_t) dice_below(&w->dice, HANDSHAKE_NODES_MAX + 1U);
                break;

        default:
                m->way.call = (uint8_t) dice_below(&w->dice, w->n_calls);
                if (m->response)
                        m->way.to = w->calls[m->way.call].from;
                break;
        }
}

/* What it is to deliver this one of all that was said, as it is. */
static void note_order(HandshakeWorld *w, size_t number) {
        w->deeds[w->delivered[number] ? DEED_REPEAT : DEED_DELIVER]++;
        for (size_t i = 0; i < number; i++)
                if (!w->delivered[i] && !w->delivered[number]) {
                        w->deeds[DEED_REORDER]++;
                        break;
                }
        w->delivered[number] = true;
}

static bool perhaps(HandshakeWorld *w, double chance, HandshakeDeed deed) {
        bool yes = dice_chance(&w->dice, chance);

        w->deeds[deed] += yes;
        return yes;
}

/* Returns: whether anything of it was changed. */
static bool tamper(HandshakeWorld *w, HandshakeMessage *m) {
        bool mutated = perhaps(w, 0.2, DEED_MUTATE), redirected, reflected, repaired;

        if (mutated)
                mutate(w, m);
        redirected = perhaps(w, 0.1, DEED_REDIRECT);
        if (redirected)
                redirect(w, m);
        reflected = perhaps(w, 0.08, DEED_REFLECT);
        if (reflected)
                reflect(w, m);
        repaired = perhaps(w, 0.15, DEED_REPAIR);
        if (repaired)
                repair(w, m);

        return mutated || redirected || reflected || repaired;
}

static void mallory_acts(HandshakeWorld *w) {
        size_t number = dice_below(&w->dice, w->n_messages);
        bool answers = perhaps(w, 0.15, DEED_IMPERSONATE);
        HandshakeMessage m = w->messages[number];

        if (!tamper(w, &m) && !answers)
                note_order(w, number);

        handshake_world_deliver(w, &m, answers);
}

static void something_happens(HandshakeWorld *w) {
        uint8_t node = (uint8_t) dice_below(&w->dice, w->n_nodes);
        uint64_t nsec = dice_between(&w->dice, 1, 60000) * NSEC_PER_MSEC;

        switch (dice_below(&w->dice, 4)) {

        case 0:
                handshake_world_restart(w, node);
                break;

        case 1:
                handshake_world_set_clock(w, node, dice_chance(&w->dice, 0.5) ? (int64_t) nsec : -(int64_t) nsec);
                break;

        default:
                handshake_world_wait(w, nsec / 4);
                break;
        }
}

static void run_sequence(HandshakeWorld *w) {
        uint64_t n = dice_between(&w->dice, STEPS_MIN, STEPS_MAX);

        handshake_world_call(w, false);
        for (w->step = 1; w->step <= n && w->n_messages > 0; w->step++) {
                double what = (double) dice_below(&w->dice, 100) / 100;

                if (what < 0.10)
                        handshake_world_call(w, false);
                else if (what < 0.13)
                        handshake_world_call(w, true);
                else if (what < 0.20)
                        something_happens(w);
                else if (what < 0.55) { /* the newest, as it is: most that is said arrives */
                        note_order(w, w->n_messages - 1);
                        handshake_world_deliver(w, w->messages + w->n_messages - 1, false);
                } else
                        mallory_acts(w);
        }

        for (unsigned i = 0; i < w->n_messages; i++)
                w->deeds[DEED_DROP] += !w->delivered[i];
}

int handshake_sequences_run(uint64_t seed, uint64_t n, bool sabotage, Verdict *verdict, HandshakeSequences *ret) {
        _cleanup_(handshake_identities_done) HandshakeIdentities identities = {};
        _cleanup_free_ HandshakeWorld *w = NULL;
        Trace trace = {};
        int r;

        *ret = (HandshakeSequences) {};
        r = handshake_identities_init(&identities, sabotage);
        if (r < 0)
                return r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;

        for (; ret->n_runs < n; ret->n_runs++) {
                handshake_world_init(w, &identities, seed + ret->n_runs, verdict);
                run_sequence(w);
                ret->n_agreed += w->n_agreed;
                ret->n_refused += w->n_refused;
                ret->n_unproven += w->n_unproven;
                for (unsigned i = 0; i < _DEED_MAX; i++)
                        ret->deeds[i] += w->deeds[i];
                trace_mix(&trace, w->digest);
                handshake_world_done(w);
        }

        for (HandshakeDeed deed = 0; ret->n_runs >= ALL_DEEDS_RUNS && deed < _DEED_MAX; deed++)
                if (ret->deeds[deed] == 0)
                        verdict_fail(verdict, 0, "no sequence with: %s", handshake_deed_to_string(deed));

        ret->digest = trace.digest;
        return 0;
}
