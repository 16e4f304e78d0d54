/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a member leaves to its next life: the same comes back, and nothing that no member could be. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/lsa.h"
#include "services/ipcp-unicast/member-state.h"

static MemberState good(void) {
        MemberState state = { .address = 0x01020304, .sequence = 77 };

        layer_config_init(&state.config, "home");
        state.config.type = LAYER_UNICAST;
        return state;
}

static void test_round_trip(void **unused) {
        MemberState state = good(), back = {};
        uint8_t bytes[MEMBER_STATE_BYTES_MAX];
        size_t size;

        state.config.ttl_max = 33;
        state.config.replicate_sec = 901;
        size = member_state_pack(&state, bytes);
        assert_int_equal(size, 81 + strlen("home"));
        assert_int_equal(member_state_parse(bytes, size, &back), 0);
        assert_int_equal(back.address, state.address);
        assert_int_equal(back.sequence, state.sequence);
        assert_string_equal(back.config.layer, "home");
        assert_int_equal(back.config.ttl_max, 33);
        assert_int_equal(back.config.replicate_sec, 901);
        assert_int_equal(back.config.hash, state.config.hash);

        /* A name as long as names can be, and an id. */
        state.config.have_id = true;
        memset(state.config.layer, 'x', FLOW_NAME_WIRE_BYTES_MAX);
        size = member_state_pack(&state, bytes);
        assert_int_equal(size, MEMBER_STATE_BYTES_MAX);
        assert_int_equal(member_state_parse(bytes, size, &back), 0);
        assert_string_equal(back.config.layer, state.config.layer);
}

/* With the id of the layer behind it; any other number of bytes there is not ours. */
static void test_layer_id(void **unused) {
        MemberState state = good(), back = {};
        uint8_t bytes[MEMBER_STATE_BYTES_MAX] = {};
        size_t without = member_state_pack(&state, bytes), size;

        state.config.have_id = true;
        memcpy(state.config.id, "0123456789abcdef", LAYER_ID_BYTES);
        size = member_state_pack(&state, bytes);
        assert_int_equal(size, without + LAYER_ID_BYTES);

        for (size_t n = 0; n < size + 3; n++)
                assert_int_equal(member_state_parse(bytes, n, &back), n == size || n == without ? 0 : -EBADMSG);

        assert_int_equal(member_state_parse(bytes, without, &back), 0);
        assert_false(back.config.have_id);
        assert_int_equal(member_state_parse(bytes, size, &back), 0);
        assert_true(back.config.have_id);
        assert_memory_equal(back.config.id, state.config.id, LAYER_ID_BYTES);
        assert_string_equal(back.config.layer, "home");
}

/* Cut anywhere, or longer than it says. */
static void test_sizes(void **unused) {
        MemberState state = good(), back = {};
        uint8_t bytes[MEMBER_STATE_BYTES_MAX] = {};
        size_t size = member_state_pack(&state, bytes);

        for (size_t n = 0; n < size + 3; n++)
                assert_int_equal(member_state_parse(bytes, n, &back), n == size ? 0 : -EBADMSG);
}

#define AT(o, ...) .offset = o, .n = sizeof((uint8_t[]) { __VA_ARGS__ }), .bytes = { __VA_ARGS__ }

static void test_strange(void **unused) {
        static const struct {
                const char *name;
                size_t offset;
                size_t n;
                uint8_t bytes[8];
                int r;
        } rows[] = {
                { "no address", AT(0, 0, 0, 0, 0, 0, 0, 0, 0), -EBADMSG },
                { "address of five bytes", AT(3, 1), -EBADMSG },
                { "the largest sequence", AT(8, 0x80, 0, 0, 0, 0, 0, 0, 0), 0 },
                { "one more", AT(8, 0x80, 0, 0, 0, 0, 0, 0, 1), -EBADMSG },
                { "another type", AT(19, LAYER_BROADCAST), -EBADMSG },
                { "no type", AT(19, 0), -EBADMSG },
                { "unknown hash", AT(20, 0xff), -EBADMSG },
                { "addresses of no bytes", AT(27, 0), -EOPNOTSUPP },
                { "addresses of 255 bytes", AT(27, 0xff), -EOPNOTSUPP },
                { "no name", AT(80, 0), -EBADMSG },
                { "name longer than what is there", AT(80, 255), -EBADMSG },
                { "NUL in the name", AT(82, 0), -EBADMSG },
                { "as it was", AT(81, 'h'), 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                MemberState state = good(), back = {};
                uint8_t bytes[MEMBER_STATE_BYTES_MAX];
                size_t size = member_state_pack(&state, bytes);

                print_message("%s\n", rows[i].name);
                memcpy(bytes + rows[i].offset, rows[i].bytes, rows[i].n);
                assert_int_equal(member_state_parse(bytes, size, &back), rows[i].r);
                assert_int_equal(back.address != 0, rows[i].r == 0);     /* untouched on failure */
        }
}

/* One that left: the same comes back, from nothing shorter or longer, and nothing that no member could be. */
static void test_left(void **unused) {
        MemberState state = good(), back = {};
        uint8_t bytes[MEMBER_STATE_LEFT_BYTES + 1] = {}, bad[MEMBER_STATE_LEFT_BYTES];

        member_state_pack_left(&state, bytes);
        for (size_t size = 0; size <= sizeof(bytes); size++) {
                bool whole = size == MEMBER_STATE_LEFT_BYTES;

                assert_int_equal(member_state_parse_left(bytes, size, &back), whole ? 0 : -EBADMSG);
                assert_int_equal(member_state_parse(bytes, size, &back), -EBADMSG);
                if (size < MEMBER_STATE_LEFT_BYTES)
                        assert_int_equal(back.address, 0);
        }
        assert_int_equal(back.address, state.address);
        assert_int_equal(back.sequence, state.sequence);

        for (size_t i = 0; i < 4; i++) {        /* more than four bytes of address */
                memcpy(bad, bytes, sizeof(bad));
                bad[i] = 1;
                assert_int_equal(member_state_parse_left(bad, sizeof(bad), &back), -EBADMSG);
        }
        memcpy(bad, bytes, sizeof(bad));
        bad[8] = 0xff;
        assert_int_equal(member_state_parse_left(bad, sizeof(bad), &back), -EBADMSG);
        memset(bad, 0, 8);
        assert_int_equal(member_state_parse_left(bad, sizeof(bad), &back), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_layer_id),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_strange),
                cmocka_unit_test(test_left),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
