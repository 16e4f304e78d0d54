/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages of the directory: a captured conversation in all five codes, known answers, and what must be refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/cursor.h"
#include "services/ipcp-unicast/dht-message.h"
#include "services/ipcp-unicast/directory.h"
#include "tests/support/pcap.h"

#define ID_SIZE 32U
#define ENROLLER 0x6668B408U            /* the two members of the capture */
#define JOINER 0xC0B88EB5U

#define ID "abcdefghijklmnopqrstuvwxyz012345"
#define KEY "ABCDEFGHIJKLMNOPQRSTUVWXYZ678901"
#define SOURCE "\x12\x24\x0a\x20" ID "\x10\x07"
#define BYTES(text) (const uint8_t *) (text), sizeof(text) - 1

/* -- the capture -- */

/* Payload of a data transfer packet for the directory, within a frame of the capture; NULL: it is something else. */
static const uint8_t *directory_payload(const uint8_t *frame, size_t size, size_t *ret_size) {
        Cursor c = cursor_from(frame, size);

        (void) cursor_bytes(&c, 14 + 20 + 8 + 4);       /* Ethernet, IPv4, UDP, endpoint of the UDP layer */
        (void) cursor_bytes(&c, 4);                     /* destination */
        if (cursor_be(&c, 3) != 0x003C00 || cursor_be(&c, 8) != UINT64_C(0x0100000000000000) || c.bad)
                return NULL;

        *ret_size = c.left;
        return c.p;
}

static void test_capture(void **state) {
        _cleanup_(pcap_freep) Pcap *pcap = NULL;
        unsigned n_codes[_DHT_CODE_MAX] = {};
        const uint8_t *frame;
        size_t frame_size;

        assert_int_equal(pcap_open(TEST_DATA "/udp4.pcap", &pcap), 0);
        while (pcap_next(pcap, &frame, &frame_size) > 0) {
                uint8_t again[DHT_MESSAGE_SEND_BYTES_MAX];
                const uint8_t *data;
                DhtMessage m;
                size_t size;

                data = directory_payload(frame, frame_size, &size);
                if (!data)
                        continue;

                assert_int_equal(dht_message_parse(data, size, ID_SIZE, &m), 0);
                n_codes[m.code]++;
                assert_true(m.source.address == ENROLLER || m.source.address == JOINER);
                if (m.code == DHT_STORE) {
                        assert_int_equal(m.value, JOINER);
                        assert_in_range(m.expires, 1780000000, 1800000000);
                }
                if (dht_code_is_response(m.code)) {
                        assert_int_equal(m.n_contacts, 1);
                        assert_int_equal(m.n_values, 0);
                }

                assert_int_equal(dht_message_pack(&m, ID_SIZE, again, sizeof(again)), size);
                assert_memory_equal(again, data, size);
        }

        assert_int_equal(n_codes[DHT_STORE], 1);
        assert_int_equal(n_codes[DHT_FIND_NODE_REQUEST], 2);
        assert_int_equal(n_codes[DHT_FIND_NODE_RESPONSE], 2);
        assert_int_equal(n_codes[DHT_FIND_VALUE_REQUEST], 1);
        assert_int_equal(n_codes[DHT_FIND_VALUE_RESPONSE], 1);
}

/* -- known answers, and bytes that are none -- */

static const struct {
        const char *name;
        const uint8_t *wire;
        size_t size;
        int r;
        size_t n_contacts, n_values;
} rows[] = {
        { "find node",     BYTES("\x08\x01" SOURCE "\x22\x24\x08\x09\x12\x20" KEY), 0, 0, 0 },
        { "store",         BYTES("\x08\x00" SOURCE "\x1a\x2e\x0a\x20" KEY "\x12\x08\0\0\0\0\0\0\0\7\x18\x05"), 0, 0,
          0 },
        { "no values",     BYTES("\x08\x04" SOURCE "\x2a\x24\x08\x09\x12\x20" KEY "\x32\x00"), 0, 0, 0 },
        { "two values",    BYTES("\x08\x04" SOURCE "\x2a\x24\x08\x09\x12\x20" KEY "\x32\x14\x0a\x08\0\0\0\0\0\0\0\1"
                                 "\x0a\x08\0\0\0\0\0\0\0\2"), 0, 0, 2 },
        { "odd values",    BYTES("\x08\x04" SOURCE "\x2a\x24\x08\x09\x12\x20"
                                 KEY "\x32\x0f\x0a\x01\1\x0a\x08\0\0\0\0\0\0\0\0"
                                 "\x0a\x00"), 0, 0, 0 },
        { "odd contacts",  BYTES("\x08\x02" SOURCE "\x2a\x53\x08\x09\x12\x20" KEY "\x1a\x24\x0a\x20" ID "\x10\x08"
                                 "\x1a\x05\x0a\x01\1\x10\x08" "\x1a\x00"), -EBADMSG, 0, 0 },
        { "short contact", BYTES("\x08\x02" SOURCE "\x2a\x51\x08\x09\x12\x20" KEY "\x1a\x24\x0a\x20" ID "\x10\x08"
                                 "\x1a\x05\x0a\x01\1\x10\x08"), 0, 1, 0 },
        { "unknown field", BYTES("\x08\x01" SOURCE "\x22\x24\x08\x09\x12\x20" KEY "\xa2\x06\x01x"), 0, 0, 0 },
        { "empty",         BYTES(""), -EBADMSG, 0, 0 },
        { "truncated",     BYTES("\x08\x01" SOURCE "\x22\x24\x08\x09"), -EBADMSG, 0, 0 },
        { "code 5",        BYTES("\x08\x05" SOURCE), -EPROTO, 0, 0 },
        { "code 255",      BYTES("\x08\xff\x01" SOURCE), -EPROTO, 0, 0 },
        { "no code",       BYTES(SOURCE "\x22\x24\x08\x09\x12\x20" KEY), -EBADMSG, 0, 0 },
        { "no source",     BYTES("\x08\x01\x22\x24\x08\x09\x12\x20" KEY), -EBADMSG, 0, 0 },
        { "address 0",     BYTES("\x08\x01\x12\x24\x0a\x20" ID "\x10\x00\x22\x24\x08\x09\x12\x20" KEY), -EBADMSG, 0,
          0 },
        { "short id",      BYTES("\x08\x01\x12\x05\x0a\x01x\x10\x01\x22\x24\x08\x09\x12\x20" KEY), -EBADMSG, 0, 0 },
        { "no store",      BYTES("\x08\x00" SOURCE), -EBADMSG, 0, 0 },
        { "no find",       BYTES("\x08\x01" SOURCE), -EBADMSG, 0, 0 },
        { "no node",       BYTES("\x08\x02" SOURCE), -EBADMSG, 0, 0 },
        { "no find value", BYTES("\x08\x03" SOURCE), -EBADMSG, 0, 0 },
        { "no val",        BYTES("\x08\x04" SOURCE "\x2a\x24\x08\x09\x12\x20" KEY), -EBADMSG, 0, 0 },
        { "val alone",     BYTES("\x08\x04" SOURCE "\x32\x00"), -EBADMSG, 0, 0 },
        { "cookie 0",      BYTES("\x08\x01" SOURCE "\x22\x24\x08\x00\x12\x20" KEY), -EBADMSG, 0, 0 },
        { "short key",     BYTES("\x08\x01" SOURCE "\x22\x05\x08\x09\x12\x01x"), -EBADMSG, 0, 0 },
        { "value 0",       BYTES("\x08\x00" SOURCE "\x1a\x2e\x0a\x20" KEY "\x12\x08\0\0\0\0\0\0\0\0\x18\x05"), -EBADMSG,
          0, 0 },
        { "value of 4",    BYTES("\x08\x00" SOURCE "\x1a\x2a\x0a\x20" KEY "\x12\x04\0\0\0\7\x18\x05"), -EBADMSG, 0, 0 },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                DhtMessage m = { .code = 77 };

                print_message("%s\n", rows[i].name);
                assert_int_equal(dht_message_parse(rows[i].wire, rows[i].size, ID_SIZE, &m), rows[i].r);
                if (rows[i].r < 0) {
                        assert_int_equal(m.code, 77);   /* untouched */
                        continue;
                }

                assert_int_equal(m.source.address, 7);
                assert_memory_equal(m.source.id, ID, ID_SIZE);
                assert_memory_equal(m.key, KEY, ID_SIZE);
                assert_int_equal(m.n_contacts, rows[i].n_contacts);
                assert_int_equal(m.n_values, rows[i].n_values);
                assert_true(m.code == DHT_STORE ? m.value == 7 && m.expires == 5 : m.cookie == 9);
        }
}

/* Each way to cut a message short is malformed; none is read beyond. */
static void test_truncated(void **state) {
        for (size_t size = 0; size + 1 < rows[3].size; size++) {
                _cleanup_free_ uint8_t *exact = malloc(MAX(size, (size_t) 1));
                DhtMessage m;

                assert_non_null(exact);
                memcpy(exact, rows[3].wire, size);
                assert_int_equal(dht_message_parse(exact, size, ID_SIZE, &m), -EBADMSG);
        }
}

/* Ids of the wrong length for this layer. */
static void test_id_sizes(void **state) {
        static const size_t sizes[] = { 28, 48, 64 };
        DhtMessage m;

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                assert_int_equal(dht_message_parse(rows[0].wire, rows[0].size, sizes[i], &m), -EBADMSG);
}

static DhtMessage full_response(void) {
        DhtMessage m = { .code = DHT_FIND_VALUE_RESPONSE, .source = { .address = 1 }, .cookie = 1 };

        m.n_contacts = DHT_MESSAGE_CONTACTS_MAX;
        for (unsigned i = 0; i < DHT_MESSAGE_CONTACTS_MAX; i++)
                m.contacts[i] = (DhtPeer) { .address = UINT32_MAX - i, .id = { (uint8_t) i } };
        m.n_values = DHT_MESSAGE_VALUES_MAX;
        for (unsigned i = 0; i < DHT_MESSAGE_VALUES_MAX; i++)
                m.values[i] = UINT64_MAX - i;

        return m;
}

static void test_full(void **state) {
        uint8_t buffer[DIRECTORY_MESSAGE_BYTES_MAX];
        DhtMessage m = full_response(), again;
        ssize_t size;

        size = dht_message_pack(&m, ID_SIZE, buffer, DHT_MESSAGE_SEND_BYTES_MAX);
        assert_true(size > 0);
        assert_int_equal(dht_message_parse(buffer, (size_t) size, ID_SIZE, &again), 0);
        assert_int_equal(again.n_contacts, DHT_MESSAGE_CONTACTS_MAX);
        assert_int_equal(again.n_values, DHT_MESSAGE_VALUES_MAX);
        for (unsigned i = 0; i < DHT_MESSAGE_CONTACTS_MAX; i++)
                assert_int_equal(again.contacts[i].address, m.contacts[i].address);
        for (unsigned i = 0; i < DHT_MESSAGE_VALUES_MAX; i++)
                assert_int_equal(again.values[i], m.values[i]);

        assert_int_equal(dht_message_pack(&m, ID_SIZE, buffer, (size_t) size - 1), -ENOBUFS);
        assert_int_equal(dht_message_pack(&m, 64, buffer, DHT_MESSAGE_SEND_BYTES_MAX), -ENOBUFS);
}

/* More contacts than we look at: the rest of the message counts. */
static void test_many_contacts(void **state) {
        static const char contact[] = "\x1a\x24\x0a\x20" ID "\x10\x08";
        const size_t n = 100, one = sizeof(contact) - 1, node_size = 2 + 34 + n * one;
        uint8_t wire[DIRECTORY_MESSAGE_BYTES_MAX + 1] = {};
        Writer w = { .p = wire, .left = sizeof(wire) };
        DhtMessage m;

        writer_bytes(&w, "\x08\x02" SOURCE "\x2a", 2 + 38 + 1);
        writer_be(&w, (node_size & 0x7F) | 0x80, 1);
        writer_be(&w, node_size >> 7, 1);
        writer_bytes(&w, "\x08\x09\x12\x20" KEY, 36);
        for (size_t i = 0; i < n; i++)
                writer_bytes(&w, contact, one);
        assert_false(w.bad);

        assert_int_equal(dht_message_parse(wire, w.written, ID_SIZE, &m), 0);
        assert_int_equal(m.n_contacts, DHT_MESSAGE_CONTACTS_MAX);
        assert_int_equal(dht_message_parse(wire, sizeof(wire), ID_SIZE, &m), -EMSGSIZE);
}

static void test_pack_refuses(void **state) {
        DhtMessage m = full_response();
        uint8_t buffer[DHT_MESSAGE_SEND_BYTES_MAX];

        m.code = _DHT_CODE_MAX;
        assert_int_equal(dht_message_pack(&m, ID_SIZE, buffer, sizeof(buffer)), -EINVAL);
        m.code = DHT_FIND_NODE_RESPONSE;
        assert_int_equal(dht_message_pack(&m, 0, buffer, sizeof(buffer)), -EINVAL);
        m.n_contacts = DHT_MESSAGE_CONTACTS_MAX + 1;
        assert_int_equal(dht_message_pack(&m, ID_SIZE, buffer, sizeof(buffer)), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_capture),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_id_sizes),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_many_contacts),
                cmocka_unit_test(test_pack_refuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
