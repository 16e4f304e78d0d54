/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state memfd: what is put in comes back from another process's descriptor of it, whatever was done to its
 * bytes. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "services/common/state-store.h"
#include "services/irm/state.h"

#define FIRST_SLOT STATE_STORE_HEADER_BYTES

typedef union AnyRecord {
        StateName name;
        StateBinding binding;
        StateRegistration registration;
        StateClient client;
        StateFlow flow;
        StateSetting setting;
        StateStamp stamp;
} AnyRecord;

static State *make_state(void) {
        State *state;

        assert_int_equal(state_new(&state), 0);
        return state;
}

/* What the next IRM gets from systemd. */
static int copy_fd(const State *state) {
        int fd = fcntl(state_fd(state), F_DUPFD_CLOEXEC, 3);

        assert_true(fd >= 0);
        return fd;
}

static StateName make_name(const char *name) {
        StateName record = { .owner = 1000, .balance = 2, .local = 1 };

        assert_true(copy_string(record.name, sizeof(record.name), name));
        return record;
}

static uint32_t put_name(State *state, const char *name) {
        StateName record = make_name(name);

        return state_put(state, STATE_NAME, &record);
}

static unsigned count_used(State *state, StateKind kind) {
        unsigned n = 0;
        AnyRecord record;

        for (uint32_t slot = 0; slot < state_capacity(kind); slot++)
                n += state_get(state, kind, slot, &record) > 0;

        return n;
}

static long kilobytes_of(const State *state) {
        struct stat st;

        assert_int_equal(fstat(state_fd(state), &st), 0);
        return (long) st.st_blocks / 2;
}

static void test_put_update_remove(void **unused) {
        _cleanup_(state_freep) State *state = make_state();
        StateName record;
        uint32_t slot;

        slot = put_name(state, "web");
        assert_int_equal(slot, 0);
        assert_int_equal(put_name(state, "mail"), 1);
        assert_int_equal(state_get(state, STATE_NAME, slot, &record), 1);
        assert_string_equal(record.name, "web");
        assert_int_equal(record.owner, 1000);

        record.balance = 1;
        state_update(state, STATE_NAME, slot, &record);
        record = (StateName) {};
        assert_int_equal(state_get(state, STATE_NAME, slot, &record), 1);
        assert_int_equal(record.balance, 1);

        state_remove(state, STATE_NAME, slot);
        assert_int_equal(state_get(state, STATE_NAME, slot, &record), 0);
        assert_int_equal(state_get(state, STATE_NAME, 1, &record), 1);
        assert_int_equal(put_name(state, "third"), 0);          /* the slot that was just freed */
}

/* Records of all kinds at their first and last slot do not touch each other. */
static void test_kinds_are_apart(void **unused) {
        _cleanup_(state_freep) State *state = make_state();

        for (StateKind kind = 0; kind < _STATE_KIND_MAX; kind++)
                for (uint32_t i = 0; i < state_capacity(kind); i++) {
                        AnyRecord record;

                        memset(&record, 0, sizeof(record));
                        record.name.owner = i ^ (uint32_t) kind << 24;  /* every kind has at least these bytes */
                        assert_int_equal(state_put(state, kind, &record), i);
                }

        for (StateKind kind = 0; kind < _STATE_KIND_MAX; kind++) {
                AnyRecord record;

                assert_int_equal(count_used(state, kind), state_capacity(kind));
                memset(&record, 0, sizeof(record));
                assert_int_equal(state_put(state, kind, &record), STATE_NO_SLOT);

                assert_int_equal(state_get(state, kind, state_capacity(kind) - 1, &record), 1);
                assert_int_equal(record.name.owner, (state_capacity(kind) - 1) ^ (uint32_t) kind << 24);
        }

        state_remove(state, STATE_CLIENT, 17);
        assert_int_equal(count_used(state, STATE_CLIENT), state_capacity(STATE_CLIENT) - 1);
        assert_int_equal(count_used(state, STATE_FLOW), state_capacity(STATE_FLOW));
}

static void test_restore(void **unused) {
        _cleanup_(state_freep) State *before = make_state(), *after = NULL;
        StateFlow flow = { .id = 77, .caller_uid = 1000, .lane_class = 1, .name = "web", .layer = "lan",
                           .peer = "02:00",
                           .granted = O7S_QOS_DATA, .transfer = 5 };
        uint32_t flow_slot;
        StateName name;

        assert_int_equal(put_name(before, "one"), 0);
        assert_int_equal(put_name(before, "two"), 1);
        assert_int_equal(put_name(before, "three"), 2);
        state_remove(before, STATE_NAME, 1);
        flow_slot = state_put(before, STATE_FLOW, &flow);

        assert_int_equal(state_open(copy_fd(before), &after), 0);
        before = state_free(before);

        assert_int_equal(count_used(after, STATE_NAME), 2);
        assert_int_equal(state_get(after, STATE_NAME, 2, &name), 1);
        assert_string_equal(name.name, "three");
        assert_int_equal(state_get(after, STATE_FLOW, flow_slot, &flow), 1);
        assert_int_equal(flow.id, 77);
        assert_string_equal(flow.peer, "02:00");
        assert_int_equal(flow.transfer, 5);
        assert_int_equal(flow.granted.delay_ms, O7S_QOS_DATA.delay_ms);

        assert_int_equal(put_name(after, "fills the gap"), 1);
        assert_int_equal(put_name(after, "goes behind"), 3);
}

/* An IRM that keeps little costs little, also after a restart and after looking at every slot. */
static void test_only_used_slots_cost_memory(void **unused) {
        _cleanup_(state_freep) State *before = make_state(), *after = NULL;

        assert_true(kilobytes_of(before) <= 64);
        put_name(before, "web");
        assert_int_equal(state_open(copy_fd(before), &after), 0);
        for (StateKind kind = 0; kind < _STATE_KIND_MAX; kind++)
                assert_int_equal(count_used(after, kind), kind == STATE_NAME);
        assert_true(kilobytes_of(after) <= 64);
}

static void test_no_state(void **unused) {
        StateName record = make_name("web");

        assert_int_equal(state_put(NULL, STATE_NAME, &record), STATE_NO_SLOT);
        state_update(NULL, STATE_NAME, 0, &record);
        state_remove(NULL, STATE_NAME, 0);
        assert_null(state_free(NULL));
}

static void test_no_slot(void **unused) {
        _cleanup_(state_freep) State *state = make_state();
        StateName record = make_name("web");

        state_update(state, STATE_NAME, STATE_NO_SLOT, &record);
        state_remove(state, STATE_NAME, STATE_NO_SLOT);
        assert_int_equal(count_used(state, STATE_NAME), 0);
}

static const struct {
        const char *name;
        off_t difference;
        bool sealed;
        int r;
} sizes[] = {
        { "as it was", 0, true, 0 },
        { "somebody may still cut it", 0, false, -EBADMSG },
        { "one byte short", -1, true, -EBADMSG },
        { "one byte long", 1, true, -EBADMSG },
        { "one page short", -4096, true, -EBADMSG },
        { "empty", -INT32_MAX, true, -EBADMSG },
};

/* A memfd of the state's bytes, of another size or without its seals. */
static int make_lookalike(const State *state, off_t difference, bool sealed) {
        uint8_t header[FIRST_SLOT];
        struct stat st;
        int fd;

        assert_int_equal(fstat(state_fd(state), &st), 0);
        assert_int_equal(pread(state_fd(state), header, sizeof(header), 0), sizeof(header));
        fd = memfd_create("lookalike", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, header, sizeof(header), 0), sizeof(header));
        assert_int_equal(ftruncate(fd, MAX(st.st_size + difference, (off_t) 0)), 0);
        if (sealed)
                assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);

        return fd;
}

static void test_sizes(void **unused) {
        _cleanup_(state_freep) State *state = make_state();

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_(state_freep) State *opened = NULL;

                print_message("%s\n", sizes[i].name);
                assert_int_equal(state_open(make_lookalike(state, sizes[i].difference, sizes[i].sealed), &opened),
                                 sizes[i].r);
                assert_int_equal(opened != NULL, sizes[i].r == 0);
        }
}

static void test_not_a_memfd(void **unused) {
        State *opened = NULL;
        int pipes[2];

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        assert_int_equal(state_open(pipes[0], &opened), -EBADMSG);
        assert_int_equal(fcntl(pipes[0], F_GETFD), -1);         /* taken, also on failure */
        (void) close(pipes[1]);
        assert_null(opened);
}

/* A text without its end must not be read past its field; the slot is given up and can be used again. */
static void test_unterminated_text(void **unused) {
        _cleanup_(state_freep) State *state = make_state();
        StateName record = make_name("web");

        memset(record.name, 'x', sizeof(record.name));
        assert_int_equal(state_put(state, STATE_NAME, &record), 0);

        assert_int_equal(state_get(state, STATE_NAME, 0, &record), 0);
        assert_int_equal(state_get(state, STATE_NAME, 0, &record), 0);
        assert_int_equal(put_name(state, "again"), 0);
        assert_int_equal(state_get(state, STATE_NAME, 0, &record), 1);
        assert_string_equal(record.name, "again");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_put_update_remove),
                cmocka_unit_test(test_kinds_are_apart),
                cmocka_unit_test(test_restore),
                cmocka_unit_test(test_only_used_slots_cost_memory),
                cmocka_unit_test(test_no_state),
                cmocka_unit_test(test_no_slot),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_not_a_memfd),
                cmocka_unit_test(test_unterminated_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
