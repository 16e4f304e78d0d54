/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What proves a message about a flow, what ends a flow that was lost, and what both hosts bind a handshake to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/flow-binding.h"
#include "services/common/flow-control.h"

#define CLOSE 0x40U

static void pair(FlowControl *a, FlowControl *b) {
        LayerControl there = { .present = true }, here = { .present = true };

        memset(there.send, 0x11, sizeof(there.send));
        memset(there.receive, 0x22, sizeof(there.receive));
        memcpy(here.send, there.receive, sizeof(here.send));
        memcpy(here.receive, there.send, sizeof(here.receive));
        flow_control_init(a, &there, true);
        flow_control_init(b, &here, false);
}

static FlowControlText text_of(const char *content) {
        return (FlowControlText) {
                .code = CLOSE,
                .sender = 0x1234,
                .receiver = 0x5678,
                .content = (const uint8_t *) content,
                .content_size = strlen(content),
        };
}

static void test_hmac_known_answers(void **state) {
        /* RFC 4231, cases 2 and 6 */
        static const uint8_t jefe[HMAC_BYTES] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                                  0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                                  0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43 };
        static const uint8_t large[HMAC_BYTES] = { 0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f, 0x0d, 0x8a, 0x26,
                                                   0xaa, 0xcb, 0xf5, 0xb7, 0x7f, 0x8e, 0x0b, 0xc6, 0x21, 0x37, 0x28,
                                                   0xc5, 0x14, 0x05, 0x46, 0x04, 0x0f, 0x0e, 0xe3, 0x7f, 0x54 };
        static const char what[] = "what do ya want for nothing?";
        static const char test[] = "Test Using Larger Than Block-Size Key - Hash Key First";
        uint8_t key[131], tag[HMAC_BYTES];

        assert_int_equal(hash_hmac("Jefe", 4, what, sizeof(what) - 1, tag), 0);
        assert_memory_equal(tag, jefe, sizeof(tag));
        memset(key, 0xaa, sizeof(key));
        assert_int_equal(hash_hmac(key, sizeof(key), test, sizeof(test) - 1, tag), 0);
        assert_memory_equal(tag, large, sizeof(tag));
}

static void test_good(void **state) {
        FlowControlText text = text_of("goodbye");
        FlowControlProof proof;
        FlowControl a, b;

        pair(&a, &b);
        assert_false(b.confirmed);
        for (unsigned i = 1; i <= 3; i++) {
                assert_int_equal(flow_control_prove(&a, &text, &proof), 0);
                assert_int_equal(proof.counter, i);
                assert_int_equal(flow_control_check(&b, &text, &proof), 0);
                assert_int_equal(b.received, i);
        }
        assert_true(b.confirmed);

        /* The other way on its own counter. */
        assert_int_equal(flow_control_prove(&b, &text, &proof), 0);
        assert_int_equal(proof.counter, 1);
        assert_int_equal(flow_control_check(&a, &text, &proof), 0);
}

/* Every bit of everything that a message has. */
static void test_forged(void **state) {
        static const struct {
                const char *name;
                size_t offset, size;
        } fields[] = {
                { "code", 0, 1 }, { "sender", 1, 8 }, { "receiver", 9, 8 }, { "counter", 17, 8 },
                { "content", 25, 7 }, { "tag", 32, 16 },
        };

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                for (size_t bit = 0; bit < 8 * fields[i].size; bit++) {
                        uint64_t flip = UINT64_C(1) << (bit % 64);
                        char content[8] = "goodbye";
                        FlowControlText text = text_of(content);
                        FlowControlProof proof;
                        FlowControl a, b;

                        pair(&a, &b);
                        assert_int_equal(flow_control_prove(&a, &text, &proof), 0);
                        switch (fields[i].offset) {
                        case 0: text.code ^= (uint8_t) flip; break;
                        case 1: text.sender ^= flip; break;
                        case 9: text.receiver ^= flip; break;
                        case 17: proof.counter ^= flip; break;
                        case 25: content[bit / 8] ^= (char) (1U << bit % 8); break;
                        default: proof.tag[bit / 8] ^= (uint8_t) (1U << bit % 8); break;
                        }
                        if (flow_control_check(&b, &text, &proof) != -EBADMSG)
                                fail_msg("%s, bit %zu", fields[i].name, bit);
                        assert_int_equal(b.received, 0);
                        assert_false(b.confirmed);
                }
}

static void test_replayed_reflected_overtaken(void **state) {
        FlowControlText text = text_of("now"), longer = text_of("now!");
        FlowControlProof first, second;
        FlowControl a, b, none = {};

        pair(&a, &b);
        assert_int_equal(flow_control_prove(&a, &text, &first), 0);
        assert_int_equal(flow_control_prove(&a, &text, &second), 0);

        assert_int_equal(flow_control_check(&a, &text, &first), -EBADMSG);      /* back to who said it */
        assert_int_equal(flow_control_check(&b, &longer, &first), -EBADMSG);
        assert_int_equal(flow_control_check(&b, &text, &second), 0);
        assert_int_equal(flow_control_check(&b, &text, &second), -EALREADY);
        assert_int_equal(flow_control_check(&b, &text, &first), -EALREADY);
        assert_int_equal(flow_control_check(&none, &text, &first), -ENOKEY);
        assert_int_equal(b.received, 2);

        a.sent = UINT64_MAX;
        assert_int_equal(flow_control_prove(&a, &text, &first), -EOVERFLOW);
}

static void test_wiped(void **state) {
        static const FlowControl gone = { .wiped = true }, none;
        FlowControl a, b, never = {};
        FlowControlText text = text_of("now");
        FlowControlProof proof;

        pair(&a, &b);
        assert_int_equal(flow_control_prove(&b, &text, &proof), 0);
        for (unsigned i = 0; i < 2; i++) {
                flow_control_wipe(&a);
                assert_memory_equal(&a, &gone, sizeof(a));
                assert_int_equal(flow_control_check(&a, &text, &proof), -ESTALE);
        }
        flow_control_wipe(&never);
        assert_memory_equal(&never, &none, sizeof(never));
}

/* What ends a flow: a proof, or the token where that is all that the peer may have. */
static void test_close(void **state) {
        static const struct {
                const char *name;
                bool keys, confirmed, wiped;
                bool proof, forged, token;
                int r;
                DropReason reason;
        } rows[] = {
                { "no keys, token", false, false, false, false, false, true, 0, 0 },
                { "no keys, another token", false, false, false, false, false, false,
                  -EKEYREJECTED, DROP_WRONG_SOURCE },
                { "no keys, a proof", false, false, false, true, false, false, -EKEYREJECTED, DROP_WRONG_SOURCE },
                { "keys, proof", true, true, false, true, false, false, 0, 0 },
                { "keys, token", true, true, false, false, false, true, -EBADMSG, DROP_FORGED },
                { "keys, token and a forged proof", true, true, false, true, true, true, -EBADMSG, DROP_FORGED },
                { "keys that the peer may not have, token", true, false, false, false, false, true, 0, 0 },
                { "keys that the peer may not have, proof", true, false, false, true, false, false, 0, 0 },
                { "keys that the peer may not have, another token", true, false, false, false, false, false,
                  -EKEYREJECTED, DROP_WRONG_SOURCE },
                { "over, token", true, true, true, false, false, true, -ESTALE, DROP_FLOW_CLOSED },
                { "over, proof", true, true, true, true, false, true, -ESTALE, DROP_FLOW_CLOSED },
                { "over, before the peer showed keys", true, false, true, false, false, true,
                  -ESTALE, DROP_FLOW_CLOSED },
                { "over, without keys", false, false, true, false, false, true, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                FlowControlText text = text_of("close");
                FlowControlProof proof;
                FlowControl a, b;
                int r;

                print_message("%s\n", rows[i].name);
                pair(&a, &b);
                assert_int_equal(flow_control_prove(&a, &text, &proof), 0);
                proof.tag[0] ^= rows[i].forged;
                if (!rows[i].keys)
                        b = (FlowControl) {};
                b.confirmed = rows[i].confirmed;
                if (rows[i].wiped)
                        flow_control_wipe(&b);
                r = flow_control_check_close(&b, &text, rows[i].proof ? &proof : NULL, rows[i].token);
                assert_int_equal(r, rows[i].r);
                if (r < 0)
                        assert_int_equal(flow_control_drop_reason(r), rows[i].reason);
        }
        assert_int_equal(flow_control_drop_reason(-EALREADY), DROP_REPLAYED);
}

/* -- resets -- */

static void test_reset(void **state) {
        static const uint8_t key[FLOW_RESET_KEY_BYTES] = "of the layer", other_key[FLOW_RESET_KEY_BYTES] = "of another";
        static const uint8_t peer[6] = "peer.", other_peer[6] = "pear.";
        static const struct {
                const char *name;
                const uint8_t *key, *peer;
                uint64_t endpoint, peer_endpoint;
                bool fits;
        } rows[] = {
                { "the same", key, peer, 7, 8, true },
                { "another layer", other_key, peer, 7, 8, false },
                { "another peer", key, other_peer, 7, 8, false },
                { "another endpoint id", key, peer, 6, 8, false },
                { "another endpoint id of the peer", key, peer, 7, 9, false },
                { "exchanged", key, peer, 8, 7, false },
        };
        uint8_t token[FLOW_RESET_BYTES], lock[FLOW_RESET_BYTES], own[FLOW_RESET_BYTES];

        assert_int_equal(flow_reset_token(key, 7, peer, sizeof(peer), 8, token), 0);
        assert_int_equal(flow_reset_lock(token, lock), 0);
        assert_memory_not_equal(lock, token, sizeof(lock));
        assert_int_equal(flow_reset_own_lock(key, 7, peer, sizeof(peer), 8, own), 0);
        assert_memory_equal(own, lock, sizeof(own));
        assert_false(flow_reset_fits(lock, lock));      /* who saw the handshake has this */

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint8_t again[FLOW_RESET_BYTES];

                print_message("%s\n", rows[i].name);
                assert_int_equal(flow_reset_token(rows[i].key, rows[i].endpoint, rows[i].peer, sizeof(peer),
                                                  rows[i].peer_endpoint, again),
                                 0);
                assert_int_equal(flow_reset_fits(lock, again), rows[i].fits);
        }
}

/* -- bindings -- */

static void test_binding_bytes(void **state) {
        static const uint8_t expected[] = {
                4, 2, 'a', 'b', 'c', 'd', 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0x56, 0x78, 3, 'h', 's',
                'h', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 4, 0, 0, 0, 5, 6, 0, 0, 0, 7, 0, 0, 0, 8, 4, 'h',
                'e', 'a', 'd',
        };
        const o7s_qos qos = {
                .delay_ms = 1, .bandwidth_bps = 2, .availability_nines = 3, .loss = 4, .ber = 5, .in_order = 6,
                .max_gap_ms = 7, .timeout_ms = 8,
        };
        FlowBindingParts parts = {
                .layer = LAYER_ETH_DIX,
                .address_size = 2,
                .asking_address = (const uint8_t *) "ab",
                .answering_address = (const uint8_t *) "cd",
                .asking_endpoint = 0x1234,
                .answering_endpoint = 0x5678,
                .hash_size = 3,
                .hash = (const uint8_t *) "hsh",
                .qos = &qos,
                .header_size = 4,
                .header = (const uint8_t *) "head",
        };
        FlowBinding binding;

        flow_binding_make(&parts, &binding);
        assert_int_equal(binding.size, sizeof(expected));
        assert_memory_equal(binding.bytes, expected, sizeof(expected));

        parts.answering_endpoint = 0;
        flow_binding_make(&parts, &binding);
        assert_int_equal(binding.size, sizeof(expected) - 8);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hmac_known_answers),
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_forged),
                cmocka_unit_test(test_replayed_reflected_overtaken),
                cmocka_unit_test(test_wiped),
                cmocka_unit_test(test_close),
                cmocka_unit_test(test_reset),
                cmocka_unit_test(test_binding_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
