/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The search for a way, at chosen microseconds: each row of each story is one event and the step that must follow. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/irm/allocation.h"

#define MS USEC_PER_MSEC
#define SEC USEC_PER_SEC
#define LAN 1
#define WAN 2

typedef enum What {
        BEGIN,
        UP,             /* a layer comes up later, and is asked */
        YES,            /* a layer has the name */
        NO,
        REFUSED,        /* the request failed */
        CARRIER_REFUSED, /* by whichever layer carries it */
        GONE,           /* the layer went away */
        HOLD,           /* a listener of this host has the offer */
        RELEASED,
        CLOCK,          /* the time that allocation_next() named, after looks at the clock that changed nothing */
        STOPPED,        /* whatever that was: we were stopped until now */
        _STOP,
} What;

typedef struct Event {
        What what;
        uint64_t key;
        usec_t at;              /* CLOCK: checked against allocation_next() */
        AllocationStep step;
        int current;            /* key of the layer that carries, after REQUEST */
        uint32_t attempt;
        int error;              /* after FAIL */
} Event;

typedef struct Story {
        const char *name;
        usec_t timeout;
        bool known_here;
        unsigned n_layers;      /* LAN, then WAN */
        Event events[12];
} Story;

static const Story stories[] = {
        { "nobody to ask: at once", 20 * SEC, false, 0, {
                { BEGIN, 0, 0, ALLOCATION_FAIL, 0, 0, -ENOENT },
                { .what = _STOP } } },
        { "unknown: when the last has said no", 20 * SEC, false, 2, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { NO, LAN, 5 * MS, ALLOCATION_WAIT },
                { NO, WAN, 600 * MS, ALLOCATION_FAIL, 0, 0, -ENOENT },
                { .what = _STOP } } },
        { "silent layers: in under a second", USEC_INFINITY, false, 2, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { NO, LAN, 5 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 900 * MS, ALLOCATION_FAIL, 0, 0, -ENOENT },
                { .what = _STOP } } },
        { "stopped for two seconds: layers have the time that is left of theirs", USEC_INFINITY, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { STOPPED, 0, 2100 * MS, ALLOCATION_WAIT },
                { YES, LAN, 2999 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { .what = _STOP } } },
        { "stopped: and then nobody answers", USEC_INFINITY, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { STOPPED, 0, 2100 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 3000 * MS, ALLOCATION_FAIL, 0, 0, -ENOENT },
                { .what = _STOP } } },
        { "stopped at the last moment", USEC_INFINITY, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { CLOCK, 0, 800 * MS, ALLOCATION_WAIT },
                { STOPPED, 0, 960 * MS, ALLOCATION_WAIT },
                { YES, LAN, 1059 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { .what = _STOP } } },
        { "a little late is not stopped", USEC_INFINITY, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { STOPPED, 0, 119 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 900 * MS, ALLOCATION_FAIL, 0, 0, -ENOENT },
                { .what = _STOP } } },
        { "stopped again and again: five seconds are given, and no more", USEC_INFINITY, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { STOPPED, 0, 3100 * MS, ALLOCATION_WAIT },
                { STOPPED, 0, 5600 * MS, ALLOCATION_WAIT },
                { STOPPED, 0, 8 * SEC, ALLOCATION_FAIL, 0, 0, -ENOENT },
                { .what = _STOP } } },
        { "stopped, but the caller's time is his own", 2 * SEC, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { STOPPED, 0, 2100 * MS, ALLOCATION_FAIL, 0, 0, -ETIMEDOUT },
                { .what = _STOP } } },
        { "the first that can", 20 * SEC, false, 2, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, WAN, 1 * MS, ALLOCATION_REQUEST, WAN, 0 },
                { YES, LAN, 2 * MS, ALLOCATION_WAIT },
                { REFUSED, WAN, 3 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { REFUSED, LAN, 4 * MS, ALLOCATION_FAIL, 0, 0, -ECONNREFUSED },
                { .what = _STOP } } },
        { "no answer: twice again, then the end", USEC_INFINITY, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, LAN, 1 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { CLOCK, 0, 3 * SEC + 1 * MS, ALLOCATION_REQUEST, LAN, 1 },
                { CLOCK, 0, 6 * SEC + 1 * MS, ALLOCATION_REQUEST, LAN, 2 },
                { CLOCK, 0, 26 * SEC + 1 * MS, ALLOCATION_FAIL, 0, 0, -ETIMEDOUT },
                { .what = _STOP } } },
        { "the caller's time-out", 4 * SEC, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, LAN, 1 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { CLOCK, 0, 3 * SEC + 1 * MS, ALLOCATION_REQUEST, LAN, 1 },
                { CLOCK, 0, 4 * SEC, ALLOCATION_FAIL, 0, 0, -ETIMEDOUT },
                { .what = _STOP } } },
        { "known here, nobody listens: as long as the caller", 7 * SEC, true, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { NO, LAN, 1 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 7 * SEC, ALLOCATION_FAIL, 0, 0, -ETIMEDOUT },
                { .what = _STOP } } },
        { "no time at all", 0, true, 0, {
                { BEGIN, 0, 0, ALLOCATION_FAIL, 0, 0, -ETIMEDOUT },
                { .what = _STOP } } },
        { "a listener has it: layers carry nothing", 20 * SEC, true, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { HOLD, 0, 1 * MS, ALLOCATION_WAIT },
                { YES, LAN, 2 * MS, ALLOCATION_WAIT },
                { RELEASED, 0, 3 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { .what = _STOP } } },
        { "a listener comes while the layer asks, and goes again", 20 * SEC, true, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, LAN, 1 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { HOLD, 0, 2 * MS, ALLOCATION_WAIT },
                { RELEASED, 0, 3 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { .what = _STOP } } },
        { "the carrier goes down", 20 * SEC, false, 2, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, LAN, 1 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { YES, WAN, 1 * MS, ALLOCATION_WAIT },
                { GONE, LAN, 2 * MS, ALLOCATION_REQUEST, WAN, 0 },
                { GONE, WAN, 3 * MS, ALLOCATION_FAIL, 0, 0, -ENETDOWN },
                { .what = _STOP } } },
        { "an asked layer goes down", 20 * SEC, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { GONE, LAN, 2 * MS, ALLOCATION_FAIL, 0, 0, -ENOENT },
                { .what = _STOP } } },
        { "a layer that comes up gets its time where the caller waits anyway", 20 * SEC, true, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { CLOCK, 0, 900 * MS, ALLOCATION_WAIT },
                { UP, WAN, 5 * SEC, ALLOCATION_WAIT },
                { YES, WAN, 5 * SEC + 10 * MS, ALLOCATION_REQUEST, WAN, 0 },
                { .what = _STOP } } },
        { "layers that come and go do not put off an unknown name", USEC_INFINITY, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { UP, WAN, 800 * MS, ALLOCATION_WAIT },
                { GONE, WAN, 810 * MS, ALLOCATION_WAIT },
                { UP, 3, 890 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 900 * MS, ALLOCATION_FAIL, 0, 0, -ENOENT },
                { .what = _STOP } } },
        { "one that comes up while another carries is the next to carry", 20 * SEC, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, LAN, 1 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { UP, WAN, 2 * SEC, ALLOCATION_WAIT },
                { REFUSED, LAN, 2 * SEC + 1 * MS, ALLOCATION_WAIT },
                { YES, WAN, 2 * SEC + 800 * MS, ALLOCATION_REQUEST, WAN, 0 },
                { .what = _STOP } } },
        { "a layer that comes back is another one", 20 * SEC, false, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { UP, WAN, 1 * MS, ALLOCATION_WAIT },
                { GONE, LAN, 2 * MS, ALLOCATION_WAIT },
                { YES, LAN, 3 * MS, ALLOCATION_WAIT },
                { YES, WAN, 4 * MS, ALLOCATION_REQUEST, WAN, 0 },
                { .what = _STOP } } },
        { "a refusal of one that does not carry (any more)", 20 * SEC, false, 2, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, LAN, 1 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { YES, WAN, 1 * MS, ALLOCATION_WAIT },
                { REFUSED, WAN, 2 * MS, ALLOCATION_WAIT },
                { REFUSED, LAN, 3 * MS, ALLOCATION_REQUEST, WAN, 0 },
                { REFUSED, LAN, 4 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 3 * SEC + 3 * MS, ALLOCATION_REQUEST, WAN, 1 },
                { .what = _STOP } } },
        { "an answer after nobody carries it any more", 60 * SEC, true, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, LAN, 0, ALLOCATION_REQUEST, LAN, 0 },
                { CLOCK, 0, 3 * SEC, ALLOCATION_REQUEST, LAN, 1 },
                { CLOCK, 0, 6 * SEC, ALLOCATION_REQUEST, LAN, 2 },
                { CLOCK, 0, 26 * SEC, ALLOCATION_WAIT },
                { CARRIER_REFUSED, 0, 27 * SEC, ALLOCATION_WAIT },
                { UP, WAN, 28 * SEC, ALLOCATION_WAIT },
                { YES, WAN, 28 * SEC, ALLOCATION_REQUEST, WAN, 0 },
                { CARRIER_REFUSED, WAN, 29 * SEC, ALLOCATION_WAIT },
                { .what = _STOP } } },
        { "a listener that never accepts", 5 * SEC, true, 0, {
                { HOLD, 0, 0, ALLOCATION_WAIT },
                { CLOCK, 0, 100 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 5 * SEC, ALLOCATION_FAIL, 0, 0, -ETIMEDOUT },
                { .what = _STOP } } },
        { "a listener that dawdles: a layer takes over", 5 * SEC, true, 0, {
                { HOLD, 0, 0, ALLOCATION_WAIT },
                { CLOCK, 0, 100 * MS, ALLOCATION_WAIT },
                { UP, LAN, 100 * MS, ALLOCATION_WAIT },
                { YES, LAN, 110 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { HOLD, 0, 120 * MS, ALLOCATION_WAIT },
                { YES, LAN, 130 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 220 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { .what = _STOP } } },
        { "answers that are too late, twice or of strangers", 20 * SEC, true, 1, {
                { BEGIN, 0, 0, ALLOCATION_WAIT },
                { YES, 77, 1 * MS, ALLOCATION_WAIT },
                { REFUSED, LAN, 1 * MS, ALLOCATION_WAIT },
                { CLOCK, 0, 900 * MS, ALLOCATION_WAIT },
                { YES, LAN, 950 * MS, ALLOCATION_REQUEST, LAN, 0 },
                { YES, LAN, 960 * MS, ALLOCATION_WAIT },
                { .what = _STOP } } },
};

/* The looks at the clock before that time, none of which comes late. */
static void look_until(Allocation *a, usec_t at) {
        while (allocation_next(a) < at)
                assert_int_equal(allocation_elapsed(a, allocation_next(a)), ALLOCATION_WAIT);
}

static AllocationStep apply(Allocation *a, const Event *e) {
        switch (e->what) {
        case BEGIN:
        case RELEASED:
                return allocation_proceed(a, e->at);
        case UP:
                assert_int_equal(allocation_add_layer(a, e->key, "later", e->at), 0);
                return ALLOCATION_WAIT;
        case YES:
                return allocation_answered(a, e->key, 0, e->at);
        case NO:
                return allocation_answered(a, e->key, -ENOENT, e->at);
        case REFUSED:
                return allocation_refused(a, e->key, -ECONNREFUSED, e->at);
        case CARRIER_REFUSED:
                assert_int_equal(allocation_carrier(a), e->key);
                return allocation_refused(a, allocation_carrier(a), -ECONNREFUSED, e->at);
        case GONE:
                return allocation_layer_gone(a, e->key, e->at);
        case HOLD:
                allocation_hold(a, usec_add(e->at, ALLOCATION_PATIENCE_USEC));
                return ALLOCATION_WAIT;
        case STOPPED:
                return allocation_elapsed(a, e->at);
        case CLOCK:
                look_until(a, e->at);
                assert_int_equal(allocation_next(a), e->at);
                return allocation_elapsed(a, e->at);
        case _STOP:
                break;
        }

        fail();
        return ALLOCATION_FAIL;
}

static void test_stories(void **state) {
        static const char *const names[] = { "lan", "wan" };

        for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
                const Story *s = &stories[i];
                Allocation a;

                print_message("%s\n", s->name);
                allocation_init(&a, 0, s->timeout, s->known_here);
                for (unsigned l = 0; l < s->n_layers; l++)
                        assert_int_equal(allocation_add_layer(&a, l + 1, names[l], 0), 0);

                for (const Event *e = s->events; e->what != _STOP; e++) {
                        assert_int_equal(apply(&a, e), e->step);
                        if (e->step == ALLOCATION_REQUEST) {
                                assert_true(a.current >= 0);
                                assert_int_equal(a.layers[a.current].key, e->current);
                                assert_int_equal(a.attempt, e->attempt);
                        }
                        if (e->step == ALLOCATION_FAIL)
                                assert_int_equal(a.error, e->error);
                }
        }
}

/* An early wake-up changes nothing and asks to be woken again at the same time. */
static void test_early_clock(void **state) {
        Allocation a;

        allocation_init(&a, 0, 20 * SEC, false);
        assert_int_equal(allocation_add_layer(&a, LAN, "lan", 0), 0);
        assert_int_equal(allocation_proceed(&a, 0), ALLOCATION_WAIT);
        assert_int_equal(allocation_elapsed(&a, 50 * MS), ALLOCATION_WAIT);
        assert_int_equal(allocation_next(&a), ALLOCATION_LOOK_USEC);
}

static void test_layers(void **state) {
        Allocation a;

        allocation_init(&a, 0, SEC, false);
        for (unsigned i = 0; i < ALLOCATION_LAYERS_MAX; i++)
                assert_int_equal(allocation_add_layer(&a, i + 1, "x", 0), 0);

        assert_int_equal(allocation_add_layer(&a, 1, "x", 0), -EEXIST);
        assert_int_equal(allocation_add_layer(&a, 1000, "x", 0), -ENOSPC);
}

/* The sentence names whom was asked, what each said, and how long it took. */
static void test_sentence(void **state) {
        char text[ALLOCATION_TEXT_MAX];
        Allocation a;

        allocation_init(&a, 0, 20 * SEC, false);
        assert_int_equal(allocation_add_layer(&a, LAN, "lan", 0), 0);
        assert_int_equal(allocation_add_layer(&a, WAN, "wan", 0), 0);
        (void) allocation_proceed(&a, 0);
        (void) allocation_answered(&a, LAN, -ENOENT, 5 * MS);
        look_until(&a, 900 * MS);
        assert_int_equal(allocation_elapsed(&a, 900 * MS), ALLOCATION_FAIL);

        allocation_explain(&a, "web.example", 900 * MS, text);
        assert_string_equal(
                text,
                "No layer on this host knows 'web.example'; asked lan (unknown), wan (no answer); it took 900ms");
}

static const struct {
        const char *name;
        bool known_here, held;
        int carries;            /* index in layers, or -1 */
        int error;
        unsigned n_layers;
        AllocationLayer layers[2];
        const char *text;
} sentences[] = {
        { "no layer", false, false, -1, -ENOENT, 0, {},
          "'web' is not a name of this host, and no layer is online; it took 2s" },
        { "a listener that sleeps", true, true, -1, -ETIMEDOUT, 0, {},
          "A listener of this host has not accepted the flow to 'web'; it took 2s" },
        { "nobody listens", true, false, -1, -ETIMEDOUT, 1, { { 1, "lan", ALLOCATION_HAS_NOT, -ENOENT } },
          "Nobody accepts flows to 'web' on this host; asked lan (unknown); it took 2s" },
        { "nobody listens there", false, false, 1, -ETIMEDOUT, 2,
          { { 1, "lan", ALLOCATION_SILENT, 0 }, { 2, "wan", ALLOCATION_HAS, 0 } },
          "Layer wan carried the request for 'web', but nobody there has accepted; "
          "asked lan (no answer), wan (knows it); it took 2s" },
        { "unknown, and gone", false, false, -1, -ENOENT, 2,
          { { 1, "lan", ALLOCATION_GONE, -ENETDOWN }, { 2, "wan", ALLOCATION_ASKED, 0 } },
          "No layer on this host knows 'web'; asked lan (went down), wan (no answer); it took 2s" },
        { "refused", false, false, -1, -ECONNREFUSED, 2,
          { { 1, "lan", ALLOCATION_TRIED, -ECONNREFUSED }, { 2, "wan", ALLOCATION_TRIED, -ETIMEDOUT } },
          "The flow to 'web' could not be allocated; asked lan (Connection refused), wan "
          "(nobody accepted); it took 2s" },
};

static void test_sentences(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(sentences); i++) {
                char text[ALLOCATION_TEXT_MAX];
                Allocation a;

                print_message("%s\n", sentences[i].name);
                allocation_init(&a, 5 * SEC, 20 * SEC, sentences[i].known_here);
                a.held = sentences[i].held;
                a.current = sentences[i].carries;
                a.error = sentences[i].error;
                a.n_layers = sentences[i].n_layers;
                memcpy(a.layers, sentences[i].layers, sizeof(sentences[i].layers));

                allocation_explain(&a, "web", 7 * SEC, text);
                assert_string_equal(text, sentences[i].text);
        }
}

/* However long names are, the sentence stays in its bounds. */
static void test_sentence_bounds(void **state) {
        char text[ALLOCATION_TEXT_MAX], name[256], layer[LAYER_NAME_BYTES_MAX + 1];
        Allocation a;

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        memset(layer, 'l', sizeof(layer) - 1);
        layer[sizeof(layer) - 1] = '\0';

        allocation_init(&a, 0, SEC, true);
        for (unsigned i = 0; i < ALLOCATION_LAYERS_MAX; i++)
                assert_int_equal(allocation_add_layer(&a, i + 1, layer, 0), 0);
        assert_int_equal(allocation_elapsed(&a, SEC), ALLOCATION_FAIL);

        allocation_explain(&a, name, SEC, text);
        assert_int_equal(strlen(text), ALLOCATION_TEXT_MAX - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stories),
                cmocka_unit_test(test_early_clock),
                cmocka_unit_test(test_layers),
                cmocka_unit_test(test_sentence),
                cmocka_unit_test(test_sentences),
                cmocka_unit_test(test_sentence_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
