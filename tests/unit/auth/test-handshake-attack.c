/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whoever is on the path between two o7s hosts. Each test names what he may do; what has to come out is that one end
 * refuses, or both agree on the very same thing. Where there are keys, every byte of both messages is in the
 * transcript: there is no byte that may be altered, signature or not. Without signatures he may still be the peer
 * himself, towards both ends; test_middle() says where that is possible, and where it is not.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/handshake-side.h"

#define MESSAGE_BYTES 8192U
#define NAME "web.example"

typedef struct Message {
        size_t size;
        uint8_t bytes[MESSAGE_BYTES];
} Message;

typedef struct World {
        TestIdentity authority, server, client, mallory;
        Trust *trust;
} World;

typedef enum Mode {
        MODE_KEYS,              /* key exchange, nobody signs */
        MODE_SERVER,
        MODE_MUTUAL,
        MODE_MAC,               /* no encryption, server signs */
        MODE_MAC_KEYS,          /* no encryption, nobody signs */
        _MODE_MAX,
} Mode;

static const char *const mode_names[_MODE_MAX] = { "keys", "server", "mutual", "MAC", "MAC, keys" };

static int set_up(void **state) {
        World *w = calloc(1, sizeof(*w));
        const TestIdentity *anchors[] = { &w->authority };

        assert_non_null(w);
        assert_int_equal(test_identity_init(&w->authority, TEST_KEY_P256, "Authority", NULL, false), 0);
        assert_int_equal(test_identity_init(&w->server, TEST_KEY_ED25519, "o7s:name:" NAME, &w->authority, false), 0);
        assert_int_equal(test_identity_init(&w->client, TEST_KEY_ED25519, "o7s:name:client", &w->authority, false), 0);
        assert_int_equal(test_identity_init(&w->mallory, TEST_KEY_P256, "o7s:name:mallory", &w->authority, false), 0);
        assert_int_equal(test_trust_new(anchors, 1, &w->trust), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        trust_free(w->trust);
        test_identity_done(&w->authority);
        test_identity_done(&w->server);
        test_identity_done(&w->client);
        test_identity_done(&w->mallory);
        free(w);
        return 0;
}

static void start(TestSide *side, uint8_t seed) {
        uint8_t random[HANDSHAKE_RANDOM_BYTES];

        for (size_t i = 0; i < sizeof(random); i++)
                random[i] = (uint8_t) (seed * 31 + i * 7);
        assert_int_equal(test_side_start(side, random, NULL), 0);
}

static void set_binding(uint8_t *to, size_t *size, char with) {
        *size = 24;
        memset(to, with, *size);
}

static void init_client(TestSide *client, const World *w, Mode mode) {
        static const char *const mutual[] = { "Authentication=mutual", NULL }, *const mac[] = { "Encryption=no", NULL };
        bool anonymous = mode == MODE_KEYS || mode == MODE_MAC_KEYS;

        assert_int_equal(test_side_init(client, false, NAME, mode == MODE_MUTUAL ? &w->client : NULL, anonymous ? NULL : w->trust,
                                        mode == MODE_MUTUAL ? mutual : mode >= MODE_MAC ? mac : NULL), 0);
        set_binding(client->binding, &client->binding_size, 'q');
        set_binding(client->seen, &client->seen_size, 'r');
        start(client, 1);
}

static void init_server(TestSide *server, const World *w, Mode mode) {
        static const char *const mutual[] = { "Authentication=mutual", NULL };

        bool anonymous = mode == MODE_KEYS || mode == MODE_MAC_KEYS;

        assert_int_equal(test_side_init(server, true, NAME, anonymous ? NULL : &w->server, mode == MODE_MUTUAL ? w->trust : NULL,
                                        mode == MODE_MUTUAL ? mutual : NULL), 0);
        set_binding(server->seen, &server->seen_size, 'q');
        set_binding(server->binding, &server->binding_size, 'r');
        start(server, 2);
}

static void make_request(TestSide *client, Message *ret) {
        ssize_t n = test_side_request(client, ret->bytes, sizeof(ret->bytes));

        assert_true(n > 0);
        ret->size = (size_t) n;
}

static void make_response(TestSide *server, Message *ret) {
        ssize_t n = test_side_response(server, ret->bytes, sizeof(ret->bytes));

        assert_true(n > 0);
        ret->size = (size_t) n;
}

/* A client that has asked, again and again in the same way. */
static void ask(TestSide *client, const World *w, Mode mode, Message *ret) {
        init_client(client, w, mode);
        make_request(client, ret);
}

/* A server that was asked by this request, and answers. Returns: as the check. */
static int answer(TestSide *server, const World *w, Mode mode, const Message *request, Message *ret) {
        int r;

        init_server(server, w, mode);
        r = test_side_check_request(server, request->bytes, request->size);
        if (r >= 0)
                make_response(server, ret);

        return r;
}

static size_t hash_size_of(const Message *request) {
        OapHeader header;

        assert_int_equal(oap_header_parse(request->bytes, request->size, 0, &header), 0);
        return hash_size((HashAlgorithm) oap_digest_to_hash(header.digest));
}

/* Puts the digest of this request into a response to another, as who alters requests has to. */
static void repair_hash(Message *response, size_t response_hash_size, const Message *request) {
        uint8_t hash[HASH_BYTES_MAX];
        OapHeader header, asked;
        size_t size = hash_size_of(request);

        if (size != response_hash_size || oap_header_parse(response->bytes, response->size, size, &header) < 0)
                return;

        assert_int_equal(oap_header_parse(request->bytes, request->size, 0, &asked), 0);
        assert_int_equal(hash_compute((HashAlgorithm) oap_digest_to_hash(asked.digest), request->bytes, request->size, hash), size);
        memcpy(response->bytes + (header.request_hash - response->bytes), hash, size);
        memcpy(response->bytes, request->bytes, OAP_ID_BYTES);
}

/* The header again, after its parts were changed. */
static void rewrite(Message *m, const OapHeader *header) {
        Message fresh;
        ssize_t n = oap_header_pack(header, fresh.bytes, sizeof(fresh.bytes));

        assert_true(n > 0);
        memcpy(m->bytes, fresh.bytes, (size_t) n);
        m->size = (size_t) n;
}

/* Takes the extension out: what a peer of the reference would have sent, but for a signature. */
static void strip_extension(Message *m, size_t response_hash_size) {
        OapHeader header;

        assert_int_equal(oap_header_parse(m->bytes, m->size, response_hash_size, &header), 0);
        header.data_size = 0;
        rewrite(m, &header);
}

static void strip_certificate(Message *m, size_t response_hash_size) {
        OapHeader header;

        assert_int_equal(oap_header_parse(m->bytes, m->size, response_hash_size, &header), 0);
        header.certificate_size = header.signature_size = 0;
        rewrite(m, &header);
}

static bool keys_agree(const TestSide *a, const TestSide *b) {
        SealKeys x, y;
        ControlKeys cx, cy;

        assert_int_equal(handshake_keys(a->h, &x, &cx), 0);
        assert_int_equal(handshake_keys(b->h, &y, &cy), 0);
        return x.suite == y.suite && x.cipher == y.cipher && x.mac_only == y.mac_only && memcmp(x.send, y.receive, sizeof(x.send)) == 0 &&
               memcmp(x.receive, y.send, sizeof(x.send)) == 0 && memcmp(x.label, y.label, sizeof(x.label)) == 0 &&
               memcmp(cx.send, cy.receive, sizeof(cx.send)) == 0 && memcmp(cx.receive, cy.send, sizeof(cx.send)) == 0;
}

/* The request arrives altered; whoever did that also repairs what the response says of it. */
static bool accept_altered_request(const World *w, Mode mode, const Message *altered, bool repairs) {
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        Message request, response;

        ask(&client, w, mode, &request);
        if (answer(&server, w, mode, altered, &response) < 0)
                return false;
        if (repairs)
                repair_hash(&response, hash_size_of(altered), &request);

        return test_side_check_response(&client, response.bytes, response.size) >= 0;
}

static int accept_response(const World *w, Mode mode, const Message *response) {
        _cleanup_(test_side_done) TestSide client = {};
        Message request;

        ask(&client, w, mode, &request);
        return test_side_check_response(&client, response->bytes, response->size);
}

/* -- the tests -- */

static void test_untouched(void **state) {
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                Message request, response;

                ask(&client, w, mode, &request);
                assert_int_equal(answer(&server, w, mode, &request, &response), 0);
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size), 0);
                assert_true(keys_agree(&client, &server));
        }
}

static void test_flips_in_request(void **state) {
        static const uint8_t masks[] = { 0x01, 0x80, 0xff };
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                Message request;

                print_message("%s\n", mode_names[mode]);
                ask(&client, w, mode, &request);
                for (size_t i = 0; i < request.size * ELEMENTSOF(masks); i++) {
                        bool repairs = i < 2 * request.size;

                        request.bytes[i % request.size] ^= masks[i / request.size];
                        assert_false(accept_altered_request(w, mode, &request, repairs));
                        request.bytes[i % request.size] ^= masks[i / request.size];
                }
                assert_true(accept_altered_request(w, mode, &request, true));
        }
}

static void test_flips_in_response(void **state) {
        static const uint8_t masks[] = { 0x01, 0x80, 0xff };
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                Message request, response;

                print_message("%s\n", mode_names[mode]);
                ask(&client, w, mode, &request);
                assert_int_equal(answer(&server, w, mode, &request, &response), 0);
                for (size_t i = 0; i < response.size * ELEMENTSOF(masks); i++) {
                        response.bytes[i % response.size] ^= masks[i / response.size];
                        assert_true(accept_response(w, mode, &response) < 0);
                        response.bytes[i % response.size] ^= masks[i / response.size];
                }
                assert_int_equal(accept_response(w, mode, &response), 0);
        }
}

static void test_cut_off(void **state) {
        const World *w = *state;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        Message request, response, shorter;

        ask(&client, w, MODE_MUTUAL, &request);
        assert_int_equal(answer(&server, w, MODE_MUTUAL, &request, &response), 0);
        for (shorter = request; shorter.size > 0; shorter.size--)
                assert_int_equal(accept_altered_request(w, MODE_MUTUAL, &shorter, false), shorter.size == request.size);
        for (shorter = response; shorter.size > 0; shorter.size--)
                assert_int_equal(accept_response(w, MODE_MUTUAL, &shorter) >= 0, shorter.size == response.size);
        assert_int_equal(test_side_check_response(&client, response.bytes, AUTH_OAP_BYTES_MAX + 1), -EBADMSG);
}

/* Without the extension a response is one of the reference. Whoever signs, signs it; whoever does not, must say
 * Peer=o7s to be safe from this. */
static void test_strip_extension(void **state) {
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                Message request, response, stripped;

                print_message("%s\n", mode_names[mode]);
                ask(&client, w, mode, &request);
                assert_int_equal(answer(&server, w, mode, &request, &response), 0);
                stripped = response;
                strip_extension(&stripped, hash_size_of(&request));

                /* Only of the response: the keys would differ, or there would be none. */
                if (mode == MODE_SERVER || mode == MODE_MUTUAL || mode == MODE_MAC)
                        assert_int_equal(accept_response(w, mode, &stripped), -EKEYREJECTED);

                /* Only of the request: the answer gives it away, whatever its digest says. */
                stripped = request;
                strip_extension(&stripped, 0);
                if (mode != MODE_MAC_KEYS)
                        assert_false(accept_altered_request(w, mode, &stripped, true));
        }
}

static void test_strip_both(void **state) {
        static const char *const only_o7s[] = { "Peer=o7s", NULL };
        const World *w = *state;

        for (int strict = 0; strict < 2; strict++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                Message request, response, stripped;
                SealKeys a, b;
                ControlKeys ca, cb;

                assert_int_equal(test_side_init(&client, false, NAME, NULL, NULL, strict ? only_o7s : NULL), 0);
                start(&client, 1);
                make_request(&client, &request);
                stripped = request;
                strip_extension(&stripped, 0);
                init_server(&server, w, MODE_KEYS);
                server.seen_size = 0;
                assert_int_equal(test_side_check_request(&server, stripped.bytes, stripped.size), 0);
                make_response(&server, &response);
                strip_extension(&response, hash_size_of(&stripped));
                repair_hash(&response, hash_size_of(&stripped), &request);

                /* Nobody signs, and any peer will do: they end up as two hosts of the reference, with a key that he
                 * does not have. */
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size), strict ? -EKEYREJECTED : 0);
                if (strict)
                        continue;
                assert_int_equal(handshake_keys(client.h, &a, &ca), 0);
                assert_int_equal(handshake_keys(server.h, &b, &cb), 0);
                assert_int_equal(a.suite, SEAL_REFERENCE);
                assert_int_equal(b.suite, SEAL_REFERENCE);
                assert_memory_equal(a.send, b.receive, sizeof(a.send));
        }
}

static void test_strip_certificate(void **state) {
        const World *w = *state;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        _cleanup_(test_side_done) TestSide strict = {};
        Message request, response;

        ask(&client, w, MODE_MUTUAL, &request);
        assert_int_equal(answer(&server, w, MODE_MUTUAL, &request, &response), 0);
        strip_certificate(&response, hash_size_of(&request));
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EKEYREJECTED);

        strip_certificate(&request, 0);
        init_server(&strict, w, MODE_MUTUAL);
        assert_int_equal(test_side_check_request(&strict, request.bytes, request.size), -EKEYREJECTED);
}

/* The same request, elsewhere: for another name, over another way, at another time. */
static void test_replay(void **state) {
        static const struct {
                const char *name;
                const char *served;
                char seen;
                int64_t later_sec;
                int r;
        } cases[] = {
                { "as it was sent",   NAME,           'q', 0,   0 },
                { "to another name",  "mail.example", 'q', 0,   -EKEYREJECTED },
                { "to a longer name", NAME ".",       'q', 0,   -EKEYREJECTED },
                { "another way",      NAME,           'x', 0,   -EKEYREJECTED },
                { "no way known",     NAME,           0,   0,   -EKEYREJECTED },
                { "after 17 s",       NAME,           'q', 17,  0 },
                { "after 19 s",       NAME,           'q', 19,  -ETIME },
                { "3 s before",       NAME,           'q', -3,  -ETIME },
        };
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                Message request;

                ask(&client, w, mode, &request);
                for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                        _cleanup_(test_side_done) TestSide server = {};

                        print_message("%s: %s\n", mode_names[mode], cases[i].name);
                        init_server(&server, w, mode);
                        server.name = cases[i].served;
                        server.now = TEST_NOW_NSEC + (uint64_t) (cases[i].later_sec * 1000000000);
                        set_binding(server.seen, &server.seen_size, cases[i].seen);
                        if (cases[i].seen == 0)
                                server.seen_size = 0;
                        start(&server, 9);
                        assert_int_equal(test_side_check_request(&server, request.bytes, request.size), cases[i].r);
                }
        }
}

/* Whatever was said before is no answer now. */
static void test_old_response(void **state) {
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide first = {};
                _cleanup_(test_side_done) TestSide server = {};
                _cleanup_(test_side_done) TestSide second = {};
                Message request, again, response;

                ask(&first, w, mode, &request);
                assert_int_equal(answer(&server, w, mode, &request, &response), 0);
                init_client(&second, w, mode);
                start(&second, 3);
                make_request(&second, &again);
                assert_int_equal(test_side_check_response(&second, response.bytes, response.size), -EKEYREJECTED);
        }
}

/* One's own words. */
static void test_reflection(void **state) {
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                _cleanup_(test_side_done) TestSide ourselves = {};
                Message request, response;

                ask(&client, w, mode, &request);
                assert_int_equal(answer(&server, w, mode, &request, &response), 0);

                /* The request comes back as a request: it left with the addresses the other way round. */
                init_server(&ourselves, w, mode);
                set_binding(ourselves.seen, &ourselves.seen_size, 'z');
                start(&ourselves, 5);
                assert_int_equal(test_side_check_request(&ourselves, request.bytes, request.size), -EKEYREJECTED);

                /* As a response; and a response as a request. */
                assert_true(test_side_check_response(&client, request.bytes, request.size) < 0);
                start(&ourselves, 6);
                assert_true(test_side_check_request(&ourselves, response.bytes, response.size) < 0);
        }
}

/* A reply of the right shape, by who has no key of the right name. */
static void test_forged_reply(void **state) {
        const World *w = *state;
        const TestIdentity *shown[] = { &w->mallory, &w->client, NULL };

        for (size_t i = 0; i < ELEMENTSOF(shown); i++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide mallory = {};
                Message request, response;

                ask(&client, w, MODE_SERVER, &request);
                assert_int_equal(test_side_init(&mallory, true, NAME, shown[i], NULL, NULL), 0);
                set_binding(mallory.seen, &mallory.seen_size, 'q');
                set_binding(mallory.binding, &mallory.binding_size, 'r');
                start(&mallory, 8);
                assert_int_equal(test_side_check_request(&mallory, request.bytes, request.size), 0);
                make_response(&mallory, &response);
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EKEYREJECTED);
        }
}

/* Mallory answers one and asks the other. Only where neither proves anything that works, which is what
 * Authentication= is for. */
static void test_middle(void **state) {
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide mallory = {};
                Message request, response;
                bool unsigned_mode = mode == MODE_KEYS || mode == MODE_MAC_KEYS;

                ask(&client, w, mode, &request);
                assert_int_equal(test_side_init(&mallory, true, NAME, NULL, NULL, NULL), 0);
                set_binding(mallory.seen, &mallory.seen_size, 'q');
                set_binding(mallory.binding, &mallory.binding_size, 'r');
                start(&mallory, 8);
                assert_int_equal(test_side_check_request(&mallory, request.bytes, request.size), 0);
                make_response(&mallory, &response);
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size), unsigned_mode ? 0 : -EKEYREJECTED);
        }
}

/* The server's certificate and signature, over another exchange of keys. */
static void test_binding_of_response(void **state) {
        const World *w = *state;

        for (Mode mode = 0; mode < _MODE_MAX; mode++)
                for (int without = 0; without < 2; without++) {
                        _cleanup_(test_side_done) TestSide client = {};
                        _cleanup_(test_side_done) TestSide server = {};
                        Message request, response;

                        ask(&client, w, mode, &request);
                        set_binding(client.seen, &client.seen_size, 'x');
                        if (without)
                                client.seen_size = 0;
                        assert_int_equal(answer(&server, w, mode, &request, &response), 0);
                        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EKEYREJECTED);
                }
}

/* One suite less, one preference turned round: in the request it changes the transcript, in the response it was never
 * offered. */
static void test_suites(void **state) {
        const World *w = *state;
        Message request, altered;
        _cleanup_(test_side_done) TestSide client = {};
        OapExtension extension;
        OapHeader header;
        uint8_t data[OAP_EXTENSION_BYTES_MAX];
        ssize_t n;

        ask(&client, w, MODE_KEYS, &request);
        assert_int_equal(oap_header_parse(request.bytes, request.size, 0, &header), 0);
        assert_int_equal(oap_extension_parse(header.data, header.data_size, false, &extension), 0);
        assert_true(extension.n_suites >= 3);

        for (unsigned i = 1; i < extension.n_suites; i++) {
                OapExtension fewer = extension;

                fewer.suites[0] = extension.suites[i];
                fewer.n_suites = 1;
                n = oap_extension_pack(&fewer, false, data, sizeof(data));
                assert_true(n > 0);
                header.data = data;
                header.data_size = (size_t) n;
                altered = request;
                rewrite(&altered, &header);
                assert_false(accept_altered_request(w, MODE_KEYS, &altered, true));
        }
}

/* F and R speak of exchanges that nobody here has. */
static void test_raw_bits(void **state) {
        static const uint8_t bits[] = { 0x80, 0x40, 0xc0 };
        const World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(bits); i++)
                for (int empty = 0; empty < 2; empty++) {
                        _cleanup_(test_side_done) TestSide client = {};
                        _cleanup_(test_side_done) TestSide server = {};
                        _cleanup_(test_side_done) TestSide asked = {};
                        Message request, response;
                        OapHeader header;

                        ask(&client, w, MODE_KEYS, &request);
                        assert_int_equal(answer(&server, w, MODE_KEYS, &request, &response), 0);

                        assert_int_equal(oap_header_parse(request.bytes, request.size, 0, &header), 0);
                        header.key_exchange_size = empty ? 0 : header.key_exchange_size;
                        header.key_exchange_raw = bits[i] & 0x80;
                        header.client_encapsulates = bits[i] & 0x40;
                        rewrite(&request, &header);
                        init_server(&asked, w, MODE_KEYS);
                        assert_int_equal(test_side_check_request(&asked, request.bytes, request.size), -EOPNOTSUPP);

                        response.bytes[32] |= bits[i];
                        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EPROTO);
                }
}

/* A public key in the answer to who sent none. */
static void test_key_not_asked_for(void **state) {
        static const char *const settings[] = { "Encryption=no", "Cipher=aes-192-gcm", NULL };
        const World *w = *state;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        uint8_t data[OAP_EXTENSION_BYTES_MAX];
        OapExtension extension;
        Message request, response;
        OapHeader header;
        size_t size;
        ssize_t n;

        assert_int_equal(test_side_init(&client, false, NAME, NULL, NULL, settings), 0);
        set_binding(client.binding, &client.binding_size, 'q');
        set_binding(client.seen, &client.seen_size, 'r');
        start(&client, 1);
        make_request(&client, &request);
        assert_int_equal(answer(&server, w, MODE_KEYS, &request, &response), 0);

        size = hash_size_of(&request);
        assert_int_equal(oap_header_parse(response.bytes, response.size, size, &header), 0);
        assert_int_equal(oap_extension_parse(header.data, header.data_size, true, &extension), 0);
        extension.share = (const uint8_t *) "share";
        extension.share_size = 5;
        n = oap_extension_pack(&extension, true, data, sizeof(data));
        assert_true(n > 0);
        header.data = data;
        header.data_size = (size_t) n;
        rewrite(&response, &header);
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EPROTO);
}

/* After an error nothing works any more, and no key is left. */
static void test_closed(void **state) {
        const World *w = *state;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        Message request, response;
        ControlKeys control;
        SealKeys keys;
        AuthPeer peer;

        ask(&client, w, MODE_SERVER, &request);
        assert_int_equal(answer(&server, w, MODE_SERVER, &request, &response), 0);
        response.bytes[response.size - 1] ^= 1;
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EKEYREJECTED);
        response.bytes[response.size - 1] ^= 1;
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EPROTO);
        assert_int_equal(handshake_keys(client.h, &keys, &control), -EPROTO);
        handshake_peer(client.h, &peer);
        assert_false(peer.verified);
        assert_int_equal(test_side_request(&client, request.bytes, sizeof(request.bytes)), -EPROTO);

        /* The wrong role, and the wrong order. */
        start(&client, 1);
        assert_int_equal(test_side_check_request(&client, request.bytes, request.size), -EPROTO);
        start(&client, 1);
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EPROTO);
        start(&server, 1);
        assert_int_equal(test_side_response(&server, response.bytes, sizeof(response.bytes)), -EPROTO);
        start(&client, 1);
        assert_int_equal(handshake_finish(client.h, NULL, 0, request.bytes, sizeof(request.bytes)), -EPROTO);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_untouched),
                cmocka_unit_test(test_flips_in_request),
                cmocka_unit_test(test_flips_in_response),
                cmocka_unit_test(test_cut_off),
                cmocka_unit_test(test_strip_extension),
                cmocka_unit_test(test_strip_both),
                cmocka_unit_test(test_strip_certificate),
                cmocka_unit_test(test_replay),
                cmocka_unit_test(test_old_response),
                cmocka_unit_test(test_reflection),
                cmocka_unit_test(test_forged_reply),
                cmocka_unit_test(test_middle),
                cmocka_unit_test(test_binding_of_response),
                cmocka_unit_test(test_suites),
                cmocka_unit_test(test_raw_bits),
                cmocka_unit_test(test_key_not_asked_for),
                cmocka_unit_test(test_closed),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
