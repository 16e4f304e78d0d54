/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A handshake with a hostile peer, in both roles. The first byte says which:
 *
 *   bit 0     we asked, and this is the response; else it is a request
 *   bit 1     what follows are changes to a genuine message: offset u16, value u8, and so on; else it is the message
 *   bit 2     Encryption=no           bit 3   Peer=o7s           bit 4   Encryption=required
 *   bit 5     of a message: identifier, digest of the request and time stamp are put right, so that what comes after
 *             them is reached
 *   bit 6     changes to what a peer without the extension says
 *
 * Whoever changes a genuine message of an o7s host gets nowhere: if a response that differs is taken, the fuzzer stops.
 */

#include "tests/support/handshake-side.h"

#define MESSAGE_BYTES 32768U
#define NAME "name"

enum {
        ASKED = 1U << 0,
        CHANGES = 1U << 1,
        NO_ENCRYPTION = 1U << 2,
        ONLY_O7S = 1U << 3,
        REQUIRED = 1U << 4,
        REPAIRED = 1U << 5,
        LEGACY = 1U << 6,
};

typedef struct Message {
        size_t size;
        uint8_t bytes[MESSAGE_BYTES];
} Message;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

static void start(TestSide *side, bool server, uint8_t flags) {
        const char *settings[4] = {};
        uint8_t random[HANDSHAKE_RANDOM_BYTES];
        size_t n = 0;

        if (flags & NO_ENCRYPTION)
                settings[n++] = "Encryption=no";
        else if (flags & REQUIRED)
                settings[n++] = "Encryption=required";
        if (flags & ONLY_O7S)
                settings[n++] = "Peer=o7s";

        memset(random, server ? 0x53 : 0x43, sizeof(random));
        require(test_side_init(side, server, NAME, NULL, NULL, settings) == 0);
        require(test_side_start(side, random, NULL) == 0);
}

static void take_extension_out(Message *m) {
        OapHeader header;
        Message copy = *m;

        require(oap_header_parse(copy.bytes, copy.size, 0, &header) == 0);
        header.data_size = 0;
        m->size = (size_t) oap_header_pack(&header, m->bytes, sizeof(m->bytes));
}

static void change(Message *m, const uint8_t *changes, size_t size) {
        for (; size >= 3; changes += 3, size -= 3) {
                size_t at = ((size_t) changes[0] << 8 | changes[1]) % m->size;

                m->bytes[at] ^= changes[2];
        }
}

/* Puts right what a stranger cannot know. */
static void repair(Message *m, const Message *request) {
        OapHeader asked, header;
        uint8_t hash[HASH_BYTES_MAX];
        Writer w = writer_to(m->bytes + OAP_ID_BYTES, 8);
        ssize_t n;

        if (m->size < OAP_HEADER_BYTES)
                return;
        if (!request) {
                writer_be64(&w, TEST_NOW_NSEC);
                return;
        }

        require(oap_header_parse(request->bytes, request->size, 0, &asked) == 0);
        n = hash_compute((HashAlgorithm) oap_digest_to_hash(asked.digest), request->bytes, request->size, hash);
        require(n > 0);
        memcpy(m->bytes, asked.id, OAP_ID_BYTES);
        if (oap_header_parse(m->bytes, m->size, (size_t) n, &header) == 0)
                memcpy(m->bytes + (header.request_hash - m->bytes), hash, (size_t) n);
}

static void check_accepted(const TestSide *side) {
        ControlKeys control;
        SealKeys keys;
        AuthPeer peer;

        handshake_peer(side->h, &peer);
        require(!peer.verified);                /* there is nobody whom we trust */
        if (handshake_keys(side->h, &keys, &control) < 0)
                return;

        require(control.present == (keys.suite == SEAL_O7S));
        require((keys.suite == SEAL_NONE) == (strcmp(peer.protection, "none") == 0));
        require(side->h && (peer.o7s || keys.suite != SEAL_O7S));
}

/* They asked us. */
static void run_server(uint8_t flags, const uint8_t *data, size_t size) {
        static Message m, response;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        ssize_t n;
        int r;

        start(&server, true, flags);
        if (flags & CHANGES) {
                start(&client, false, flags & NO_ENCRYPTION);
                m.size = (size_t) test_side_request(&client, m.bytes, sizeof(m.bytes));
                if (flags & LEGACY)
                        take_extension_out(&m);
                change(&m, data, size);
        } else {
                memcpy(m.bytes, data, size);
                m.size = size;
        }
        if (flags & REPAIRED)
                repair(&m, NULL);

        r = test_side_check_request(&server, m.bytes, m.size);
        if (r < 0)
                return;

        n = test_side_response(&server, response.bytes, sizeof(response.bytes));
        require(n > 0);
        check_accepted(&server);
}

/* We asked them. */
static void run_client(uint8_t flags, const uint8_t *data, size_t size) {
        static Message request, m, genuine;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        ssize_t n;
        int r;

        start(&client, false, flags);
        n = test_side_request(&client, request.bytes, sizeof(request.bytes));
        require(n > 0);
        request.size = (size_t) n;

        if (flags & CHANGES) {
                start(&server, true, 0);
                require(test_side_check_request(&server, request.bytes, request.size) == 0);
                m.size = (size_t) test_side_response(&server, m.bytes, sizeof(m.bytes));
                genuine = m;
                change(&m, data, size);
        } else {
                memcpy(m.bytes, data, size);
                m.size = size;
        }
        if (flags & REPAIRED)
                repair(&m, &request);

        r = test_side_check_response(&client, m.bytes, m.size);
        if (r < 0)
                return;

        check_accepted(&client);
        if (flags & CHANGES)
                require(m.size == genuine.size && memcmp(m.bytes, genuine.bytes, m.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size < 1 || size > MESSAGE_BYTES)
                return 0;

        if (data[0] & ASKED)
                run_client(data[0], data + 1, size - 1);
        else
                run_server(data[0], data + 1, size - 1);

        return 0;
}
