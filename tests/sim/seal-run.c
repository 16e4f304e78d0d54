/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/cursor.h"
#include "tests/sim/dice.h"
#include "tests/sim/seal-run.h"
#include "tests/support/reference-seal.h"

#define FLIGHT_MAX 4096U                /* packets on the way */
#define CONTENT 24U                     /* number, and as much again of what follows from it */
#define PACKET_MAX (CONTENT + SEAL_OVERHEAD_MAX + SEAL_CONTROL_MAX)
#define REMEMBERED 65536U               /* numbers of each end: a packet cannot be later than that */

typedef struct Flight {
        nsec_t at;
        uint64_t order;
        uint64_t number;                /* of its end */
        uint8_t from;
        bool control, copy;
        uint8_t size;
        uint8_t bytes[PACKET_MAX];
} Flight;

typedef struct End {
        Seal *seal;                     /* NULL: the reference's */
        ReferenceSeal reference;
        uint64_t next_number;
        uint64_t opened[REMEMBERED];    /* of the peer's: number + 1, by number */
        bool opened_since;              /* the last black-out */
} End;

typedef struct Run {
        const SealRunOptions *options;
        SealRunResult *result;
        Dice dice;
        nsec_t now;
        End ends[2];
        Flight *flights;                /* a heap */
        size_t n_flights;
        uint64_t order;
        uint64_t black_until, black_next;       /* packets both ways */
        unsigned black_end;
        nsec_t dark_until;
} Run;

static Run *run_free(Run *r) {
        for (size_t i = 0; r && i < 2; i++) {
                seal_free(r->ends[i].seal);
                reference_seal_done(&r->ends[i].reference);
        }
        if (r)
                free(r->flights);

        return mfree(r);
}

DEFINE_CLEANUP(Run, run_free);

/* -- the path -- */

static bool is_before(const Flight *a, const Flight *b) {
        return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void push(Run *r, const Flight *flight) {
        size_t i = r->n_flights++;

        for (; i > 0 && is_before(flight, r->flights + (i - 1) / 2); i = (i - 1) / 2)
                r->flights[i] = r->flights[(i - 1) / 2];
        r->flights[i] = *flight;
}

static Flight pop(Run *r) {
        Flight first = r->flights[0], last = r->flights[--r->n_flights];
        size_t i = 0;

        for (;;) {
                size_t child = 2 * i + 1;

                if (child + 1 < r->n_flights && is_before(r->flights + child + 1, r->flights + child))
                        child++;
                if (child >= r->n_flights || is_before(&last, r->flights + child))
                        break;
                r->flights[i] = r->flights[child];
                i = child;
        }
        r->flights[i] = last;
        return first;
}

static void path_send(Run *r, Flight *flight) {
        const SealRunOptions *o = r->options;
        bool black = r->black_until > 0 && flight->from == r->black_end;

        if (black || dice_chance(&r->dice, o->loss[flight->from]) || r->n_flights + 2 > FLIGHT_MAX)
                return;

        flight->at = r->now + o->delay + (dice_chance(&r->dice, o->reorder) ? dice_below(&r->dice, o->jitter + 1) : 0);
        flight->order = r->order++;
        push(r, flight);
        if (!dice_chance(&r->dice, o->duplicate))
                return;

        flight->at += dice_below(&r->dice, o->jitter + 1);
        flight->order = r->order++;
        flight->copy = true;
        push(r, flight);
}

/* One direction at a time is dark, for a while. */
static void black_out(Run *r, uint64_t n) {
        const SealRunOptions *o = r->options;

        if (o->black_every == 0)
                return;
        if (r->black_until > 0 && n >= r->black_until) {
                r->black_until = 0;
                r->ends[0].opened_since = false;
                r->ends[1].opened_since = false;
        }
        if (n < r->black_next)
                return;

        r->black_next = n + o->black_every;
        r->black_until = n + o->black_packets;
        r->black_end = (unsigned) dice_below(&r->dice, 2);
        r->dark_until = NSEC_INFINITY;
}

/* It is over once both ends have opened something, and what was under way then has arrived. */
static void lighten(Run *r, End *e) {
        e->opened_since = true;
        if (r->dark_until == NSEC_INFINITY && r->black_until == 0 && r->ends[0].opened_since && r->ends[1].opened_since)
                r->dark_until = r->now + r->options->delay + 2 * r->options->jitter;
}

/* -- the ends -- */

static void write_content(uint64_t number, unsigned from, uint8_t ret[CONTENT]) {
        Dice dice;

        dice_init(&dice, number, from);
        memcpy(ret, &number, sizeof(number));
        dice_bytes(&dice, ret + sizeof(number), CONTENT - sizeof(number));
}

static void end_send(Run *r, unsigned from) {
        End *e = r->ends + from;
        Flight flight = { .from = (uint8_t) from, .number = e->next_number++ };
        uint8_t content[CONTENT];
        ssize_t n;

        write_content(flight.number, from, content);
        if (e->seal)
                n = seal_protect(e->seal, r->now, content, sizeof(content), flight.bytes, sizeof(flight.bytes));
        else
                n = (ssize_t) reference_seal_protect(&e->reference, content, sizeof(content), flight.bytes);
        if (n < 0) {
                r->result->n_refused++;
                return;
        }

        flight.size = (uint8_t) n;
        r->result->n_sent[from]++;
        path_send(r, &flight);
}

static void end_transmit(Run *r, unsigned from) {
        Seal *seal = r->ends[from].seal;

        while (seal && seal_next(seal) <= r->now) {
                Flight flight = { .from = (uint8_t) from, .control = true };
                uint8_t random[SEAL_SECRET_BYTES];
                ssize_t n;

                dice_bytes(&r->dice, random, sizeof(random));
                n = seal_transmit(seal, r->now, random, flight.bytes, sizeof(flight.bytes));
                if (n <= 0)
                        break;

                flight.size = (uint8_t) n;
                r->result->n_control++;
                path_send(r, &flight);
        }
}

/* What did not open. */
static void count_refused(Run *r, const Flight *flight, ssize_t n) {
        SealRunResult *result = r->result;

        if (flight->copy)
                return;

        result->n_undecryptable[flight->from]++;
        if (r->now <= r->dark_until)
                result->n_dark[flight->from]++;
        else if (n == -EALREADY)
                result->n_late[flight->from]++;
}

static void end_receive(Run *r, const Flight *flight) {
        End *e = r->ends + !flight->from;
        SealRunResult *result = r->result;
        uint8_t content[PACKET_MAX], expected[CONTENT];
        uint64_t *opened = e->opened + flight->number % REMEMBERED;
        ssize_t n;

        if (!flight->control)
                result->n_arrived[flight->from] += !flight->copy;
        if (e->seal)
                n = seal_open(e->seal, r->now, flight->bytes, flight->size, content, sizeof(content));
        else
                n = reference_seal_open(&e->reference, flight->bytes, flight->size, content);
        result->digest = result->digest * 31 + (uint64_t) n;
        if (n < 0 || flight->control) {
                if (!flight->control)
                        count_refused(r, flight, n);
                return;
        }

        write_content(flight->number, flight->from, expected);
        result->n_altered += n != CONTENT || memcmp(content, expected, CONTENT) != 0;
        result->n_twice += e->seal && *opened == flight->number + 1;
        result->n_opened[flight->from] += *opened != flight->number + 1;
        *opened = flight->number + 1;
        lighten(r, e);
}

static int end_init(Run *r, unsigned index) {
        const SealRunOptions *o = r->options;
        SealKeys keys = { .suite = o->suite, .cipher = SEAL_AES_128_GCM, .mac_only = o->mac_only,
                          .client = index == 0 };
        uint8_t seed[SEAL_SEED_BYTES], directions[2][SEAL_SECRET_BYTES];
        End *e = r->ends + index;
        Dice dice;

        dice_init(&dice, o->seed, 100);         /* of both ends */
        dice_bytes(&dice, keys.label, sizeof(keys.label));
        dice_bytes(&dice, keys.agreement, sizeof(keys.agreement));
        dice_bytes(&dice, directions, sizeof(directions));
        memcpy(keys.send, directions[o->suite == SEAL_O7S ? index : 0], sizeof(keys.send));
        memcpy(keys.receive, directions[o->suite == SEAL_O7S ? !index : 0], sizeof(keys.receive));
        dice_init(&dice, o->seed, 101 + index);
        dice_bytes(&dice, seed, sizeof(seed));

        if (!o->references[index])
                return seal_new(&keys, &o->limits, seed, r->now, &e->seal);

        reference_seal_init(&e->reference, GNUTLS_CIPHER_AES_128_GCM, keys.send, o->limits.epoch_packets,
                            o->seed + index);
        e->reference.forgets_early = o->forgets_early;
        return 0;
}

/* -- the run -- */

static void run_until(Run *r, nsec_t end) {
        while (r->n_flights > 0 && r->flights[0].at <= end) {
                Flight flight = pop(r);

                r->now = MAX(r->now, flight.at);
                end_receive(r, &flight);
                end_transmit(r, 0);
                end_transmit(r, 1);
        }
        r->now = MAX(r->now, end);
}

static int run_new(const SealRunOptions *options, SealRunResult *result, Run **ret) {
        _cleanup_(run_freep) Run *r = NULL;
        int error;

        r = calloc(1, sizeof(*r));              /* what its ends remember is too much for a stack */
        if (!r)
                return -ENOMEM;

        r->options = options;
        r->result = result;
        r->now = NSEC_PER_SEC;
        r->black_next = options->black_every;
        dice_init(&r->dice, options->seed, 1);
        r->flights = calloc(FLIGHT_MAX, sizeof(*r->flights));
        error = r->flights ? end_init(r, 0) : -ENOMEM;
        if (error >= 0)
                error = end_init(r, 1);
        if (error < 0)
                return error;

        *ret = TAKE_PTR(r);
        return 0;
}

int seal_run(const SealRunOptions *options, SealRunResult *ret) {
        _cleanup_(run_freep) Run *r = NULL;
        int error;

        *ret = (SealRunResult) {};
        error = run_new(options, ret, &r);
        if (error < 0)
                return error;

        for (uint64_t n = 0; n < options->n_packets; n++) {
                black_out(r, n);
                end_send(r, !dice_chance(&r->dice, options->share));
                end_transmit(r, 0);
                end_transmit(r, 1);
                run_until(r, r->now + dice_below(&r->dice, 2 * options->gap + 1));
        }
        run_until(r, r->now + options->delay + 2 * options->jitter);

        for (size_t i = 0; i < 2; i++) {
                if (r->ends[i].seal)
                        ret->counters[i] = *seal_counters(r->ends[i].seal);
                ret->n_rotations += r->ends[i].reference.n_rotations;
        }
        return 0;
}
