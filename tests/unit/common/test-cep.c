/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The record with which a flow between members begins: bytes against captures of the prototype, and the exchange. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/cursor.h"
#include "services/common/cep.h"
#include "tests/support/pcap.h"

#define WIRE(text) (const uint8_t *) (text), STRLEN(text)

#define ENROLLMENT "\x0a\x0a" "Enrollment" "\x12\x03" "OEP" "\x18\x01\x28\x00"
#define MANAGEMENT "\x0a\x0a" "Management" "\x12\x03" "LSP" "\x18\x01\x28\x00"
#define DATA "\x0a\x0d" "Data Transfer" "\x12\x03" "dtp" "\x18\x01\x28\x02"
#define ADDRESS "\x40\xfc\x8b\x94\xb4\x0c"              /* 0xC68505FC */

static const struct {
        const char *name;
        CepComponent component;
        uint64_t address;
        const char *member;
        const uint8_t *wire;
        size_t size;
} known[] = {
        { "enrollment",         CEP_ENROLLMENT,    0,          "", WIRE(ENROLLMENT "\x40\x00")                },
        { "management",         CEP_MANAGEMENT,    0xC68505FC, "", WIRE(MANAGEMENT ADDRESS)                   },
        { "data transfer",      CEP_DATA_TRANSFER, 0xC68505FC, "", WIRE(DATA ADDRESS)                         },
        { "of an o7s member",   CEP_MANAGEMENT,    0xC68505FC, "home.beta",
          WIRE(MANAGEMENT ADDRESS "\xa2\x06\x09" "home.beta")                                               },
        { "no address to enroll", CEP_ENROLLMENT,  0xC68505FC, "", WIRE(ENROLLMENT "\x40\x00")                },
};

static void test_known_bytes(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(known); i++) {
                uint8_t wire[CEP_MESSAGE_BYTES_MAX];
                CepRecord record, parsed = {};

                print_message("%s\n", known[i].name);
                cep_record_init(&record, known[i].component, known[i].address, known[i].member);
                assert_int_equal(cep_message_pack(&record, wire, sizeof(wire)), known[i].size);
                assert_memory_equal(wire, known[i].wire, known[i].size);

                assert_int_equal(cep_message_parse(wire, known[i].size, &parsed), 0);
                assert_memory_equal(&parsed, &record, sizeof(record));
                assert_int_equal(cep_record_component(&parsed), known[i].component);
        }
}

static const struct {
        const char *name;
        const uint8_t *wire;
        size_t size;
        int r;
} forms[] = {
        { "all empty",                 WIRE("\x0a\x00\x12\x00\x18\x00\x28\x00\x40\x00"),                   0        },
        { "in another order",          WIRE("\x40\x07\x28\x00\x18\x01\x12\x00\x0a\x01" "E"),               0        },
        { "fields of later versions",  WIRE(ENROLLMENT "\x40\x00\xc2\x3e\x02hi"),                          0        },
        { "all optional fields",       WIRE(ENROLLMENT "\x20\x01\x30\x01\x3a\x04\x08\x01\x10\x02\x40\x00"), 0        },
        { "nothing",                   WIRE(""),                                                           -EBADMSG },
        { "cut off",                   WIRE("\x0a\x0a" "Enroll"),                                          -EBADMSG },
        { "without an address",        WIRE(ENROLLMENT),                                                   -EBADMSG },
        { "without a name",            WIRE("\x12\x03OEP\x18\x01\x28\x00\x40\x00"),                        -EBADMSG },
        { "NUL in the name",           WIRE("\x0a\x02" "E\0" "\x12\x00\x18\x01\x28\x00\x40\x00"),          -EBADMSG },
        { "NUL in the member",         WIRE(ENROLLMENT "\x40\x00\xa2\x06\x02" "a\0"),                      -EBADMSG },
        { "member that is no UTF-8",   WIRE(ENROLLMENT "\x40\x00\xa2\x06\x02" "a\xff"),                    -EBADMSG },
        { "name that is too long",
          WIRE("\x0a\x40" "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
               "\x12\x00\x18\x01\x28\x00\x40\x00"),                                                      -EBADMSG },
        { "wrong wire type",           WIRE("\x08\x0a\x12\x00\x18\x01\x28\x00\x40\x00"),                   -EBADMSG },
};

static void test_forms(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                CepRecord record;

                print_message("%s\n", forms[i].name);
                memset(&record, 0x5a, sizeof(record));
                assert_int_equal(cep_message_parse(forms[i].wire, forms[i].size, &record), forms[i].r);
                if (forms[i].r < 0)
                        assert_int_equal(record.component[0], 0x5a);    /* untouched */
        }
}

static void test_too_long(void **state) {
        uint8_t wire[CEP_MESSAGE_BYTES_MAX + 1] = ENROLLMENT "\x40\x00";
        CepRecord record;

        /* As long as may be: padded with a field that nobody knows. */
        wire[23] = 0xc2;
        wire[24] = 0x3e;
        wire[25] = CEP_MESSAGE_BYTES_MAX - 26;
        assert_int_equal(cep_message_parse(wire, CEP_MESSAGE_BYTES_MAX, &record), 0);
        wire[25]++;
        assert_int_equal(cep_message_parse(wire, CEP_MESSAGE_BYTES_MAX + 1, &record), -EBADMSG);
}

/* The longest of everything still fits the 128 bytes that a prototype takes; longer names are cut, at a whole
 * character. */
static void test_long_member(void **state) {
        char member[120];
        uint8_t wire[CEP_MESSAGE_BYTES_MAX];
        CepRecord record, parsed;
        ssize_t n;

        memset(member, 'm', sizeof(member) - 1);
        member[sizeof(member) - 1] = '\0';
        memcpy(member + CEP_MEMBER_BYTES_MAX - 1, "\xc3\xa4", 2);

        cep_record_init(&record, CEP_DATA_TRANSFER, UINT64_MAX, member);
        n = cep_message_pack(&record, wire, sizeof(wire));
        assert_in_range(n, 100, CEP_MESSAGE_BYTES_MAX);
        assert_int_equal(cep_message_parse(wire, (size_t) n, &parsed), 0);
        assert_true(parsed.address == UINT64_MAX);
        assert_int_equal(strlen(parsed.member), CEP_MEMBER_BYTES_MAX);

        assert_int_equal(cep_message_pack(&record, wire, (size_t) n - 1), -ENOBUFS);
}

/* -- captures -- */

#define UDP_HEADERS (14U + 20U + 8U)
#define UDP_FIRST_EID 64U

/* The payload of a data packet; a frame may be padded, so lengths come from UDP. */
static Cursor payload(const uint8_t *frame, size_t size) {
        Cursor c = cursor_from(frame, size), none = { .bad = true };
        uint16_t udp_size;

        (void) cursor_bytes(&c, UDP_HEADERS - 4);
        udp_size = cursor_be16(&c);
        (void) cursor_be16(&c);
        if (cursor_be32(&c) < UDP_FIRST_EID || c.bad || udp_size < 12 || c.left < udp_size - 12U)
                return none;

        c.left = udp_size - 12U;
        return c;
}

static void test_capture(void **state) {
        _cleanup_(pcap_freep) Pcap *pcap = NULL;
        unsigned n_records[_CEP_COMPONENT_MAX] = {};
        const uint8_t *frame;
        size_t size;

        assert_int_equal(pcap_open(TEST_DATA "/udp4.pcap", &pcap), 0);

        while (pcap_next(pcap, &frame, &size) > 0) {
                Cursor c = payload(frame, size);
                uint8_t again[CEP_MESSAGE_BYTES_MAX];
                CepRecord record, own;
                CepComponent component;

                if (c.bad || cep_message_parse(c.p, c.left, &record) < 0)
                        continue;

                component = cep_record_component(&record);
                assert_in_range(component, 0, _CEP_COMPONENT_MAX - 1);
                assert_string_equal(record.member, "");
                n_records[component]++;

                cep_record_init(&own, component, record.address, NULL);
                assert_int_equal(cep_message_pack(&own, again, sizeof(again)), c.left);
                assert_memory_equal(again, c.p, c.left);
        }

        for (CepComponent c = 0; c < _CEP_COMPONENT_MAX; c++)
                assert_int_equal(n_records[c], 2);
}

/* -- the exchange -- */

#define ALL ((1U << _CEP_COMPONENT_MAX) - 1)

typedef struct Pair {
        Cep initiator;
        Cep acceptor;
        uint8_t message[CEP_MESSAGE_BYTES_MAX];
        size_t size;
} Pair;

static void begin(Pair *pair, CepComponent component, uint64_t address) {
        assert_int_equal(cep_start(&pair->initiator, component, address, "home.a", 1000, pair->message, &pair->size),
                         0);
        assert_int_equal(pair->initiator.state, CEP_WAITING);
        assert_true(pair->initiator.deadline == 1000 + CEP_TIMEOUT_USEC);
}

static const struct {
        const char *name;
        CepComponent component;
        unsigned offered;
        uint64_t from, to;
        int accepted, connected;
} exchanges[] = {
        { "enrollment",          CEP_ENROLLMENT,    ALL,                  7, 9, 0,           0           },
        { "management",          CEP_MANAGEMENT,    ALL,                  7, 9, 0,           0           },
        { "data transfer",       CEP_DATA_TRANSFER, ALL,                  7, 9, 0,           0           },
        { "not a member yet",    CEP_MANAGEMENT,    1U << CEP_ENROLLMENT, 7, 0, -ENOENT,     -ENOENT     },
        { "the same address",    CEP_DATA_TRANSFER, ALL,                  7, 7, -EADDRINUSE, -EADDRINUSE },
        { "enrollment has none", CEP_ENROLLMENT,    ALL,                  7, 7, 0,           0           },
};

static void test_exchange(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(exchanges); i++) {
                Pair pair = {};
                uint8_t answer[CEP_MESSAGE_BYTES_MAX];
                size_t size;

                print_message("%s\n", exchanges[i].name);
                begin(&pair, exchanges[i].component, exchanges[i].from);
                cep_expect(&pair.acceptor, exchanges[i].offered, 2000);

                assert_int_equal(cep_receive(&pair.acceptor, pair.message, pair.size, exchanges[i].to, "home.b", 3000,
                                             answer, &size),
                                 exchanges[i].accepted);
                assert_true(size > 0);
                assert_int_equal(pair.acceptor.state, exchanges[i].accepted < 0 ? CEP_FAILED : CEP_DONE);
                assert_int_equal(pair.acceptor.component, exchanges[i].component);
                assert_string_equal(pair.acceptor.peer.member, "home.a");

                assert_int_equal(cep_receive(&pair.initiator, answer, size, 0, NULL, 4000, pair.message, &pair.size),
                                 exchanges[i].connected);
                assert_int_equal(pair.size, 0);
                assert_true(pair.initiator.rtt_usec == 3000);
                if (exchanges[i].connected == 0)
                        assert_string_equal(pair.initiator.peer.member, "home.b");

                /* It is over: one more changes nothing. */
                assert_int_equal(cep_receive(&pair.initiator, answer, size, 0, NULL, 5000, pair.message, &pair.size),
                                 -EPROTO);
        }
}

static const struct {
        const char *name;
        const uint8_t *wire;
        size_t size;
        int r;
} answers[] = {
        { "as it should be",      WIRE(MANAGEMENT ADDRESS),                                           0           },
        { "nobody there",         WIRE("\x0a\x00\x12\x00\x18\x00\x28\x00\x40\x00"),                   -ENOENT     },
        { "another component",    WIRE(DATA ADDRESS),                                                 -EPROTO     },
        { "another protocol",     WIRE("\x0a\x0aManagement\x12\x03LSQ\x18\x01\x28\x00" ADDRESS),      -EPROTO     },
        { "another version",      WIRE("\x0a\x0aManagement\x12\x03LSP\x18\x02\x28\x00" ADDRESS),      -EPROTO     },
        { "another syntax",       WIRE("\x0a\x0aManagement\x12\x03LSP\x18\x01\x28\x02" ADDRESS),      -EPROTO     },
        { "our own address",      WIRE(MANAGEMENT "\x40\x07"),                                        -EADDRINUSE },
        { "not a record",         WIRE("\0\0\0\1"),                                                   -EBADMSG    },
};

static void test_answers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                Pair pair = {};

                print_message("%s\n", answers[i].name);
                begin(&pair, CEP_MANAGEMENT, 7);
                assert_int_equal(cep_receive(&pair.initiator, answers[i].wire, answers[i].size, 0, NULL, 2000,
                                             pair.message, &pair.size),
                                 answers[i].r);
                assert_int_equal(pair.initiator.state, answers[i].r == 0          ? CEP_DONE
                                                       : answers[i].r == -EBADMSG ? CEP_WAITING
                                                                                  : CEP_FAILED);
        }
}

/* Who asks for something that does not exist gets the empty record, as from a prototype. */
static void test_unknown_component(void **state) {
        uint8_t answer[CEP_MESSAGE_BYTES_MAX];
        size_t size;
        Cep cep;

        cep_expect(&cep, ALL, 0);
        assert_int_equal(cep_receive(&cep, WIRE("\x0a\x01X\x12\x00\x18\x01\x28\x00\x40\x09"), 7, "home.b", 1, answer,
                                     &size),
                         -ENOENT);
        assert_int_equal(size, 10);
        assert_memory_equal(answer, "\x0a\x00\x12\x00\x18\x00\x28\x00\x40\x00", 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_bytes),
                cmocka_unit_test(test_forms),
                cmocka_unit_test(test_too_long),
                cmocka_unit_test(test_long_member),
                cmocka_unit_test(test_capture),
                cmocka_unit_test(test_exchange),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_unknown_component),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
