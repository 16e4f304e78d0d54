/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/attack/hands.h"

bool hands_init(Hands *h) {
        const TestIdentity *anchors[] = { &h->authority };

        *h = (Hands) {};
        return test_identity_init(&h->authority, TEST_KEY_P256, "Authority", NULL, false) >= 0 &&
               test_identity_init(&h->server, TEST_KEY_P256, "o7s:name:" HANDS_NAME, &h->authority, false) >= 0 &&
               test_identity_init(&h->client, TEST_KEY_ED25519, "o7s:name:client", &h->authority, false) >= 0 &&
               test_identity_init(&h->mallory, TEST_KEY_P256, "o7s:name:mallory", &h->authority, false) >= 0 &&
               test_trust_new(anchors, ELEMENTSOF(anchors), &h->trust) >= 0;
}

void hands_done(Hands *h) {
        h->trust = trust_free(h->trust);
        test_identity_done(&h->mallory);
        test_identity_done(&h->client);
        test_identity_done(&h->server);
        test_identity_done(&h->authority);
}

bool hands_side(const Hands *h, TestSide *side, bool server, HandsMode mode, uint64_t random) {
        static const char *const mutual[] = { "Authentication=mutual", NULL };
        static const char *const mac[] = { "Encryption=no", NULL };
        static const char *const required[] = { "Encryption=required", NULL };
        const char *const *settings = mode == HANDS_MUTUAL           ? mutual
                                      : mode == HANDS_MAC && !server ? mac
                                      : mode == HANDS_REQUIRED       ? required
                                                                     : NULL;
        const TestIdentity *identity =
                server ? (mode == HANDS_KEYS ? NULL : &h->server) : (mode == HANDS_MUTUAL ? &h->client : NULL);
        bool trusts = server ? mode == HANDS_MUTUAL : mode != HANDS_KEYS;
        uint8_t bytes[HANDSHAKE_RANDOM_BYTES];
        Attack source = { .seed = random };

        if (test_side_init(side, server, HANDS_NAME, identity, trusts ? h->trust : NULL, settings) < 0)
                return false;

        side->binding_size = side->seen_size = 24;
        memset(side->binding, server ? 'r' : 'q', side->binding_size);
        memset(side->seen, server ? 'q' : 'r', side->seen_size);
        attack_random_bytes(&source, bytes, sizeof(bytes));
        return test_side_start(side, bytes, NULL) >= 0;
}

bool hands_ask(const Hands *h, TestSide *client, HandsMode mode, uint64_t random, HandsMessage *ret) {
        ssize_t n;

        if (!hands_side(h, client, false, mode, random))
                return false;

        n = test_side_request(client, ret->bytes, sizeof(ret->bytes));
        ret->size = n > 0 ? (size_t) n : 0;
        return n > 0;
}

int hands_answer(const Hands *h, TestSide *server, HandsMode mode, uint64_t random, const HandsMessage *request,
                 HandsMessage *ret) {
        ssize_t n;
        int r;

        if (!hands_side(h, server, true, mode, random))
                return -EBADF;

        r = test_side_check_request(server, request->bytes, request->size);
        if (r < 0)
                return r;

        n = test_side_response(server, ret->bytes, sizeof(ret->bytes));
        if (n < 0)
                return (int) n;

        ret->size = (size_t) n;
        return 0;
}

bool hands_strip(HandsMessage *m, size_t hash_size, unsigned what) {
        HandsMessage fresh;
        OapHeader header;
        ssize_t n;

        if (what == 0 || oap_header_parse(m->bytes, m->size, hash_size, &header) < 0)
                return false;

        if (what & HANDS_STRIP_CERTIFICATE)
                header.certificate_size = header.signature_size = 0;
        if (what & HANDS_STRIP_KEY_EXCHANGE)
                header.key_exchange_size = 0;
        if (what & HANDS_STRIP_EXTENSION)
                header.data_size = 0;
        if (what & HANDS_STRIP_CIPHER)
                header.cipher = header.kdf = 0;

        n = oap_header_pack(&header, fresh.bytes, sizeof(fresh.bytes));
        if (n <= 0 || ((size_t) n == m->size && memcmp(fresh.bytes, m->bytes, m->size) == 0))
                return false;

        memcpy(m->bytes, fresh.bytes, (size_t) n);
        m->size = (size_t) n;
        return true;
}

size_t hands_hash_size(const HandsMessage *request) {
        OapHeader header;

        if (oap_header_parse(request->bytes, request->size, 0, &header) < 0)
                return 0;

        return hash_size((HashAlgorithm) oap_digest_to_hash(header.digest));
}

void hands_repair(HandsMessage *response, size_t response_hash_size, const HandsMessage *request) {
        size_t size = hands_hash_size(request);
        uint8_t hash[HASH_BYTES_MAX];
        OapHeader header, asked;

        if (size == 0 || size != response_hash_size ||
            oap_header_parse(response->bytes, response->size, size, &header) < 0 ||
            oap_header_parse(request->bytes, request->size, 0, &asked) < 0 ||
            hash_compute((HashAlgorithm) oap_digest_to_hash(asked.digest), request->bytes, request->size, hash) !=
                    (ssize_t) size)
                return;

        memcpy(response->bytes + (header.request_hash - response->bytes), hash, size);
        memcpy(response->bytes, request->bytes, OAP_ID_BYTES);
}
