/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests of other hosts that wait: found by their layer's number and by their id, replaced, kept for 20 s,
 * bounded. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/irm/incoming.h"

#define LAN 1
#define WAN 2
#define NOW (100 * USEC_PER_SEC)

#define LAYERS (INCOMING_MAX / INCOMING_PER_LAYER_MAX)     /* as many as can have their whole share; numbered from 1 */

typedef struct Host {
        IncomingTable table;
        uint32_t n_of_layer[LAYERS + 2];
} Host;

static uint32_t *count_of(IncomingTable *table, uint64_t layer) {
        return &container_of(table, Host, table)->n_of_layer[layer];
}

static const uint8_t own_token[OAP_TOKEN_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8 };

/* A request whose id is a number, and which may replace another such. */
static int keep(IncomingTable *table, uint64_t layer, uint64_t reference, uint64_t id, usec_t now, Incoming **ret) {
        OapExtension extension = {};
        const IncomingRequest request = { .reference = reference, .peer = "", .oap = (const uint8_t *) "the request",
                                          .oap_size = 11 };
        OapHeader header = {};

        memcpy(header.id, &id, sizeof(id));
        return incoming_new(table, layer, count_of(table, layer), &request, &header, &extension, own_token, now, ret);
}

static OapExtension replaces(uint64_t id) {
        OapExtension extension = { .present = true, .have_replaced = true };

        memcpy(extension.replaced, &id, sizeof(id));
        return extension;
}

static int table_set_up(void **state) {
        Host *host = calloc(1, sizeof(*host));

        assert_non_null(host);
        assert_int_equal(incoming_table_init(&host->table), 0);
        *state = &host->table;
        return 0;
}

static int table_tear_down(void **state) {
        Host *host = container_of(*state, Host, table);

        for (size_t i = 0; i < ELEMENTSOF(host->n_of_layer); i++)
                assert_int_equal(host->n_of_layer[i], 0);
        incoming_table_done(&host->table);
        free(host);
        return 0;
}

static void test_kept(void **state) {
        uint8_t oap[LAYER_OAP_BYTES_MAX];
        const IncomingRequest request = { .reference = 7, .peer = "02:00:00:00:00:01", .oap = oap,
                                          .oap_size = sizeof(oap) };
        OapExtension extension = { .present = true, .have_token = true, .capabilities = OAP_CAPABILITY_CLOSE,
                                   .token = { 9, 9, 9 } };
        OapHeader header = { .id = { 0xaa } };
        IncomingTable *table = *state;
        Incoming *in;

        memset(oap, 0x5a, sizeof(oap));
        assert_int_equal(
                incoming_new(table, LAN, count_of(table, LAN), &request, &header, &extension, own_token, NOW, &in), 0);
        assert_int_equal(*count_of(table, LAN), 1);

        assert_int_equal(in->expires, NOW + 20 * USEC_PER_SEC);
        assert_true(in->peer_closes);
        assert_memory_equal(in->peer_token, extension.token, OAP_TOKEN_BYTES);
        assert_memory_equal(in->own_token, own_token, OAP_TOKEN_BYTES);
        assert_int_equal(in->oap_size, LAYER_OAP_BYTES_MAX);
        assert_memory_equal(in->oap, oap, sizeof(oap));
        assert_string_equal(in->peer, "02:00:00:00:00:01");
        assert_null(in->flow);
        assert_ptr_equal(incoming_by_reference(table, LAN, 7), in);
        assert_null(incoming_by_reference(table, WAN, 7));
        assert_null(incoming_by_reference(table, LAN, 8));

        assert_null(incoming_free(table, in));
        assert_null(incoming_by_reference(table, LAN, 7));
}

static const struct {
        const char *name;
        OapExtension extension;
        bool closes;
} peers[] = {
        { "not o7s", {}, false },
        { "capability and token", { .present = true, .have_token = true, .capabilities = OAP_CAPABILITY_CLOSE }, true },
        { "capability without a token", { .present = true, .capabilities = OAP_CAPABILITY_CLOSE }, false },
        { "token without the capability", { .present = true, .have_token = true }, false },
        { "another capability", { .present = true, .have_token = true, .capabilities = OAP_CAPABILITY_FRCT }, false },
        { "an extension that did not parse", { .have_token = true, .capabilities = OAP_CAPABILITY_CLOSE }, false },
};

/* A close is only ever sent to a peer that has shown both. */
static void test_who_closes(void **state) {
        IncomingTable *table = *state;

        for (size_t i = 0; i < ELEMENTSOF(peers); i++) {
                const IncomingRequest request = { .peer = "", .oap = (const uint8_t *) "" };
                OapHeader header = {};
                Incoming *in;

                print_message("%s\n", peers[i].name);
                assert_int_equal(incoming_new(table, LAN, count_of(table, LAN), &request, &header, &peers[i].extension,
                                              own_token, NOW, &in), 0);
                assert_int_equal(in->peer_closes, peers[i].closes);
                incoming_free(table, in);
        }
}

static void test_twice(void **state) {
        IncomingTable *table = *state;
        Incoming *first, *other, *more = NULL;

        assert_int_equal(keep(table, LAN, 1, 0xa, NOW, &first), 0);
        assert_int_equal(keep(table, LAN, 1, 0xb, NOW, &more), -EEXIST);
        assert_int_equal(keep(table, LAN, 2, 0xa, NOW, &more), -EEXIST);
        assert_int_equal(keep(table, WAN, 1, 0xa, NOW, &more), -EEXIST);       /* a copy over another layer */
        assert_null(more);

        /* What was refused has left nothing behind, and has not taken the first one's places. */
        assert_ptr_equal(incoming_by_reference(table, LAN, 1), first);
        assert_null(incoming_by_reference(table, LAN, 2));
        assert_null(incoming_by_reference(table, WAN, 1));
        assert_int_equal(keep(table, LAN, 2, 0xb, NOW, &other), 0);

        incoming_free(table, first);
        incoming_free(table, other);
}

static void test_successor(void **state) {
        OapExtension extension = replaces(0xa), nothing = {}, without = { .present = true }, unknown = replaces(0xf);
        OapExtension not_parsed = replaces(0xa);
        IncomingTable *table = *state;
        Incoming *first, *second;

        not_parsed.present = false;
        assert_int_equal(keep(table, LAN, 1, 0xa, NOW, &first), 0);
        assert_ptr_equal(incoming_predecessor(table, LAN, &extension), first);
        assert_null(incoming_predecessor(table, WAN, &extension));     /* a stranger who saw the id elsewhere */
        assert_null(incoming_predecessor(table, LAN, &nothing));
        assert_null(incoming_predecessor(table, LAN, &without));
        assert_null(incoming_predecessor(table, LAN, &not_parsed));
        assert_null(incoming_predecessor(table, LAN, &unknown));

        /* The successor is kept for its own 20 s; the first is found no more once it is gone. */
        assert_int_equal(keep(table, LAN, 2, 0xb, NOW + 3 * USEC_PER_SEC, &second), 0);
        assert_int_equal(second->expires, NOW + 23 * USEC_PER_SEC);
        incoming_free(table, first);
        assert_null(incoming_predecessor(table, LAN, &extension));

        extension = replaces(0xb);
        assert_ptr_equal(incoming_predecessor(table, LAN, &extension), second);
        incoming_free(table, second);
}

/* A layer fills its share and no more; all of them together what the host has. */
static void test_bounds(void **state) {
        const uint64_t late = LAYERS + 1;
        IncomingTable *table = *state;
        uint64_t id = 0;
        Incoming *in;

        for (uint64_t layer = 1; layer <= LAYERS; layer++) {
                for (uint64_t i = 0; i < INCOMING_PER_LAYER_MAX; i++)
                        assert_int_equal(keep(table, layer, i, id++, NOW, &in), 0);
                assert_int_equal(keep(table, layer, INCOMING_PER_LAYER_MAX, id, NOW, &in), -EDQUOT);
                assert_int_equal(*count_of(table, layer), INCOMING_PER_LAYER_MAX);
        }
        assert_int_equal(keep(table, late, 0, id, NOW, &in), -EDQUOT);

        /* One that leaves makes room for one. */
        incoming_free(table, incoming_by_reference(table, LAN, 471));
        assert_int_equal(keep(table, late, 0, id++, NOW, &in), 0);
        assert_int_equal(keep(table, LAN, 471, id, NOW, &in), -EDQUOT);

        incoming_free(table, incoming_by_reference(table, late, 0));
        for (uint64_t layer = 1; layer <= LAYERS; layer++)
                for (uint64_t i = 0; i < INCOMING_PER_LAYER_MAX; i++)
                        incoming_free(table, incoming_by_reference(table, layer, i));
}

static void test_null(void **state) {
        assert_null(incoming_free(*state, NULL));
}

#define TABLE_TEST(function) cmocka_unit_test_setup_teardown(function, table_set_up, table_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TABLE_TEST(test_kept),
                TABLE_TEST(test_who_closes),
                TABLE_TEST(test_twice),
                TABLE_TEST(test_successor),
                TABLE_TEST(test_bounds),
                TABLE_TEST(test_null),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
