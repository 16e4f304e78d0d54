/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * No wake-up is lost: every interleaving of a writer and a reader, tried exhaustively.
 *
 * The two follow channel-write.c and channel-read.c step by step, one access to shared memory in each step. A store
 * goes into its owner's buffer first and becomes visible at any later time, in order for each word alone: weaker
 * than x86, where all stores of one processor stay in order. A fence waits until the own buffer is empty. Loads see
 * the own buffer, then memory.
 *
 *   writer   for each message: room? (else load tail; else arm: store armed_write, fence, load tail, sleep)
 *            store head, fence, load armed_read, ring if that epoch was not rung yet
 *   reader   load head; take all; store tail, fence, load armed_write, load head, ring if half is free
 *            nothing there: store armed_read, fence, load head, sleep; woken: take the rings, start over
 *            or, at any time while it is armed, as event loops do: take the rings, load head; still nothing: ask again,
 *            for which the epoch is kept unless a ring was taken since it was stored
 *
 * A state in which nothing can move any more is good if all messages arrived, else somebody sleeps who should not.
 * Taking away any one ingredient must make such a state reachable: that shows that the search would find it, and
 * that each ingredient is needed.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "basic/macro.h"

#define N_SLOTS 2U
#define N_MESSAGES 4U
#define N_MESSAGES_ASKING 3U            /* where the reader comes by as well: there is that much more to try */
#define BUFFER_MAX 4U

typedef enum Word { HEAD, TAIL, ARMED_READ, ARMED_WRITE, _WORD_MAX } Word;

typedef enum Step {
        /* writer */
        W_ROOM, W_LOAD_TAIL, W_ARM, W_ARM_FENCE, W_RECHECK, W_SLEEP, W_DISARM,
        W_PUBLISH, W_FENCE, W_LOAD_ARMED, W_DONE,
        /* reader */
        R_LOAD_HEAD, R_RELEASE, R_FENCE, R_LOAD_ARMED, R_LOAD_HEAD_AGAIN,
        R_ARM, R_ARM_FENCE, R_RECHECK, R_LATE_DRAIN, R_SLEEP, R_DISARM, R_LOOK, R_ASK_AGAIN,
} Step;

/* Ingredients that a run can leave out. */
typedef struct Variant {
        const char *name;
        bool no_writer_fence;           /* between head and armed_read */
        bool no_reader_arm_fence;       /* between armed_read and head */
        bool no_reader_recheck;
        bool no_release_fence;          /* between tail and armed_write */
        bool no_writer_arm_fence;       /* between armed_write and tail */
        bool no_writer_recheck;
        bool late_drain;                /* rings are taken off after the last look, not before the first */
        bool flag;                      /* armed words hold 1 instead of an epoch */
        bool no_memory;                 /* the waker does not remember what it rang for */
        bool asks_again;                /* the reader comes by while it is armed */
        bool keeps_spent;               /* and keeps its epoch also where a ring was taken */
        bool loses_wakeups;
        bool rings_too_often;
} Variant;

typedef struct Store {
        uint8_t word, value;
} Store;

typedef struct Thread {
        uint8_t step;
        uint8_t n_buffered;
        Store buffer[BUFFER_MAX];       /* oldest first */
        uint8_t seen;                   /* writer: the peer's tail; reader: the peer's head */
        uint8_t at;                     /* writer: head; reader: tail */
        uint8_t rung;
        uint8_t epoch;
        uint8_t loaded;                 /* what R_LOAD_ARMED saw */
        uint8_t rings;                  /* waiting in our doorbell */
        uint8_t n_rung;                 /* rings that ever came, */
        uint8_t n_armed;                /* and sleeps that asked for one */
        bool taken;                     /* a ring, since it was armed */
} Thread;

typedef struct State {
        uint8_t memory[_WORD_MAX];
        Thread writer, reader;
} State;

typedef struct Search {
        const Variant *variant;
        State *stack;
        size_t n_stack, stack_size;
        State *visited;
        bool *used;
        size_t n_visited, visited_size;
        bool lost;
        bool extra_ring;
} Search;

static uint8_t n_messages(const Variant *v) {
        return v->asks_again ? N_MESSAGES_ASKING : N_MESSAGES;
}

static uint8_t load(const State *s, const Thread *t, Word word) {
        for (unsigned i = t->n_buffered; i > 0; i--)
                if (t->buffer[i - 1].word == word)
                        return t->buffer[i - 1].value;

        return s->memory[word];
}

static void store(Thread *t, Word word, uint8_t value) {
        t->buffer[t->n_buffered++] = (Store) { .word = (uint8_t) word, .value = value };
}

/* Makes one buffered store visible, if it is the oldest to its word. */
static bool flush(State *s, Thread *t, unsigned i) {
        for (unsigned j = 0; j < i; j++)
                if (t->buffer[j].word == t->buffer[i].word)
                        return false;

        s->memory[t->buffer[i].word] = t->buffer[i].value;
        t->n_buffered--;
        memmove(t->buffer + i, t->buffer + i + 1, (t->n_buffered - i) * sizeof(Store));
        t->buffer[t->n_buffered] = (Store) {};
        return true;
}

static void ring(const Variant *v, Thread *from, Thread *to, uint8_t epoch, Search *search) {
        if (epoch == 0 || (!v->no_memory && epoch == from->rung))
                return;

        from->rung = epoch;
        to->rings++;
        if (++to->n_rung > to->n_armed)
                search->extra_ring = true;
}

static void arm(const Variant *v, Thread *t, Word word) {
        t->epoch = v->flag ? 1 : (uint8_t) (t->epoch + 1);
        t->n_armed++;
        t->taken = false;
        store(t, word, t->epoch);
}

/* One step of the writer. Returns whether it could move. */
static bool writer_step(State *s, Search *search) {
        const Variant *v = search->variant;
        Thread *t = &s->writer;

        switch ((Step) t->step) {
        case W_ROOM:
                t->step = t->at == n_messages(v) ? W_DONE : t->at - t->seen < (int) N_SLOTS ? W_PUBLISH : W_LOAD_TAIL;
                return true;
        case W_LOAD_TAIL:
                t->seen = load(s, t, TAIL);
                t->step = t->at - t->seen < (int) N_SLOTS ? W_ROOM : W_ARM;
                return true;
        case W_ARM:
                arm(v, t, ARMED_WRITE);
                t->step = v->no_writer_arm_fence ? W_RECHECK : W_ARM_FENCE;
                return true;
        case W_ARM_FENCE:
                t->step = W_RECHECK;
                return t->n_buffered == 0;
        case W_RECHECK:
                if (!v->no_writer_recheck)
                        t->seen = load(s, t, TAIL);
                t->step = t->at - t->seen <= (int) N_SLOTS / 2 ? W_DISARM : W_SLEEP;
                return true;
        case W_SLEEP:
                if (t->rings == 0)
                        return false;
                t->rings = 0;
                t->step = W_DISARM;
                return true;
        case W_DISARM:
                store(t, ARMED_WRITE, 0);
                t->step = W_ROOM;
                return true;
        case W_PUBLISH:
                store(t, HEAD, ++t->at);
                t->step = v->no_writer_fence ? W_LOAD_ARMED : W_FENCE;
                return true;
        case W_FENCE:
                t->step = W_LOAD_ARMED;
                return t->n_buffered == 0;
        case W_LOAD_ARMED:
                ring(v, t, &s->reader, load(s, t, ARMED_READ), search);
                t->step = W_ROOM;
                return true;
        case W_DONE:
                return false;
        default:
                fail();
                return false;
        }
}

static bool reader_step(State *s, Search *search) {
        const Variant *v = search->variant;
        Thread *t = &s->reader;

        switch ((Step) t->step) {
        case R_LOAD_HEAD:
                t->seen = load(s, t, HEAD);
                t->step = t->seen != t->at ? R_RELEASE : R_ARM;
                t->at = t->seen;
                return true;
        case R_RELEASE:
                store(t, TAIL, t->at);
                t->step = v->no_release_fence ? R_LOAD_ARMED : R_FENCE;
                return true;
        case R_FENCE:
                t->step = R_LOAD_ARMED;
                return t->n_buffered == 0;
        case R_LOAD_ARMED:
                t->loaded = load(s, t, ARMED_WRITE);
                t->step = t->loaded ? R_LOAD_HEAD_AGAIN : R_LOAD_HEAD;
                return true;
        case R_LOAD_HEAD_AGAIN:
                t->seen = load(s, t, HEAD);
                if (t->seen - t->at <= (int) N_SLOTS / 2)
                        ring(v, t, &s->writer, t->loaded, search);
                t->loaded = 0;
                t->step = R_LOAD_HEAD;
                return true;
        case R_ARM:
                arm(v, t, ARMED_READ);
                t->step = v->no_reader_arm_fence ? R_RECHECK : R_ARM_FENCE;
                return true;
        case R_ARM_FENCE:
                t->step = R_RECHECK;
                return t->n_buffered == 0;
        case R_RECHECK:
                if (!v->no_reader_recheck)
                        t->seen = load(s, t, HEAD);
                t->step = t->seen != t->at ? R_DISARM : v->late_drain ? R_LATE_DRAIN : R_SLEEP;
                return true;
        case R_LATE_DRAIN:
                t->rings = 0;
                t->step = R_SLEEP;
                return true;
        case R_SLEEP:
                if (t->rings == 0)
                        return false;
                t->rings = 0;
                t->step = R_DISARM;
                return true;
        case R_DISARM:
                store(t, ARMED_READ, 0);
                t->step = R_LOAD_HEAD;
                return true;
        case R_LOOK:
                t->seen = load(s, t, HEAD);
                t->step = t->seen != t->at ? R_DISARM : R_ASK_AGAIN;
                return true;
        case R_ASK_AGAIN:
                t->seen = load(s, t, HEAD);
                t->step = t->seen != t->at || (t->taken && !v->keeps_spent) ? R_ARM : R_SLEEP;
                return true;
        default:
                fail();
                return false;
        }
}

/* Nobody woke it. Returns whether it could move. */
static bool reader_comes_by(State *s, const Variant *v) {
        Thread *t = &s->reader;

        if (!v->asks_again || t->step != R_SLEEP)
                return false;

        t->taken |= t->rings > 0;
        t->rings = 0;
        t->step = R_LOOK;
        return true;
}

static uint64_t state_hash(const State *s) {
        const uint8_t *bytes = (const uint8_t *) s;
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < sizeof(*s); i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        return hash ^ hash >> 29;
}

/* Remembers a state and puts it on the stack, unless it was seen before. */
static void visit(Search *search, const State *s) {
        size_t i = state_hash(s) & (search->visited_size - 1);

        for (; search->used[i]; i = (i + 1) & (search->visited_size - 1))
                if (memcmp(search->visited + i, s, sizeof(*s)) == 0)
                        return;

        assert_true(++search->n_visited < search->visited_size / 2);
        assert_true(search->n_stack < search->stack_size);
        search->used[i] = true;
        search->visited[i] = *s;
        search->stack[search->n_stack++] = *s;
}

/* Everything that can happen next in a state. */
static void expand(Search *search, const State *s) {
        bool moved = false;
        State next;

        /* A thread whose buffer is full waits for it. */
        next = *s;
        if (s->writer.n_buffered < BUFFER_MAX && writer_step(&next, search)) {
                visit(search, &next);
                moved = true;
        }

        next = *s;
        if (s->reader.n_buffered < BUFFER_MAX && reader_step(&next, search)) {
                visit(search, &next);
                moved = true;
        }

        /* It may, and need not: this saves nobody who was forgotten. */
        next = *s;
        if (reader_comes_by(&next, search->variant))
                visit(search, &next);

        for (int who = 0; who < 2; who++)
                for (unsigned i = 0; i < (who == 0 ? s->writer : s->reader).n_buffered; i++) {
                        next = *s;
                        if (!flush(&next, who == 0 ? &next.writer : &next.reader, i))
                                continue;
                        visit(search, &next);
                        moved = true;
                }

        if (!moved && (s->writer.step != W_DONE || s->reader.at != n_messages(search->variant)))
                search->lost = true;
}

/* All states that can be reached, or as many as it takes to see a wake-up lost. */
static Search explore(const Variant *variant) {
        Search search = { .variant = variant, .visited_size = 1 << 20, .stack_size = 1 << 18 };
        State start;

        search.stack = malloc(search.stack_size * sizeof(State));
        search.visited = malloc(search.visited_size * sizeof(State));
        search.used = calloc(search.visited_size, sizeof(bool));
        assert_non_null(search.stack);
        assert_non_null(search.visited);
        assert_non_null(search.used);

        memset(&start, 0, sizeof(start));
        start.writer.step = W_ROOM;
        start.reader.step = R_LOAD_HEAD;
        visit(&search, &start);

        while (search.n_stack > 0 && !search.lost) {
                State s = search.stack[--search.n_stack];

                expand(&search, &s);
        }

        free(search.stack);
        free(search.visited);
        free(search.used);
        return search;
}

static void test_interleavings(void **state) {
        static const Variant variants[] = {
                { "as written" },
                { "no fence after publishing",      .no_writer_fence = true,     .loses_wakeups = true },
                { "no fence after arming to read",  .no_reader_arm_fence = true, .loses_wakeups = true },
                { "no second look at head",         .no_reader_recheck = true,   .loses_wakeups = true },
                { "no fence after releasing",       .no_release_fence = true,    .loses_wakeups = true },
                { "no fence after arming to write", .no_writer_arm_fence = true, .loses_wakeups = true },
                { "no second look at tail",         .no_writer_recheck = true,   .loses_wakeups = true },
                { "rings taken off at the end",     .late_drain = true,          .loses_wakeups = true },
                { "a flag instead of an epoch",     .flag = true,                .loses_wakeups = true },
                { "ring not remembered",            .no_memory = true,           .rings_too_often = true },
                { "as written, asking again",       .asks_again = true },
                { "asking again for a spent ring",  .asks_again = true,          .keeps_spent = true,
                                                                                 .loses_wakeups = true },
        };

        for (size_t i = 0; i < ELEMENTSOF(variants); i++) {
                Search search = explore(variants + i);

                print_message("%s: %zu states, %s%s\n", variants[i].name, search.n_visited,
                              search.lost ? "loses a wake-up" : "loses none",
                              search.extra_ring ? ", rings too often" : "");
                assert_true(variants[i].loses_wakeups || search.n_visited > 50000);
                assert_int_equal(search.lost, variants[i].loses_wakeups);
                assert_int_equal(search.extra_ring, variants[i].rings_too_often);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_interleavings),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
