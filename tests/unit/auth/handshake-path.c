/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/auth/handshake-path.h"

const char *path_mode_name(PathMode mode) {
        static const char *const names[_PATH_MODE_MAX] = { "keys", "server", "mutual", "MAC", "MAC, keys" };

        return names[mode];
}

int path_set_up(void **state) {
        PathWorld *w = calloc(1, sizeof(*w));
        const TestIdentity *anchors[] = { &w->authority };

        assert_non_null(w);
        assert_int_equal(test_identity_init(&w->authority, TEST_KEY_P256, "Authority", NULL, false), 0);
        assert_int_equal(test_identity_init(&w->server, TEST_KEY_ED25519, "o7s:name:" PATH_NAME, &w->authority, false),
                         0);
        assert_int_equal(test_identity_init(&w->client, TEST_KEY_ED25519, "o7s:name:client", &w->authority, false), 0);
        assert_int_equal(test_identity_init(&w->mallory, TEST_KEY_P256, "o7s:name:mallory", &w->authority, false), 0);
        assert_int_equal(test_trust_new(anchors, 1, &w->trust), 0);
        *state = w;
        return 0;
}

int path_tear_down(void **state) {
        PathWorld *w = *state;

        trust_free(w->trust);
        test_identity_done(&w->authority);
        test_identity_done(&w->server);
        test_identity_done(&w->client);
        test_identity_done(&w->mallory);
        free(w);
        return 0;
}

void path_start(TestSide *side, uint8_t seed) {
        uint8_t random[HANDSHAKE_RANDOM_BYTES];

        for (size_t i = 0; i < sizeof(random); i++)
                random[i] = (uint8_t) (seed * 31 + i * 7);
        assert_int_equal(test_side_start(side, random, NULL), 0);
}

void path_set_binding(uint8_t *to, size_t *size, char with) {
        *size = 24;
        memset(to, with, *size);
}

void path_init_client(TestSide *client, const PathWorld *w, PathMode mode) {
        static const char *const mutual[] = { "Authentication=mutual", NULL }, *const mac[] = { "Encryption=no", NULL };
        bool anonymous = mode == PATH_MODE_KEYS || mode == PATH_MODE_MAC_KEYS;

        assert_int_equal(test_side_init(client, false, PATH_NAME, mode == PATH_MODE_MUTUAL ? &w->client : NULL,
                                        anonymous ? NULL : w->trust,
                                        mode == PATH_MODE_MUTUAL ? mutual
                                        : mode >= PATH_MODE_MAC  ? mac
                                                                 : NULL),
                         0);
        path_set_binding(client->binding, &client->binding_size, 'q');
        path_set_binding(client->seen, &client->seen_size, 'r');
        path_start(client, 1);
}

void path_init_server(TestSide *server, const PathWorld *w, PathMode mode) {
        static const char *const mutual[] = { "Authentication=mutual", NULL };

        bool anonymous = mode == PATH_MODE_KEYS || mode == PATH_MODE_MAC_KEYS;

        assert_int_equal(test_side_init(server, true, PATH_NAME, anonymous ? NULL : &w->server,
                                        mode == PATH_MODE_MUTUAL ? w->trust : NULL,
                                        mode == PATH_MODE_MUTUAL ? mutual : NULL),
                         0);
        path_set_binding(server->seen, &server->seen_size, 'q');
        path_set_binding(server->binding, &server->binding_size, 'r');
        path_start(server, 2);
}

void path_make_request(TestSide *client, PathMessage *ret) {
        ssize_t n = test_side_request(client, ret->bytes, sizeof(ret->bytes));

        assert_true(n > 0);
        ret->size = (size_t) n;
}

void path_make_response(TestSide *server, PathMessage *ret) {
        ssize_t n = test_side_response(server, ret->bytes, sizeof(ret->bytes));

        assert_true(n > 0);
        ret->size = (size_t) n;
}

void path_ask(TestSide *client, const PathWorld *w, PathMode mode, PathMessage *ret) {
        path_init_client(client, w, mode);
        path_make_request(client, ret);
}

int path_answer(TestSide *server, const PathWorld *w, PathMode mode, const PathMessage *request, PathMessage *ret) {
        int r;

        path_init_server(server, w, mode);
        r = test_side_check_request(server, request->bytes, request->size);
        if (r >= 0)
                path_make_response(server, ret);

        return r;
}

size_t path_hash_size_of(const PathMessage *request) {
        OapHeader header;

        assert_int_equal(oap_header_parse(request->bytes, request->size, 0, &header), 0);
        return hash_size((HashAlgorithm) oap_digest_to_hash(header.digest));
}

void path_repair_hash(PathMessage *response, size_t response_hash_size, const PathMessage *request) {
        uint8_t hash[HASH_BYTES_MAX];
        OapHeader header, asked;
        size_t size = path_hash_size_of(request);

        if (size != response_hash_size || oap_header_parse(response->bytes, response->size, size, &header) < 0)
                return;

        assert_int_equal(oap_header_parse(request->bytes, request->size, 0, &asked), 0);
        assert_int_equal(
                hash_compute((HashAlgorithm) oap_digest_to_hash(asked.digest), request->bytes, request->size, hash),
                size);
        memcpy(response->bytes + (header.request_hash - response->bytes), hash, size);
        memcpy(response->bytes, request->bytes, OAP_ID_BYTES);
}

void path_rewrite(PathMessage *m, const OapHeader *header) {
        PathMessage fresh;
        ssize_t n = oap_header_pack(header, fresh.bytes, sizeof(fresh.bytes));

        assert_true(n > 0);
        memcpy(m->bytes, fresh.bytes, (size_t) n);
        m->size = (size_t) n;
}

void path_strip_extension(PathMessage *m, size_t response_hash_size) {
        OapHeader header;

        assert_int_equal(oap_header_parse(m->bytes, m->size, response_hash_size, &header), 0);
        header.data_size = 0;
        path_rewrite(m, &header);
}

void path_strip_certificate(PathMessage *m, size_t response_hash_size) {
        OapHeader header;

        assert_int_equal(oap_header_parse(m->bytes, m->size, response_hash_size, &header), 0);
        header.certificate_size = header.signature_size = 0;
        path_rewrite(m, &header);
}

bool path_keys_agree(const TestSide *a, const TestSide *b) {
        SealKeys x, y;
        ControlKeys cx, cy;

        assert_int_equal(handshake_keys(a->h, &x, &cx), 0);
        assert_int_equal(handshake_keys(b->h, &y, &cy), 0);
        return x.suite == y.suite && x.cipher == y.cipher && x.mac_only == y.mac_only &&
               memcmp(x.send, y.receive, sizeof(x.send)) == 0 && memcmp(x.receive, y.send, sizeof(x.send)) == 0 &&
               memcmp(x.label, y.label, sizeof(x.label)) == 0 && memcmp(cx.send, cy.receive, sizeof(cx.send)) == 0 &&
               memcmp(cx.receive, cy.send, sizeof(cx.send)) == 0;
}

bool path_accept_altered_request(const PathWorld *w, PathMode mode, const PathMessage *altered, bool repairs) {
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        PathMessage request, response;

        path_ask(&client, w, mode, &request);
        if (path_answer(&server, w, mode, altered, &response) < 0)
                return false;
        if (repairs)
                path_repair_hash(&response, path_hash_size_of(altered), &request);

        return test_side_check_response(&client, response.bytes, response.size) >= 0;
}

int path_accept_response(const PathWorld *w, PathMode mode, const PathMessage *response) {
        _cleanup_(test_side_done) TestSide client = {};
        PathMessage request;

        path_ask(&client, w, mode, &request);
        return test_side_check_response(&client, response->bytes, response->size);
}
