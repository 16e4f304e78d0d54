/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The authentication service's core:
 *
 *   handshake.c             the object, its one way through, our message's last step, the keys' way out
 *   handshake-request.c     the request: built by who asks, checked by who is asked
 *   handshake-response.c    the response, the other way round
 *   handshake-extension.c   what o7s hosts say besides, the transcript, the key schedule
 *   handshake-peer.c        who the peer is: certificate, signature, name
 *   negotiation.c           what we ask for and take           key-exchange*.c, spki.c     shared secrets
 *   key-derivation.c        keys out of them                   trust*.c, credentials*.c    whom we trust, what we show
 *   service*.c              the program around it
 *
 * Nothing of the peer is believed before its signature is, where it has one; nothing is kept of a message that fails.
 */

#include <stdarg.h>
#include <stdio.h>

#include "services/auth/handshake-internal.h"

static const uint8_t state_next[_HANDSHAKE_STATE_MAX] = {
        [HANDSHAKE_FRESH]    = 1U << HANDSHAKE_PREPARED | 1U << HANDSHAKE_CHECKED | 1U << HANDSHAKE_FAILED,
        [HANDSHAKE_CHECKED]  = 1U << HANDSHAKE_PREPARED | 1U << HANDSHAKE_FAILED,
        [HANDSHAKE_PREPARED] = 1U << HANDSHAKE_WAITING | 1U << HANDSHAKE_COMPLETE | 1U << HANDSHAKE_FAILED,
        [HANDSHAKE_WAITING]  = 1U << HANDSHAKE_COMPLETE | 1U << HANDSHAKE_FAILED,
        [HANDSHAKE_COMPLETE] = 1U << HANDSHAKE_FAILED,
        [HANDSHAKE_FAILED]   = 1U << HANDSHAKE_FAILED,
};

static void set_state(Handshake *h, HandshakeState state) {
        assert(state_next[h->state] & 1U << state);

        h->state = state;
}

int handshake_refuse(char text[AUTH_TEXT_BYTES_MAX], int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, AUTH_TEXT_BYTES_MAX, format, arguments);
        va_end(arguments);
        return error;
}

static void wipe(Handshake *h) {
        h->exchange = key_exchange_free(h->exchange);
        explicit_bzero(h->random, sizeof(h->random));
        explicit_bzero(h->shared, sizeof(h->shared));
        explicit_bzero(&h->secrets, sizeof(h->secrets));
}

int handshake_fail(Handshake *h, int error) {
        wipe(h);
        set_state(h, HANDSHAKE_FAILED);
        return error;
}

bool handshake_enter(Handshake *h, HandshakeState from, HandshakeState to) {
        if (h->state != from)
                return false;

        set_state(h, to);
        return true;
}

/* -- lifecycle -- */

/* Which digest goes with our own key. Parsing the certificate again was a tenth of a handshake. */
static int choose_digest(Handshake *h, const Certificate *shown, char text[AUTH_TEXT_BYTES_MAX]) {
        _cleanup_(certificate_freep) Certificate *certificate = NULL;
        int r;

        h->digest = h->terms.digest->id;
        if (!h->certificate)
                return 0;

        r = shown ? 0 : certificate_parse(h->certificate, h->certificate_size, &certificate);
        if (r < 0)
                return r == -ENOMEM
                               ? r
                               : handshake_refuse(text, -ENOKEY, "Our own certificate for this name cannot be read");

        r = certificate_digest(shown ? shown : certificate, h->digest);
        if (r < 0)
                return handshake_refuse(text, -ENOKEY, "The key of our certificate for this name cannot sign with %s",
                                        h->terms.digest->name);

        h->digest = (uint16_t) r;
        return 0;
}

static int copy_certificate(Handshake *h, const Credentials *credentials) {
        if (!h->terms.show)
                return 0;
        if (credentials->certificate_size == 0 || credentials->certificate_size > CERTIFICATE_BYTES_MAX)
                return -ENOKEY;

        h->certificate = malloc(credentials->certificate_size);
        if (!h->certificate)
                return -ENOMEM;

        memcpy(h->certificate, credentials->certificate, credentials->certificate_size);
        h->certificate_size = credentials->certificate_size;
        return 0;
}

static int copy_name(Handshake *h, const char *name) {
        size_t size = strlen(name);

        if (size == 0 || size >= sizeof(h->name))
                return -EINVAL;

        memcpy(h->name, name, size + 1);
        return 0;
}

int handshake_new(const HandshakeParameters *parameters, const uint8_t random[HANDSHAKE_RANDOM_BYTES],
                  Handshake **ret) {
        _cleanup_(handshake_freep) Handshake *h = NULL;
        char unread[AUTH_TEXT_BYTES_MAX], *text;
        int r;

        assert(parameters);
        assert(parameters->name);
        assert(parameters->policy);
        assert(parameters->credentials);
        assert(random);
        assert(ret);

        text = parameters->text ? parameters->text : unread;
        text[0] = '\0';
        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;

        h->server = parameters->server;
        h->policy = parameters->policy;
        h->capabilities = parameters->capabilities;
        h->key_exchange = _OAP_KEY_EXCHANGE_INVALID;
        h->have_replaced = parameters->replaced;
        memcpy(h->random, random, sizeof(h->random));
        if (parameters->token)
                memcpy(h->token, parameters->token, sizeof(h->token));
        if (parameters->replaced)
                memcpy(h->replaced, parameters->replaced, sizeof(h->replaced));
        if (parameters->epoch)
                memcpy(h->epoch, parameters->epoch, sizeof(h->epoch));
        if (parameters->credentials->trust)
                h->trust = trust_ref(parameters->credentials->trust);

        r = copy_name(h, parameters->name);
        if (r < 0)
                return r;
        r = negotiation_init(h->policy, parameters->credentials, h->server, &h->terms, text);
        if (r < 0)
                return r;
        r = copy_certificate(h, parameters->credentials);
        if (r < 0)
                return r;
        r = choose_digest(h, parameters->credentials->shown, text);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(h);
        return 0;
}

Handshake *handshake_free(Handshake *h) {
        if (!h)
                return NULL;

        wipe(h);
        trust_free(h->trust);
        free(h->certificate);
        free(h->request);
        return mfree(h);
}

/* -- key exchange -- */

int handshake_make_key(Handshake *h, OapKeyExchange kex) {
        int r;

        r = key_exchange_new(kex, RANDOM_OF_KEY_EXCHANGE(h), &h->exchange);
        if (r < 0)
                return r;

        explicit_bzero(RANDOM_OF_KEY_EXCHANGE(h), KEY_EXCHANGE_RANDOM_BYTES);
        h->key_exchange = kex;
        return 0;
}

int handshake_share_secret(Handshake *h, const uint8_t *spki, size_t size, char text[AUTH_TEXT_BYTES_MAX]) {
        ssize_t n;

        n = key_exchange_derive(h->exchange, spki, size, h->shared);
        if (n < 0)
                return handshake_refuse(text, -EPROTO, "The peer's public key for the key exchange %s is none",
                                        oap_key_exchange_to_string(h->key_exchange));

        h->shared_size = (size_t) n;
        return 0;
}

/* -- our message -- */

static int keep_request(Handshake *h, const void *message, size_t size) {
        int algorithm = oap_digest_to_hash(h->digest);
        ssize_t n;

        if (algorithm < 0)
                return algorithm;

        n = hash_compute((HashAlgorithm) algorithm, message, size, h->request_hash);
        if (n < 0)
                return (int) n;
        h->request_hash_size = (size_t) n;

        h->request = malloc(size);
        if (!h->request)
                return -ENOMEM;

        memcpy(h->request, message, size);
        h->request_size = size;
        return 0;
}

ssize_t handshake_finish(Handshake *h, const void *signature, size_t signature_size, void *buffer, size_t size) {
        OapHeader header;
        ssize_t n;
        int r;

        assert(h);
        assert(signature || signature_size == 0);
        assert(buffer);

        if (h->state != HANDSHAKE_PREPARED || (h->certificate_size > 0) != (signature_size > 0))
                return handshake_fail(h, -EPROTO);

        header = h->header;
        header.signature = signature;
        header.signature_size = signature_size;
        n = oap_header_pack(&header, buffer, size);
        if (n < 0)
                return handshake_fail(h, n == -ENOBUFS ? -ENOBUFS : -EPROTO);

        if (h->server) {
                set_state(h, HANDSHAKE_COMPLETE);
                return n;
        }

        r = keep_request(h, buffer, (size_t) n);
        if (r < 0)
                return handshake_fail(h, r);

        set_state(h, HANDSHAKE_WAITING);
        return n;
}

/* -- results -- */

void handshake_peer(const Handshake *h, AuthPeer *ret) {
        assert(h);
        assert(ret);

        *ret = h->peer;
}

const OapExtension *handshake_extension(const Handshake *h) {
        return &h->peer_extension;
}

const OapHeader *handshake_header(const Handshake *h) {
        return &h->peer_header;
}

int handshake_keys(const Handshake *h, SealKeys *ret_keys, ControlKeys *ret_control) {
        assert(h);
        assert(ret_keys);
        assert(ret_control);

        if (h->state != HANDSHAKE_COMPLETE)
                return -EPROTO;

        *ret_keys = h->secrets.seal;
        *ret_control = h->secrets.control;
        return 0;
}
