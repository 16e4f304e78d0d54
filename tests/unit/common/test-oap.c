/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * OAP: the messages that two hosts of the reference sent each other are read, checked against each other and
 * written again; then the plain exchange between two of ours, and what makes either side refuse it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/oap.h"
#include "tests/support/pcap.h"

#define NOW (UINT64_C(1700000000) * NSEC_PER_SEC)

/* Where a framing has its management messages, their code and what follows the fixed part. */
typedef struct Framing {
        const char *path;
        size_t payload, code, fixed;
        size_t length;                  /* offset of the length field */
        size_t before_payload;          /* bytes that the length counts before the payload */
        size_t mark;                    /* two bytes that say "management" */
        const char *mark_bytes;
} Framing;

static const Framing framings[] = {
        { TEST_DATA "/eth-dix.pcap", 18, 37, 39, 16, 0, 14, "\0\0"     },
        { TEST_DATA "/eth-llc.pcap", 17, 2,  37, 12, 3, 14, "\x80\x80" },
};

#define NAME_HASH_BYTES 32U
enum { CODE_FLOW_REQUEST, CODE_FLOW_REPLY };

/* The OAP bytes of a frame, and its code. Returns whether there are any. */
static bool frame_oap(const Framing *f, const uint8_t *frame, size_t size, uint8_t *code, Cursor *ret) {
        Cursor c = cursor_from(frame, size);
        size_t length;

        (void) cursor_bytes(&c, f->length);
        length = cursor_be16(&c);
        if (c.bad || memcmp(frame + f->mark, f->mark_bytes, 2) != 0 || length < f->before_payload + f->fixed)
                return false;

        c = cursor_from(frame + f->payload, length - f->before_payload);
        *code = frame[f->payload + f->code];
        (void) cursor_bytes(&c, f->fixed);
        if (*code == CODE_FLOW_REQUEST)
                (void) cursor_bytes(&c, NAME_HASH_BYTES);
        else if (*code != CODE_FLOW_REPLY)
                return false;

        *ret = c;
        return !c.bad && f->payload + length - f->before_payload <= size;
}

static void check_captured_request(const Cursor *oap, OapRequest *ret) {
        uint8_t again[OAP_HEADER_BYTES];
        OapExtension extension;
        OapHeader header;

        assert_int_equal(oap->left, OAP_HEADER_BYTES);
        assert_int_equal(oap_header_parse(oap->p, oap->left, 0, &header), 0);
        assert_int_equal(oap_header_pack(&header, again, sizeof(again)), sizeof(again));
        assert_memory_equal(again, oap->p, sizeof(again));

        assert_int_equal(oap_request_parse(oap->p, oap->left, header.timestamp + 1, &header, &extension), 0);
        assert_false(extension.present);

        memcpy(ret->id, header.id, sizeof(ret->id));
        ret->hash_size = (size_t) hash_compute(HASH_SHA384, oap->p, oap->left, ret->hash);
}

/* What the reference answered is what our client accepts, and what our server would have said but for the
 * extension. */
static void check_captured_reply(const Cursor *oap, const Cursor *request_oap, const OapRequest *request) {
        static const uint8_t token[OAP_TOKEN_BYTES];
        uint8_t again[OAP_HEADER_BYTES + 48], ours[128];
        OapHeader header, our_header;
        OapExtension extension;
        ssize_t n;

        assert_int_equal(oap->left, sizeof(again));
        assert_int_equal(oap_response_parse(request, oap->p, oap->left, &header, &extension), 0);
        assert_false(extension.present);
        assert_memory_equal(header.request_hash, request->hash, 48);

        assert_int_equal(oap_header_pack(&header, again, sizeof(again)), sizeof(again));
        assert_memory_equal(again, oap->p, sizeof(again));

        n = oap_response_build(request_oap->p, request_oap->left, token, 0, header.timestamp, ours,
                               sizeof(ours));
        assert_true(n > 0);
        assert_int_equal(oap_header_parse(ours, (size_t) n, 48, &our_header), 0);
        our_header.data_size = 0;
        assert_int_equal(oap_header_pack(&our_header, again, sizeof(again)), sizeof(again));
        assert_memory_equal(again, oap->p, sizeof(again));
}

static void test_captures(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(framings); i++) {
                _cleanup_(pcap_freep) Pcap *pcap = NULL;
                Cursor request_oap = {};
                OapRequest request = {};
                unsigned n_requests = 0, n_replies = 0;
                const uint8_t *frame;
                size_t size;

                print_message("%s\n", framings[i].path);
                assert_int_equal(pcap_open(framings[i].path, &pcap), 0);

                while (pcap_next(pcap, &frame, &size) > 0) {
                        uint8_t code;
                        Cursor oap;

                        if (!frame_oap(framings + i, frame, size, &code, &oap))
                                continue;

                        if (code == CODE_FLOW_REQUEST) {
                                check_captured_request(&oap, &request);
                                request_oap = oap;
                                n_requests++;
                        } else {
                                check_captured_reply(&oap, &request_oap, &request);
                                n_replies++;
                        }
                }

                assert_int_equal(n_requests, 4);
                assert_int_equal(n_replies, 4);
        }
}

static const uint8_t first_random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = "the id of a reqtoken-on";
static const uint8_t other_random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = "another id from anothe";
static const uint8_t server_token[OAP_TOKEN_BYTES] = "servers";

static void test_exchange(void **state) {
        uint8_t wire[256], answer[256];
        OapRequest request, successor;
        OapExtension extension;
        OapHeader header;
        ssize_t n;

        n = oap_request_build(first_random, NOW, 0, NULL, wire, sizeof(wire), &request);
        assert_int_equal(n, 36 + 8 + 8 + 12);
        assert_memory_equal(wire, first_random, OAP_ID_BYTES);
        assert_memory_equal(wire + 36, "O7sX\1\0\0\x14\0\3\0\4\0\0\0\3\0\x08\0\x08", 20);
        assert_memory_equal(wire + 56, first_random + OAP_ID_BYTES, OAP_TOKEN_BYTES);

        assert_int_equal(oap_request_parse(wire, (size_t) n, NOW, &header, &extension), 0);
        assert_true(header.timestamp == NOW - 2 * NSEC_PER_SEC);
        assert_true(extension.present);
        assert_int_equal(extension.capabilities, OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT);
        assert_true(extension.have_token);
        assert_memory_equal(extension.token, first_random + OAP_ID_BYTES, OAP_TOKEN_BYTES);
        assert_false(extension.have_replaced);

        n = oap_response_build(wire, (size_t) n, server_token, 0, NOW, answer, sizeof(answer));
        assert_int_equal(n, 84 + 8 + 8 + 12);
        assert_int_equal(oap_response_parse(&request, answer, (size_t) n, &header, &extension), 0);
        assert_true(header.timestamp == NOW);
        assert_true(extension.present);
        assert_int_equal(extension.capabilities, OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT);
        assert_memory_equal(extension.token, server_token, OAP_TOKEN_BYTES);

        /* A second request names the first, and this one has wishes. */
        n = oap_request_build(other_random, NOW, OAP_CAPABILITY_STREAM, &request, wire, sizeof(wire), &successor);
        assert_int_equal(n, 36 + 8 + 8 + 12 + 20);
        assert_int_equal(oap_request_parse(wire, (size_t) n, NOW, &header, &extension), 0);
        assert_true(extension.have_replaced);
        assert_memory_equal(extension.replaced, request.id, OAP_ID_BYTES);
        assert_int_equal(extension.capabilities, OAP_CAPABILITIES_OF_HOST | OAP_CAPABILITY_STREAM);

        n = oap_response_build(wire, (size_t) n, server_token, OAP_CAPABILITIES_OF_FLOW, NOW, answer, sizeof(answer));
        assert_true(n > 0);
        assert_int_equal(oap_response_parse(&successor, answer, (size_t) n, &header, &extension), 0);
        assert_int_equal(extension.capabilities, OAP_CAPABILITIES_OF_HOST | OAP_CAPABILITIES_OF_FLOW);
}

/* Every byte of an answer but the stamp, the ids of algorithms, and the data is bound to the request. */
static void test_foreign_answers(void **state) {
        uint8_t wire[64], answer[112];
        OapHeader header = { .timestamp = 4711 };
        OapExtension extension;
        OapRequest request;

        assert_int_equal(oap_request_build(first_random, NOW, 0, NULL, wire, sizeof(wire), &request),
                         sizeof(wire));
        assert_int_equal(oap_response_build(wire, sizeof(wire), server_token, 0, NOW, answer, sizeof(answer)),
                         sizeof(answer));

        for (size_t i = 0; i < sizeof(answer); i++) {
                bool bound = i < OAP_ID_BYTES || i >= sizeof(answer) - 48;

                if (!bound)
                        continue;
                answer[i] ^= 0x01;
                assert_int_equal(oap_response_parse(&request, answer, sizeof(answer), &header, &extension), -EBADE);
                assert_int_equal(header.timestamp, 4711);       /* untouched */
                answer[i] ^= 0x01;
        }
        assert_int_equal(oap_response_parse(&request, answer, sizeof(answer), &header, &extension), 0);

        for (size_t size = 0; size < sizeof(answer); size++)
                assert_int_equal(oap_response_parse(&request, answer, size, &header, &extension), -EBADMSG);

        /* An answer to a request that was tampered with on its way carries the digest of something else. */
        wire[40] ^= 0x01;
        assert_int_equal(oap_response_build(wire, sizeof(wire), server_token, 0, NOW, answer, sizeof(answer)),
                         sizeof(answer));
        assert_int_equal(oap_response_parse(&request, answer, sizeof(answer), &header, &extension), -EBADE);
}

static void test_no_room(void **state) {
        uint8_t wire[112], request_wire[64];
        OapRequest request = { .hash_size = 4711 };

        for (size_t size = 0; size < 64; size++)
                assert_int_equal(oap_request_build(first_random, NOW, 0, NULL, wire, size, &request), -ENOBUFS);
        assert_int_equal(request.hash_size, 4711);

        assert_int_equal(oap_request_build(first_random, NOW, 0, NULL, request_wire, 64, &request), 64);
        for (size_t size = 0; size < 112; size++)
                assert_int_equal(oap_response_build(request_wire, 64, server_token, 0, NOW, wire, size),
                                 -ENOBUFS);
}

/* A response is hashed as the request asks for. */
static void test_digests(void **state) {
        uint8_t wire[OAP_HEADER_BYTES] = { 0x11 }, answer[256];
        OapHeader header;
        uint8_t hash[HASH_BYTES_MAX];
        ssize_t n;

        wire[28] = 0x04;
        wire[29] = 0x49;        /* SHA3-256 */
        n = oap_response_build(wire, sizeof(wire), server_token, 0, NOW, answer, sizeof(answer));
        assert_int_equal(n, 36 + 28 + 32);
        assert_int_equal(oap_header_parse(answer, (size_t) n, 32, &header), 0);
        assert_int_equal(header.digest, 0);
        assert_int_equal(hash_compute(HASH_SHA3_256, wire, sizeof(wire), hash), 32);
        assert_memory_equal(header.request_hash, hash, 32);

        wire[29] = 0x20;        /* BLAKE2b */
        assert_int_equal(oap_response_build(wire, sizeof(wire), server_token, 0, NOW, answer, sizeof(answer)),
                         -EOPNOTSUPP);
        wire[29] = 0x48;
        assert_int_equal(oap_response_build(wire, sizeof(wire), server_token, 0, NOW, answer, sizeof(answer)),
                         -EPROTO);
        assert_int_equal(oap_response_build(wire, 35, server_token, 0, NOW, answer, sizeof(answer)), -EBADMSG);
}

static const struct {
        const char *name;
        int64_t age_nsec;       /* of the stamp */
        int r;
} stamps[] = {
        { "now",                 0,                                       0      },
        { "as we send it",       2 * (int64_t) NSEC_PER_SEC,              0      },
        { "oldest",              20 * (int64_t) NSEC_PER_SEC,             0      },
        { "too old",             20 * (int64_t) NSEC_PER_SEC + 1,         -ETIME },
        { "hours old",           7200 * (int64_t) NSEC_PER_SEC,           -ETIME },
        { "latest",              -100 * 1000 * 1000,                      0      },
        { "from the future",     -100 * 1000 * 1000 - 1,                  -ETIME },
        { "from far away",       -7200 * (int64_t) NSEC_PER_SEC,          -ETIME },
        { "zero",                (int64_t) NOW,                           -ETIME },
        { "largest",             (int64_t) NOW + 1,                       -ETIME },        /* wraps to 2^64 - 1 */
};

static void test_window(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(stamps); i++) {
                uint64_t stamp = NOW - (uint64_t) stamps[i].age_nsec;
                OapHeader header = { .timestamp = stamp };
                uint8_t wire[OAP_HEADER_BYTES];
                OapExtension extension;

                print_message("%s\n", stamps[i].name);
                assert_int_equal(oap_header_pack(&header, wire, sizeof(wire)), sizeof(wire));
                assert_int_equal(oap_request_parse(wire, sizeof(wire), NOW, &header, &extension),
                                 stamps[i].r);
        }

        assert_true(oap_stamp_is_timely(0, 0));
        assert_true(oap_stamp_is_timely(UINT64_MAX, UINT64_MAX));
        assert_false(oap_stamp_is_timely(UINT64_MAX, 0));
        assert_false(oap_stamp_is_timely(0, UINT64_MAX));
}

static void test_unsupported(void **state) {
        uint8_t part[] = { 1, 2, 3 }, wire[64];
        OapHeader header = { .timestamp = NOW, .certificate = part, .certificate_size = sizeof(part) };
        OapExtension extension;
        ssize_t n;

        n = oap_header_pack(&header, wire, sizeof(wire));
        assert_int_equal(oap_request_parse(wire, (size_t) n, NOW, &header, &extension), -EOPNOTSUPP);

        header = (OapHeader) { .timestamp = NOW, .key_exchange = part, .key_exchange_size = sizeof(part) };
        n = oap_header_pack(&header, wire, sizeof(wire));
        assert_int_equal(oap_request_parse(wire, (size_t) n, NOW, &header, &extension), -EOPNOTSUPP);

        /* blake2s256: legal, but we could not answer with it. */
        header = (OapHeader) { .timestamp = NOW, .digest = 1057 };
        n = oap_header_pack(&header, wire, sizeof(wire));
        assert_int_equal(oap_request_parse(wire, (size_t) n, NOW, &header, &extension), -EOPNOTSUPP);
}

/* Data that is not ours, or is broken, leaves the request a good one of a stranger. */
static void test_stranger(void **state) {
        static const char *const data[] = { "hello", "O7sX\1\1\1\1" };

        for (size_t i = 0; i < ELEMENTSOF(data); i++) {
                OapHeader header = {
                        .timestamp = NOW,
                        .data = (const uint8_t *) data[i],
                        .data_size = strlen(data[i]),
                };
                OapExtension extension = { .present = true };
                uint8_t wire[64];
                ssize_t n;

                n = oap_header_pack(&header, wire, sizeof(wire));
                assert_int_equal(oap_request_parse(wire, (size_t) n, NOW, &header, &extension), 0);
                assert_false(extension.present);
                assert_false(extension.have_token);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_captures),
                cmocka_unit_test(test_exchange),
                cmocka_unit_test(test_foreign_answers),
                cmocka_unit_test(test_no_room),
                cmocka_unit_test(test_digests),
                cmocka_unit_test(test_window),
                cmocka_unit_test(test_unsupported),
                cmocka_unit_test(test_stranger),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
