/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Enrollment: bytes against captures of the prototype, and the exchange from both sides. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/cursor.h"
#include "services/common/enrollment.h"
#include "tests/support/pcap.h"

#define WIRE(text) (const uint8_t *) (text), STRLEN(text)

#define ID "\xa5\x76\xc5\x15\x06\xd0\xb5\x31"
#define REQUEST "\x0a\x08" ID
#define ACK "\x0a\x08" ID "\x10\x00"

/* The parts of a response, so that each can be left out or spoiled. */
#define STAMP "\x10\x8c\x8e\x88\xd8\x06\x18\xf5\x91\x90\xf1\x01"
#define WELCOME "\x20\x00"
#define LAYER "\x0a\x07\x0a\x03net\x10\x01"
#define TYPE "\x10\x01"
#define TRANSFER "\x0a\x14\x08\x04\x10\x08\x18\x3c\x22\x0c\x08\x00\x12\x08\x08\x00\x10\x04\x18\x0f\x20\x3c"
#define DIRECTORY                                                                                                 \
        "\x12\x18\x08\x00\x12\x14\x08\x03\x10\x08\x18\x80\xa3\x05\x20\x84\x07\x28\x84\x07\x30\xfc\x8b\x94\xb4\x0c"
#define POLICIES "\x18\x00\x20\x01"
#define UNICAST "\x1a\x34" TRANSFER DIRECTORY POLICIES
#define CONFIG "\x2a\x41" LAYER TYPE UNICAST
#define RESPONSE "\x0a\x08" ID STAMP WELCOME CONFIG

#define LAYER_ID "0123456789abcdef"
#define LAYER_WITH_ID "\x0a\x1a\x0a\x03net\x10\x01\xa2\x06\x10" LAYER_ID
#define RESPONSE_WITH_ID "\x0a\x08" ID STAMP WELCOME "\x2a\x54" LAYER_WITH_ID TYPE UNICAST

static LayerConfig example(void) {
        LayerConfig config;

        layer_config_init(&config, "net");
        config.peer = 0xC68505FC;
        return config;
}

static void test_known_bytes(void **state) {
        const LayerConfig config = example();
        uint8_t wire[ENROLLMENT_MESSAGE_BYTES_MAX];
        EnrollmentRequest request = {};
        EnrollmentResponse response = {};
        EnrollmentAck ack = { .result = 5 };

        assert_int_equal(enrollment_request_parse(WIRE(REQUEST), &request), 0);
        assert_memory_equal(request.id, ID, 8);
        assert_int_equal(enrollment_request_pack(&request, wire, sizeof(wire)), STRLEN(REQUEST));
        assert_memory_equal(wire, REQUEST, STRLEN(REQUEST));
        assert_int_equal(enrollment_request_pack(&request, wire, STRLEN(REQUEST) - 1), -ENOBUFS);

        assert_int_equal(enrollment_response_parse(WIRE(RESPONSE), &response), 0);
        assert_memory_equal(response.id, ID, 8);
        assert_true(response.time_nsec == 1795294988ULL * 1000000000 + 505678069);
        assert_int_equal(response.result, 0);
        assert_true(response.has_config);
        assert_memory_equal(&response.config, &config, sizeof(config));
        assert_int_equal(enrollment_response_pack(&response, wire, sizeof(wire)), STRLEN(RESPONSE));
        assert_memory_equal(wire, RESPONSE, STRLEN(RESPONSE));
        assert_int_equal(enrollment_response_pack(&response, wire, STRLEN(RESPONSE) - 1), -ENOBUFS);

        assert_int_equal(enrollment_ack_parse(WIRE(ACK), &ack), 0);
        assert_int_equal(ack.result, 0);
        assert_int_equal(enrollment_ack_pack(&ack, wire, sizeof(wire)), STRLEN(ACK));
        assert_memory_equal(wire, ACK, STRLEN(ACK));
}

/* Where the layer has an id it is said, and else not a byte of it. */
static void test_layer_id(void **state) {
        uint8_t wire[ENROLLMENT_MESSAGE_BYTES_MAX];
        EnrollmentResponse response = {};

        assert_int_equal(enrollment_response_parse(WIRE(RESPONSE_WITH_ID), &response), 0);
        assert_true(response.config.have_id);
        assert_memory_equal(response.config.id, LAYER_ID, LAYER_ID_BYTES);
        assert_int_equal(response.config.peer, example().peer);
        assert_int_equal(enrollment_response_pack(&response, wire, sizeof(wire)), STRLEN(RESPONSE_WITH_ID));
        assert_memory_equal(wire, RESPONSE_WITH_ID, STRLEN(RESPONSE_WITH_ID));

        response.config.have_id = false;
        assert_int_equal(enrollment_response_pack(&response, wire, sizeof(wire)), STRLEN(RESPONSE));
        assert_memory_equal(wire, RESPONSE, STRLEN(RESPONSE));
        assert_int_equal(enrollment_response_parse(WIRE(RESPONSE), &response), 0);
        assert_false(response.config.have_id);
}

static const struct {
        const char *name;
        const uint8_t *wire;
        size_t size;
        int r;
} responses[] = {
        { "refused",               WIRE("\x0a\x08" ID STAMP "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0        },
        { "broadcast",             WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x0b" LAYER "\x10\x02"),            0        },
        { "a field of tomorrow",   WIRE(RESPONSE "\xf8\x07\x01"),                                            0        },
        { "nothing",               WIRE(""),                                                                 -EBADMSG },
        { "no configuration",      WIRE("\x0a\x08" ID STAMP WELCOME),                                        -EBADMSG },
        { "no unicast part",       WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x0b" LAYER TYPE),                  -EBADMSG },
        { "empty configuration",   WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x00"),                             -EBADMSG },
        { "no result",             WIRE("\x0a\x08" ID STAMP CONFIG),                                         -EBADMSG },
        { "no clock",              WIRE("\x0a\x08" ID WELCOME CONFIG),                                       -EBADMSG },
        { "no id",                 WIRE(STAMP WELCOME CONFIG),                                               -EBADMSG },
        { "short id",              WIRE("\x0a\x07" "1234567" STAMP WELCOME CONFIG),                          -EBADMSG },
        { "long id",               WIRE("\x0a\x09" "123456789" STAMP WELCOME CONFIG),                        -EBADMSG },
        { "before its time",       WIRE("\x0a\x08" ID "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x18\x00"
                                        WELCOME CONFIG),
          -EBADMSG },
        { "end of time",           WIRE("\x0a\x08" ID "\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x18\x00"
                                        WELCOME CONFIG),
          -EBADMSG },
        { "no nanoseconds",        WIRE("\x0a\x08" ID "\x10\x01\x18\x80\x94\xeb\xdc\x03" WELCOME CONFIG),    -EBADMSG },
        { "nameless",              WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x08\x0a\x04\x0a\x00\x10\x01\x10\x02"),
          -EBADMSG },
        { "NUL in the name",       WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x0a\x0a\x06\x0a\x02n\0\x10\x01\x10\x02"),
          -EBADMSG },
        { "unknown hash",          WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x09\x0a\x05\x0a\x01n\x10\x63\x10\x02"),
          -EBADMSG },
        { "type of Ethernet",      WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x0b" LAYER "\x10\x04"),            -EBADMSG },
        { "layer with an id",      WIRE(RESPONSE_WITH_ID),                                                   0        },
        { "layer, id of 15 bytes", WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x1d\x0a\x19\x0a\x03net\x10\x01\xa2\x06\x0f"
               "0123456789abcde" "\x10\x02"),                                                               -EBADMSG },
        { "layer, id of 16 bytes", WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x1e" LAYER_WITH_ID "\x10\x02"),   0        },
        { "layer, id of 17 bytes", WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x1f\x0a\x1b\x0a\x03net\x10\x01\xa2\x06\x11"
               "0123456789abcdefg" "\x10\x02"),                                                             -EBADMSG },
        { "layer, empty id",       WIRE("\x0a\x08"
                                        ID STAMP WELCOME "\x2a\x0e\x0a\x0a\x0a\x03net\x10\x01\xa2\x06\x00\x10\x02"),
          -EBADMSG },
        { "cut off",               WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x41" LAYER TYPE),                  -EBADMSG },
        { "other routing",
          WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x33" LAYER TYPE "\x1a\x26"
               "\x0a\x06" "\x08\x04\x10\x08\x18\x3c" DIRECTORY POLICIES),                                    -EBADMSG },
        { "routing of tomorrow",
          WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x37" LAYER TYPE "\x1a\x2a"
               "\x0a\x0a" "\x08\x04\x10\x08\x18\x3c\x22\x02\x08\x01" DIRECTORY POLICIES),
               -EOPNOTSUPP },
        { "link state without times",
          WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x37" LAYER TYPE "\x1a\x2a"
               "\x0a\x0a" "\x08\x04\x10\x08\x18\x3c\x22\x02\x08\x00" DIRECTORY POLICIES),                    -EBADMSG },
        { "directory without times",
          WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x2b" LAYER TYPE "\x1a\x1e" TRANSFER "\x12\x02\x08\x00" POLICIES),
          -EBADMSG },
};

static void test_responses(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(responses); i++) {
                EnrollmentResponse response = { .result = 77 };

                print_message("%s\n", responses[i].name);
                assert_int_equal(enrollment_response_parse(responses[i].wire, responses[i].size, &response),
                                 responses[i].r);
                if (responses[i].r < 0)
                        assert_int_equal(response.result, 77);          /* untouched */
                else
                        assert_int_equal(response.has_config, response.result >= 0);
        }
}

static void test_long_name(void **state) {
        uint8_t wire[ENROLLMENT_MESSAGE_BYTES_MAX + 1] = {};
        EnrollmentResponse response = { .has_config = true }, parsed;
        ssize_t n;

        response.config = example();
        memset(response.config.layer, 'l', FLOW_NAME_WIRE_BYTES_MAX);
        n = enrollment_response_pack(&response, wire, sizeof(wire));
        assert_in_range(n, FLOW_NAME_WIRE_BYTES_MAX, ENROLLMENT_MESSAGE_BYTES_MAX);
        assert_int_equal(enrollment_response_parse(wire, (size_t) n, &parsed), 0);
        assert_string_equal(parsed.config.layer, response.config.layer);

        assert_int_equal(enrollment_response_parse(wire, sizeof(wire), &parsed), -EBADMSG);
        assert_int_equal(enrollment_request_parse(wire, sizeof(wire), &(EnrollmentRequest) {}), -EBADMSG);
        assert_int_equal(enrollment_ack_parse(wire, sizeof(wire), &(EnrollmentAck) {}), -EBADMSG);
        assert_int_equal(enrollment_request_parse(WIRE("\x0a\x07" "1234567"), &(EnrollmentRequest) {}), -EBADMSG);
        assert_int_equal(enrollment_ack_parse(WIRE(REQUEST), &(EnrollmentAck) {}), -EBADMSG);

        response.result = -1;
        assert_int_equal(enrollment_response_pack(&response, wire, sizeof(wire)), -EINVAL);
}

/* -- what we can be in -- */

#define CHANGED(name, field, value, r) { name, offsetof(LayerConfig, field), value, r }

static const struct {
        const char *name;
        size_t offset;                  /* of a uint32_t */
        uint32_t value;
        int r;
} configs[] = {
        CHANGED("as it is",                 ttl_max,         60,    0          ),
        CHANGED("wide addresses",           address_bytes,   8,     0          ),
        CHANGED("narrow addresses",         address_bytes,   2,     -EOPNOTSUPP),
        CHANGED("absurd addresses",         address_bytes,   260,   -EOPNOTSUPP),
        CHANGED("narrow endpoint ids",      eid_bytes,       4,     -EOPNOTSUPP),
        CHANGED("no way at all",            ttl_max,         0,     -EBADMSG   ),
        CHANGED("a TTL beyond a byte",      ttl_max,         256,   -EBADMSG   ),
        CHANGED("other addresses",          address_policy,  1,     -EOPNOTSUPP),
        CHANGED("no congestion avoidance",  congestion,      0,     0          ),
        CHANGED("other congestion",         congestion,      2,     -EOPNOTSUPP),
        CHANGED("multipath",                forwarding,      2,     0          ),
        CHANGED("other forwarding",         forwarding,      3,     -EOPNOTSUPP),
        CHANGED("no updates",               update_sec,      0,     -EBADMSG   ),
        CHANGED("forgotten too soon",       timeout_sec,     15,    -EBADMSG   ),
        CHANGED("never forgotten",          timeout_sec,     86401, -EBADMSG   ),
        CHANGED("asks nobody",              alpha,           0,     -EBADMSG   ),
        CHANGED("asks everybody",           alpha,           11,    -EBADMSG   ),
        CHANGED("keeps too much",           k,               21,    -EBADMSG   ),
        CHANGED("expires at once",          expire_sec,      9,     -EBADMSG   ),
        CHANGED("never refreshes",          refresh_sec,     3601,  -EBADMSG   ),
        CHANGED("replicates without pause", replicate_sec,   0,     -EBADMSG   ),
};

static void test_config(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(configs); i++) {
                LayerConfig config = example();
                const char *problem = NULL;

                print_message("%s\n", configs[i].name);
                memcpy((char *) &config + configs[i].offset, &configs[i].value, sizeof(uint32_t));
                assert_int_equal(layer_config_check(&config, &problem), configs[i].r);
                assert_int_equal(problem != NULL, configs[i].r < 0);
        }
}

static void test_config_kind(void **state) {
        LayerConfig config = example();
        const char *problem = NULL;

        config.type = LAYER_BROADCAST;
        config.alpha = 0;               /* none of its business */
        assert_int_equal(layer_config_check(&config, &problem), 0);
        config.hash = HASH_MD5;
        assert_int_equal(layer_config_check(&config, &problem), -EOPNOTSUPP);
        config.type = LAYER_UDP4;
        assert_int_equal(layer_config_check(&config, &problem), -EBADMSG);
        config = example();
        config.layer[0] = '\0';
        assert_int_equal(layer_config_check(&config, &problem), -EBADMSG);
}

/* -- captures -- */

#define UDP_HEADERS (14U + 20U + 8U)
#define UDP_FIRST_EID 64U

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

/* Both sides of the captured exchange are played with our code: what we send is what the prototype sent. */
static void test_capture(void **state) {
        _cleanup_(pcap_freep) Pcap *pcap = NULL;
        Enrollment enrollee = {}, enroller;
        uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX], ours[ENROLLMENT_MESSAGE_BYTES_MAX];
        const LayerConfig own = { .type = LAYER_UNICAST };
        EnrollmentRequest request;
        EnrollmentResponse response;
        const uint8_t *frame;
        size_t size, n, n_ours;
        bool seen = false;

        assert_int_equal(pcap_open(TEST_DATA "/udp4.pcap", &pcap), 0);

        while (!seen && pcap_next(pcap, &frame, &size) > 0) {
                Cursor c = payload(frame, size);

                if (c.bad || enrollment_request_parse(c.p, c.left, &request) < 0)
                        continue;
                seen = true;
                assert_int_equal(enrollment_start(&enrollee, request.id, 0, ours, &n_ours), 0);
                assert_int_equal(n_ours, c.left);
                assert_memory_equal(ours, c.p, c.left);

                assert_int_equal(pcap_next(pcap, &frame, &size), 1);
                c = payload(frame, size);
                assert_int_equal(enrollment_response_parse(c.p, c.left, &response), 0);
                enrollment_expect(&enroller, 0);
                assert_int_equal(enrollment_receive(&enroller, ours, n_ours, &response.config, response.time_nsec, 0,
                                                    answer, &n), 0);
                assert_int_equal(n, c.left);
                assert_memory_equal(answer, c.p, c.left);

                assert_int_equal(enrollment_receive(&enrollee, answer, n, &own, response.time_nsec, 0, ours, &n_ours),
                                 0);
                assert_int_equal(enrollee.state, ENROLLMENT_DONE);
                assert_int_equal(enrollee.config.peer, 0x6668b408);

                assert_int_equal(pcap_next(pcap, &frame, &size), 1);
                c = payload(frame, size);
                assert_int_equal(n_ours, c.left);
                assert_memory_equal(ours, c.p, c.left);
                assert_int_equal(enrollment_receive(&enroller, c.p, c.left, NULL, 0, 0, answer, &n), 0);
                assert_int_equal(enroller.state, ENROLLMENT_DONE);
        }

        assert_true(seen);
}

/* -- the exchange -- */

#define NOW (5 * USEC_PER_SEC)
#define CLOCK ((uint64_t) 1800000000 * 1000000000)

static void test_clock_offset(void **state) {
        const LayerConfig config = example();
        uint8_t message[ENROLLMENT_MESSAGE_BYTES_MAX], answer[ENROLLMENT_MESSAGE_BYTES_MAX];
        Enrollment enrollee, enroller;
        size_t size, n;

        /* The peer's clock is 3 s ahead, a message takes 20 ms each way. */
        assert_int_equal(enrollment_start(&enrollee, (const uint8_t *) ID, NOW, message, &size), 0);
        assert_true(enrollee.deadline == NOW + ENROLLMENT_TIMEOUT_USEC);
        enrollment_expect(&enroller, NOW);
        assert_int_equal(
                enrollment_receive(&enroller, message, size, &config, CLOCK + 3020000000, NOW + 20000, answer, &n), 0);
        assert_int_equal(enroller.state, ENROLLMENT_ANSWERED);
        assert_memory_equal(enroller.id, ID, 8);
        assert_true(enroller.deadline == NOW + 20000 + ENROLLMENT_TIMEOUT_USEC);

        assert_int_equal(
                enrollment_receive(&enrollee, answer, n, &config, CLOCK + 40000000, NOW + 40000, message, &size), 0);
        assert_int_equal(enrollee.state, ENROLLMENT_DONE);
        assert_int_equal(enrollee.clock_offset_usec, 3000000);
        assert_true(enrollee.rtt_usec == 40000);
        assert_memory_equal(&enrollee.config, &config, sizeof(config));

        assert_int_equal(enrollment_receive(&enroller, message, size, NULL, 0, NOW + 60000, answer, &n), 0);
        assert_int_equal(enroller.state, ENROLLMENT_DONE);
        assert_true(enroller.rtt_usec == 40000);
}

/* No configuration for anybody before we have one ourselves. */
static void test_no_member(void **state) {
        const LayerConfig own = { .type = LAYER_UNICAST };
        uint8_t message[ENROLLMENT_MESSAGE_BYTES_MAX], answer[ENROLLMENT_MESSAGE_BYTES_MAX];
        Enrollment enrollee, enroller;
        size_t size, n;

        assert_int_equal(enrollment_start(&enrollee, (const uint8_t *) ID, NOW, message, &size), 0);
        enrollment_expect(&enroller, NOW);
        assert_int_equal(enrollment_receive(&enroller, message, size, NULL, CLOCK, NOW, answer, &n), -ECONNREFUSED);
        assert_true(n > 0);
        assert_int_equal(enrollment_receive(&enrollee, answer, n, &own, CLOCK, NOW, message, &size), -ECONNREFUSED);
        assert_int_equal(size, 0);
        assert_int_equal(enrollee.state, ENROLLMENT_FAILED);
        assert_true(enrollee.result < 0);
        assert_non_null(enrollee.problem);
}

static const struct {
        const char *name;
        const uint8_t *wire;
        size_t size;
        int r;
        bool acknowledged;
} answers[] = {
        { "as it should be",       WIRE(RESPONSE),                                                           0, true },
        { "for somebody else",     WIRE("\x0a\x08" "12345678" STAMP WELCOME CONFIG),                         -EPROTO,
          false },
        { "broadcast",             WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x0b" LAYER "\x10\x02"),            -EPROTO,
          true },
        { "refused",
          WIRE("\x0a\x08" ID STAMP "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
          -ECONNREFUSED, false },
        { "a record of CEP",       WIRE("\x0a\x0a" "Enrollment" "\x12\x03" "OEP" "\x18\x01\x28\x00\x40\x00"), -EBADMSG,
          false },
        { "no configuration",      WIRE("\x0a\x08" ID STAMP WELCOME),                                        -EBADMSG,
          false },
        { "routing of tomorrow",
          WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x37" LAYER TYPE "\x1a\x2a"
               "\x0a\x0a" "\x08\x04\x10\x08\x18\x3c\x22\x02\x08\x01" DIRECTORY POLICIES),
               -EOPNOTSUPP, false },
        { "endpoint ids of 4",
          WIRE("\x0a\x08" ID STAMP WELCOME "\x2a\x41" LAYER TYPE "\x1a\x34"
               "\x0a\x14\x08\x04\x10\x04\x18\x3c\x22\x0c\x08\x00\x12\x08\x08\x00\x10\x04\x18\x0f\x20\x3c"
               DIRECTORY POLICIES),
          -EOPNOTSUPP, true },
};

static void test_answers(void **state) {
        const LayerConfig own = { .type = LAYER_UNICAST };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                uint8_t message[ENROLLMENT_MESSAGE_BYTES_MAX];
                Enrollment e;
                size_t size;

                print_message("%s\n", answers[i].name);
                assert_int_equal(enrollment_start(&e, (const uint8_t *) ID, NOW, message, &size), 0);
                assert_int_equal(
                        enrollment_receive(&e, answers[i].wire, answers[i].size, &own, CLOCK, NOW, message, &size),
                        answers[i].r);
                assert_int_equal(size > 0, answers[i].acknowledged);
                assert_int_equal(e.state, answers[i].r == 0          ? ENROLLMENT_DONE
                                          : answers[i].r == -EBADMSG ? ENROLLMENT_REQUESTED
                                                                     : ENROLLMENT_FAILED);
                assert_int_equal(e.problem != NULL, e.state == ENROLLMENT_FAILED);
        }
}

/* The enroller hears the request twice, then an acknowledgement that is not for it, or says that it is no use. */
static void test_acknowledgements(void **state) {
        static const struct {
                const char *name;
                const uint8_t *wire;
                size_t size;
                int r;
        } rows[] = {
                { "well",              WIRE(ACK),                                                    0 },
                { "the request again", WIRE(REQUEST),                                                -EBADMSG },
                { "of another",        WIRE("\x0a\x08" "12345678\x10\x00"),                          -EPROTO },
                { "not for me",        WIRE(REQUEST "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -ECONNREFUSED },
        };
        const LayerConfig config = example();

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX];
                Enrollment e;
                size_t size;

                print_message("%s\n", rows[i].name);
                enrollment_expect(&e, NOW);
                assert_int_equal(enrollment_receive(&e, WIRE(REQUEST), &config, CLOCK, NOW, answer, &size), 0);
                assert_true(size > 0);
                assert_int_equal(enrollment_receive(&e, rows[i].wire, rows[i].size, &config, CLOCK, NOW, answer, &size),
                                 rows[i].r);
                assert_int_equal(size, 0);
                assert_int_equal(e.state, rows[i].r == 0          ? ENROLLMENT_DONE
                                          : rows[i].r == -EBADMSG ? ENROLLMENT_ANSWERED
                                                                  : ENROLLMENT_FAILED);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_bytes),
                cmocka_unit_test(test_layer_id),
                cmocka_unit_test(test_responses),
                cmocka_unit_test(test_long_name),
                cmocka_unit_test(test_config),
                cmocka_unit_test(test_config_kind),
                cmocka_unit_test(test_capture),
                cmocka_unit_test(test_clock_offset),
                cmocka_unit_test(test_no_member),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_acknowledgements),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
