/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The store that outlives its process: a kill at any byte leaves the old record or the new one, whatever else is in
 * it. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "services/common/layer-restore.h"

typedef struct Record {
        uint32_t number;
        uint8_t text[28];
} Record;

#define RECORD_COPY_BYTES (STATE_STORE_COPY_BYTES + sizeof(Record))
#define CAPACITY 8U
#define HEADER_USED_BYTES (8U + 4U + 4U + 2U * 8U)

static const StateStoreFormat format = {
        .name = "test",
        .version = 7,
        .n_kinds = 2,
        .kinds = { { sizeof(Record), CAPACITY }, { 4096, 4 } },
};

/* Of kind 0. */
static off_t copy_offset(uint32_t slot, bool second) {
        return (off_t) (STATE_STORE_HEADER_BYTES + RECORD_COPY_BYTES * (slot + (second ? CAPACITY : 0)));
}

static Record make_record(uint32_t number) {
        Record record = { .number = number };

        memset(record.text, (int) (number + 'a'), sizeof(record.text));
        return record;
}

static StateStore *make_store(void) {
        StateStore *store;

        assert_int_equal(state_store_new(&format, &store), 0);
        return store;
}

/* What the next process gets. Returns NULL where it takes the store for none. */
static StateStore *reopen(const StateStore *store) {
        int fd = fcntl(state_store_fd(store), F_DUPFD_CLOEXEC, 3), r;
        StateStore *next = NULL;

        assert_true(fd >= 0);
        r = state_store_open(&format, fd, &next);
        assert_true(r == 0 || r == -EBADMSG);
        return next;
}

static uint32_t put(StateStore *store, uint32_t number) {
        Record record = make_record(number);

        return state_store_put(store, 0, &record);
}

/* The number in a slot, every byte of it; 0: there is none. */
static uint32_t number_in(const StateStore *store, uint32_t slot) {
        Record record, expected;

        if (state_store_get(store, 0, slot, &record) == 0)
                return 0;

        expected = make_record(record.number);
        assert_memory_equal(&record, &expected, sizeof(record));
        return record.number;
}

static void read_at(const StateStore *store, off_t at, void *to, size_t size) {
        assert_int_equal(pread(state_store_fd(store), to, size, at), size);
}

static void write_at(const StateStore *store, off_t at, const void *from, size_t size) {
        assert_int_equal(pwrite(state_store_fd(store), from, size, at), size);
}

static uint32_t number_after_kill(const StateStore *store, uint32_t slot) {
        _cleanup_(state_store_freep) StateStore *next = reopen(store);

        assert_non_null(next);
        assert_int_equal(number_in(next, 3), 33);               /* the neighbour is never touched */
        return number_in(next, slot);
}

/* Plays a write that stops after each of its bytes: generation 0, record, checksum, generation. */
static void tear(const StateStore *store, uint32_t slot, bool second, const uint8_t before[RECORD_COPY_BYTES],
                 const uint8_t after[RECORD_COPY_BYTES], uint32_t old, uint32_t new) {
        static const struct {
                size_t offset;
                size_t size;
        } steps[] = { { 16, sizeof(Record) }, { 8, 8 }, { 0, 8 } };
        uint8_t now[RECORD_COPY_BYTES];

        memcpy(now, before, sizeof(now));
        memset(now, 0, 8);

        for (size_t s = 0; s < ELEMENTSOF(steps); s++)
                for (size_t i = 0; i < steps[s].size; i++) {
                        write_at(store, copy_offset(slot, second), now, sizeof(now));
                        assert_int_equal(number_after_kill(store, slot),
                                         memcmp(now, after, sizeof(now)) == 0 ? new : old);
                        now[steps[s].offset + i] = after[steps[s].offset + i];
                }

        write_at(store, copy_offset(slot, second), now, sizeof(now));
        assert_int_equal(number_after_kill(store, slot), new);
}

static void test_torn_put(void **state) {
        _cleanup_(state_store_freep) StateStore *store = make_store();
        uint8_t before[RECORD_COPY_BYTES], after[RECORD_COPY_BYTES];

        for (uint32_t i = 0; i < 4; i++)
                assert_int_equal(put(store, i == 3 ? 33 : 1 + i), i);
        state_store_remove(store, 0, 1);

        read_at(store, copy_offset(1, false), before, sizeof(before));
        assert_int_equal(put(store, 9), 1);
        read_at(store, copy_offset(1, false), after, sizeof(after));
        tear(store, 1, false, before, after, 0, 9);
}

static void test_torn_update(void **state) {
        for (unsigned updates = 1; updates <= 3; updates++) {
                _cleanup_(state_store_freep) StateStore *store = make_store();
                uint8_t before[RECORD_COPY_BYTES], after[RECORD_COPY_BYTES];
                bool second = updates % 2 == 1;
                Record record;

                for (uint32_t i = 0; i < 4; i++)
                        assert_int_equal(put(store, i == 3 ? 33 : 10), i);
                for (unsigned i = 1; i < updates; i++) {
                        record = make_record(10 + i);
                        state_store_update(store, 0, 1, &record);
                }

                read_at(store, copy_offset(1, second), before, sizeof(before));
                record = make_record(10 + updates);
                state_store_update(store, 0, 1, &record);
                read_at(store, copy_offset(1, second), after, sizeof(after));
                tear(store, 1, second, before, after, 10 + updates - 1, 10 + updates);
        }
}

/* A removed record must not come back as it was before its last change. */
static void test_removed_after_update(void **state) {
        for (unsigned updates = 0; updates <= 2; updates++) {
                _cleanup_(state_store_freep) StateStore *store = make_store(), *next = NULL;

                assert_int_equal(put(store, 1), 0);
                for (unsigned i = 0; i < updates; i++) {
                        Record record = make_record(2 + i);

                        state_store_update(store, 0, 0, &record);
                }
                state_store_remove(store, 0, 0);

                next = reopen(store);
                assert_int_equal(number_in(next, 0), 0);
                assert_int_equal(put(next, 5), 0);
        }
}

/* Any single flipped bit makes the record none, and nothing worse. */
static void test_flipped_bits(void **state) {
        _cleanup_(state_store_freep) StateStore *store = make_store();

        for (uint32_t i = 0; i < 4; i++)
                assert_int_equal(put(store, i == 3 ? 33 : 1 + i), i);

        for (size_t bit = 0; bit < RECORD_COPY_BYTES * 8; bit++) {
                off_t at = copy_offset(1, false) + (off_t) (bit / 8);
                uint8_t byte;

                read_at(store, at, &byte, 1);
                byte ^= (uint8_t) (1U << bit % 8);
                write_at(store, at, &byte, 1);
                assert_int_equal(number_after_kill(store, 1), 0);
                byte ^= (uint8_t) (1U << bit % 8);
                write_at(store, at, &byte, 1);
        }
        assert_int_equal(number_after_kill(store, 1), 2);
}

/* A good record in a place that is not its own is none. */
static void test_moved_record(void **state) {
        _cleanup_(state_store_freep) StateStore *store = make_store();
        uint8_t copy[RECORD_COPY_BYTES];

        for (uint32_t i = 0; i < 4; i++)
                assert_int_equal(put(store, i == 3 ? 33 : 1 + i), i);

        read_at(store, copy_offset(0, false), copy, sizeof(copy));
        write_at(store, copy_offset(5, false), copy, sizeof(copy));
        assert_int_equal(number_after_kill(store, 5), 0);
}

static void test_flipped_header(void **state) {
        _cleanup_(state_store_freep) StateStore *store = make_store();

        for (off_t at = 0; at < (off_t) HEADER_USED_BYTES; at++) {
                uint8_t byte;

                read_at(store, at, &byte, 1);
                byte ^= 0x10;
                write_at(store, at, &byte, 1);
                assert_null(reopen(store));
                byte ^= 0x10;
                write_at(store, at, &byte, 1);
        }
}

static void test_full(void **state) {
        _cleanup_(state_store_freep) StateStore *store = make_store(), *next = NULL;

        for (uint32_t i = 0; i < CAPACITY; i++)
                assert_int_equal(put(store, 1 + i), i);
        assert_int_equal(put(store, 100), STATE_STORE_NO_SLOT);

        next = reopen(store);
        assert_int_equal(put(next, 100), STATE_STORE_NO_SLOT);
        state_store_remove(next, 0, 4);
        assert_int_equal(put(next, 100), 4);
}

/* -- flows of a layer in it -- */

static LayerFlow make_flow(uint64_t flow_id) {
        return (LayerFlow) {
                .key = { .flow_id = flow_id, .attempt = 2 },
                .state = LAYER_FLOW_ESTABLISHED,
                .lane_class = LANE_BULK,
                .uid = 1000,
                .qos = O7S_QOS_RAW,
                .tokens = { .have_own = true, .own = "own tok", .peer = "peertok" },
        };
}

static void test_flows_of_a_layer(void **state) {
        _cleanup_(state_store_freep) StateStore *store = NULL, *next = NULL;
        LayerFlow flow = make_flow(7), other = make_flow(8), again = {};
        uint32_t position = 0, slot;
        LayerFlowRecord record;

        assert_int_equal(layer_store_new(&store), 0);
        assert_int_equal(layer_store_flow(store, &flow, (const uint8_t *) "bytes", 5), 0);
        assert_int_equal(layer_store_flow(store, &other, NULL, 0), 0);
        assert_int_equal(layer_store_flow(store, &other, NULL, LAYER_FLOW_BYTES_MAX + 1), -EMSGSIZE);
        assert_int_equal(layer_store_flow(store, &flow, (const uint8_t *) "other", 5), 0);      /* anew */
        layer_flow_set_state(&other, LAYER_FLOW_CLOSED);

        assert_int_equal(layer_store_from_fd(fcntl(state_store_fd(store), F_DUPFD_CLOEXEC, 3), &next), 0);
        assert_int_equal(layer_store_next_flow(next, &position, &record, &slot), 1);
        assert_int_equal(record.key.flow_id, 7);
        assert_int_equal(record.key.attempt, 2);
        assert_int_equal(record.uid, 1000);
        assert_int_equal(record.lane_class, LANE_BULK);
        assert_int_equal(record.size, 5);
        assert_memory_equal(record.bytes, "other", 5);
        assert_memory_equal(&record.qos, &flow.qos, sizeof(record.qos.delay_ms));
        assert_true(record.tokens.have_own);
        assert_false(record.tokens.have_peer);
        assert_string_equal((const char *) record.tokens.own, "own tok");

        layer_flow_restore(&again, &record, next, slot);
        assert_int_equal(again.state, LAYER_FLOW_ESTABLISHED);
        assert_int_equal(layer_store_next_flow(next, &position, &record, &slot), 0);

        layer_flow_set_state(&again, LAYER_FLOW_CLOSED);
        position = 0;
        assert_int_equal(layer_store_next_flow(next, &position, &record, &slot), 0);
}

/* How often these bytes are anywhere in the memory that the service manager keeps. Holes of the file are skipped. */
static unsigned count_in_store(const StateStore *store, const void *bytes, size_t size) {
        int fd = state_store_fd(store);
        unsigned n = 0;
        off_t at = 0;

        for (off_t data; (data = lseek(fd, at, SEEK_DATA)) >= 0;) {
                off_t hole = lseek(fd, data, SEEK_HOLE);
                size_t length = (size_t) (hole - data);
                uint8_t *memory = malloc(length), *found = memory;

                assert_non_null(memory);
                assert_int_equal(pread(fd, memory, length, data), length);
                for (; (found = memmem(found, length - (size_t) (found - memory), bytes, size)); found++)
                        n++;
                free(memory);
                at = hole;
        }

        return n;
}

/* Keys and counters come back as they were; when the flow is closed they are nowhere any more. */
static void test_keys_of_flows(void **state) {
        static const LayerControl keys = { .present = true, .send = "a key for what we say, 32 bytes",
                                           .receive = "a key for what we hear, of 32 b" };
        _cleanup_(state_store_freep) StateStore *store = NULL, *next = NULL;
        LayerFlow flow = make_flow(7), again = {};
        uint32_t position = 0, slot;
        LayerFlowRecord record;

        flow_control_init(&flow.control, &keys, true);
        flow.have_lock = true;
        memcpy(flow.lock, "lock of the peer", sizeof(flow.lock));
        assert_int_equal(layer_store_new(&store), 0);
        for (flow.control.sent = 1; flow.control.sent < 5; flow.control.sent++) {
                flow.control.received = 2 * flow.control.sent;
                assert_int_equal(layer_store_flow(store, &flow, NULL, 0), 0);
        }
        assert_true(count_in_store(store, keys.send, sizeof(keys.send)) > 0);

        assert_int_equal(layer_store_from_fd(fcntl(state_store_fd(store), F_DUPFD_CLOEXEC, 3), &next), 0);
        assert_int_equal(layer_store_next_flow(next, &position, &record, &slot), 1);
        layer_flow_restore(&again, &record, next, slot);
        assert_true(again.control.present && again.control.confirmed && again.have_lock);
        assert_memory_equal(again.control.send, keys.send, sizeof(keys.send));
        assert_memory_equal(again.control.receive, keys.receive, sizeof(keys.receive));
        assert_int_equal(again.control.sent, 4);
        assert_int_equal(again.control.received, 8);
        assert_memory_equal(again.lock, "lock of the peer", sizeof(again.lock));

        layer_flow_set_state(&again, LAYER_FLOW_CLOSED);
        assert_int_equal(count_in_store(next, keys.send, sizeof(keys.send)), 0);
        assert_int_equal(count_in_store(next, keys.receive, sizeof(keys.receive)), 0);
        assert_false(again.control.present);
        assert_int_equal(again.control.send[0], 0);
}

/* Drawn once, and then the same for every process that comes after. */
static void test_key_of_a_layer(void **state) {
        _cleanup_(state_store_freep) StateStore *store = NULL, *next = NULL, *other = NULL;
        uint8_t key[FLOW_RESET_KEY_BYTES], again[FLOW_RESET_KEY_BYTES];

        assert_int_equal(layer_store_new(&store), 0);
        assert_int_equal(layer_store_key(store, key), 0);
        assert_int_equal(layer_store_from_fd(fcntl(state_store_fd(store), F_DUPFD_CLOEXEC, 3), &next), 0);
        assert_int_equal(layer_store_key(next, again), 0);
        assert_memory_equal(key, again, sizeof(key));

        assert_int_equal(layer_store_new(&other), 0);
        assert_int_equal(layer_store_key(other, again), 0);
        assert_memory_not_equal(key, again, sizeof(key));
}

static void test_block_of_a_layer(void **state) {
        _cleanup_(state_store_freep) StateStore *store = NULL, *next = NULL;
        uint8_t bytes[LAYER_BLOCK_BYTES_MAX];

        assert_int_equal(layer_store_new(&store), 0);
        assert_int_equal(layer_store_get_block(store, bytes), 0);
        assert_int_equal(layer_store_set_block(store, "one", 3), 0);
        assert_int_equal(layer_store_set_block(store, "second", 6), 0);
        assert_int_equal(layer_store_set_block(store, bytes, sizeof(bytes) + 1), -EMSGSIZE);

        assert_int_equal(layer_store_from_fd(fcntl(state_store_fd(store), F_DUPFD_CLOEXEC, 3), &next), 0);
        assert_int_equal(layer_store_get_block(next, bytes), 6);
        assert_memory_equal(bytes, "second", 6);
        assert_int_equal(layer_store_set_block(next, "", 0), 0);
        assert_int_equal(layer_store_get_block(next, bytes), 0);
}

/* State that ends whoever uses it, at once and again: three times, and no more. */
static void test_trials(void **state) {
        static const struct {
                const char *name;
                usec_t pause;
                bool may;
        } begins[] = {
                { "the first",                        0,                      true  },
                { "after a long life",                LAYER_TRIAL_USEC,       true  },
                { "at once",                          LAYER_TRIAL_USEC / 5,   true  },
                { "again",                            LAYER_TRIAL_USEC / 5,   true  },
                { "a third quick end",                LAYER_TRIAL_USEC / 5,   false },
                { "and on",                           LAYER_TRIAL_USEC / 5,   false },
                { "used all the same, it lived",      LAYER_TRIAL_USEC,       true  },
                { "and ended at once",                0,                      true  },
        };
        _cleanup_(state_store_freep) StateStore *store = NULL;
        usec_t now = 7 * USEC_PER_SEC;

        assert_int_equal(layer_store_new(&store), 0);
        for (size_t i = 0; i < ELEMENTSOF(begins); i++) {
                StateStore *next = NULL;

                print_message("%s\n", begins[i].name);
                now += begins[i].pause;
                assert_int_equal(layer_store_from_fd(fcntl(state_store_fd(store), F_DUPFD_CLOEXEC, 3), &next), 0);
                assert_int_equal(layer_store_begin(next, now), begins[i].may);
                state_store_free(next);
        }

        /* A clock that goes backwards is no proof of anything. */
        assert_true(layer_store_begin(store, 0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_torn_put),
                cmocka_unit_test(test_torn_update),
                cmocka_unit_test(test_removed_after_update),
                cmocka_unit_test(test_flipped_bits),
                cmocka_unit_test(test_moved_record),
                cmocka_unit_test(test_flipped_header),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_flows_of_a_layer),
                cmocka_unit_test(test_keys_of_flows),
                cmocka_unit_test(test_key_of_a_layer),
                cmocka_unit_test(test_block_of_a_layer),
                cmocka_unit_test(test_trials),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
