/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The response, from both sides. It carries a digest of the whole request, so that whoever altered that also has to
 * alter this; with a signature he cannot. Between o7s hosts it also proves that the keys came out the same at both
 * ends.
 */

#include <gnutls/gnutls.h>

#include "services/auth/handshake-internal.h"

/* -- who is asked -- */

static void fill_response_extension(Handshake *h, uint32_t grants, const uint8_t *token, const uint8_t *reset,
                                    bool have_binding) {
        OapExtension *e = &h->extension;

        e->capabilities = grants;
        e->have_binding = have_binding;
        memcpy(e->binding, h->response_binding, sizeof(e->binding));
        e->have_epoch = true;
        memcpy(e->epoch, h->epoch, sizeof(e->epoch));
        e->have_token = token;
        if (token)
                memcpy(e->token, token, sizeof(e->token));
        e->have_reset = reset;
        if (reset)
                memcpy(e->reset, reset, sizeof(e->reset));
        if (h->suite != 0) {
                e->n_suites = 1;
                e->suites[0] = h->suite;
                e->have_confirmation = true;    /* of zeroes, until there are keys */
        }
}

/* Our key goes where the peer's was. */
static void answer_key_exchange(Handshake *h) {
        const uint8_t *spki;
        size_t size;

        if (!h->exchange)
                return;

        spki = key_exchange_spki(h->exchange, &size);
        h->header.kdf = h->derivation->id;
        if (h->cipher) {
                h->header.cipher = h->cipher->id;
                h->header.key_exchange = spki;
                h->header.key_exchange_size = size;
        } else {
                h->extension.share = spki;
                h->extension.share_size = size;
        }
}

/* The response without its signature. */
static int hash_own_response(Handshake *h, uint8_t ret[OAP_DIGEST_BYTES]) {
        size_t size = OAP_HEADER_BYTES + h->header.certificate_size + h->header.key_exchange_size +
                      h->header.data_size + h->header.request_hash_size;
        _cleanup_free_ uint8_t *bytes = NULL;
        ssize_t n;

        bytes = malloc(size);
        if (!bytes)
                return -ENOMEM;

        n = oap_header_pack(&h->header, bytes, size);
        if (n < 0)
                return (int) n;

        return handshake_transcript(h, bytes, (size_t) n, ret);
}

static int confirm(Handshake *h) {
        uint8_t transcript[OAP_DIGEST_BYTES];
        int r;

        r = hash_own_response(h, transcript);
        if (r < 0)
                return r;
        r = handshake_derive_suite(h, transcript);
        if (r < 0)
                return r;
        r = derive_confirmation(&h->secrets, transcript, sizeof(transcript), h->extension.confirmation);
        if (r < 0)
                return r;

        return handshake_pack_extension(h);
}

/* The peer's key is in the request, which its owner has kept. */
static int derive_of_request(Handshake *h) {
        OapHeader header;
        int r;

        r = oap_header_parse(h->request, h->request_size, 0, &header);
        if (r < 0)
                return r;

        return handshake_derive_reference(h, header.key_exchange, header.key_exchange_size);
}

static int build_response(Handshake *h, uint64_t now, uint32_t grants, const uint8_t *token, const uint8_t *reset,
                          const void *binding, size_t binding_size) {
        int r;

        memcpy(h->header.id, h->peer_header.id, sizeof(h->header.id));
        h->header.timestamp = now;
        h->header.digest = h->digest;
        h->header.certificate = h->certificate;
        h->header.certificate_size = h->certificate_size;
        h->header.request_hash = h->request_hash;
        h->header.request_hash_size = h->request_hash_size;

        r = handshake_hash_binding(binding, binding_size, h->response_binding);
        if (r < 0)
                return r;

        fill_response_extension(h, grants, token, reset, binding_size > 0);
        answer_key_exchange(h);
        r = handshake_pack_extension(h);
        if (r < 0)
                return r;

        if (h->suite != 0)
                return confirm(h);

        return h->exchange ? derive_of_request(h) : 0;
}

int handshake_build_response(Handshake *h, uint64_t now_realtime_nsec, uint32_t grants, const uint8_t *token,
                             const uint8_t *reset, const void *binding, size_t binding_size, OapHeader *ret,
                             bool *ret_signs) {
        int r;

        assert(h);
        assert(binding || binding_size == 0);
        assert(ret);
        assert(ret_signs);

        if (!h->server || !handshake_enter(h, HANDSHAKE_CHECKED, HANDSHAKE_PREPARED))
                return handshake_fail(h, -EPROTO);

        r = build_response(h, now_realtime_nsec, grants, token, reset, binding, binding_size);
        if (r < 0)
                return handshake_fail(h, r);

        *ret = h->header;
        *ret_signs = h->certificate_size > 0;
        return 0;
}

/* -- who asks -- */

static int read_header(Handshake *h, const uint8_t *oap, size_t size, OapHeader *ret, char text[AUTH_TEXT_BYTES_MAX]) {
        OapHeader header;
        int r;

        r = oap_header_parse(oap, size, h->request_hash_size, &header);
        if (r == -EPROTO)
                return handshake_refuse(text, r, "The response names an algorithm that does not exist");
        if (r < 0)
                return handshake_refuse(text, r, "The response is malformed");
        if (header.key_exchange_raw || header.client_encapsulates)
                return handshake_refuse(text, -EPROTO, "The response has another key exchange than was asked for");
        if (gnutls_memcmp(header.id, h->header.id, sizeof(header.id)) != 0 ||
            gnutls_memcmp(header.request_hash, h->request_hash, h->request_hash_size) != 0)
                return handshake_refuse(
                        text, -EBADE,
                        "The response is not to our request: somebody altered one of them, or it is another's");

        *ret = header;
        return 0;
}

/* An answer without keys. */
static int accept_plain(Handshake *h, const OapHeader *header, const OapExtension *extension,
                        char text[AUTH_TEXT_BYTES_MAX]) {
        if (h->terms.encryption == ENCRYPTION_REQUIRED)
                return handshake_refuse(text, -EOPNOTSUPP, "The peer does not encrypt, and Encryption=required here");
        if (header->cipher != 0 || extension->n_suites > 0 || extension->have_confirmation)
                return handshake_refuse(text, -EPROTO, "The response has a cipher and no key");

        return 0;
}

/* What ranks below what we asked for is somebody else's choice. */
static int check_reference_terms(Handshake *h, const OapHeader *header, const OapExtension *extension,
                                 char text[AUTH_TEXT_BYTES_MAX]) {
        if (extension->n_suites > 0 || extension->have_confirmation)
                return handshake_refuse(text, -EPROTO,
                                        "The peer wants to protect the flow in a way that we did not offer");

        h->cipher = oap_cipher_by_id(header->cipher);
        if (!h->cipher)
                return handshake_refuse(text, -EPROTO, "The response has a key and no cipher");
        if (!negotiation_takes_cipher(&h->terms, h->cipher) || h->cipher->rank < h->terms.cipher->rank)
                return handshake_refuse(text, -EOPNOTSUPP,
                                        "The peer wants the cipher %s, which our policy does not take",
                                        h->cipher->name);
        if (h->derivation->rank < h->terms.derivation->rank)
                return handshake_refuse(text, -EOPNOTSUPP, "The peer wants the key derivation %s, which is below ours",
                                        h->derivation->name);

        return 0;
}

static int check_suite(Handshake *h, const OapHeader *header, const OapExtension *extension, bool in_header,
                       char text[AUTH_TEXT_BYTES_MAX]) {
        if (extension->n_suites != 1)
                return handshake_refuse(
                        text, -EPROTO,
                        "The peer runs o7s and its response is incomplete: somebody took away what we had said");

        h->suite = negotiation_suite(&h->terms, extension->suites, 1, in_header);
        for (unsigned i = 0; i < h->terms.n_suites; i++)
                if (h->suite != 0 && h->terms.suites[i] == h->suite) {
                        if (header->cipher != (in_header ? h->suite : 0))
                                break;
                        return 0;
                }

        return handshake_refuse(text, -EPROTO, "The peer wants to protect the flow in a way that we did not offer");
}

/* Proves that the keys came out the same, and with them everything that both have seen. */
static int check_confirmation(Handshake *h, const OapHeader *header, const OapExtension *extension, const uint8_t *oap,
                              size_t size, char text[AUTH_TEXT_BYTES_MAX]) {
        size_t signed_size = size - header->signature_size;
        uint8_t transcript[OAP_DIGEST_BYTES], confirmation[OAP_DIGEST_BYTES];
        _cleanup_free_ uint8_t *bytes = NULL;
        int r;

        bytes = malloc(signed_size);
        if (!bytes)
                return -ENOMEM;

        memcpy(bytes, oap, signed_size);
        memset(bytes + (extension->confirmation_place - oap), 0, OAP_DIGEST_BYTES);
        r = handshake_transcript(h, bytes, signed_size, transcript);
        if (r < 0)
                return r;
        r = handshake_derive_suite(h, transcript);
        if (r < 0)
                return r;
        r = derive_confirmation(&h->secrets, transcript, sizeof(transcript), confirmation);
        if (r < 0)
                return r;

        r = gnutls_memcmp(confirmation, extension->confirmation, sizeof(confirmation)) == 0 ? 0 : -EBADE;
        explicit_bzero(confirmation, sizeof(confirmation));
        return r < 0 ? handshake_refuse(text, r, "The peer does not have our keys: somebody altered the handshake")
                     : 0;
}

static int accept_keys(Handshake *h, const OapHeader *header, const OapExtension *extension, const uint8_t *oap,
                       size_t size, char text[AUTH_TEXT_BYTES_MAX]) {
        bool in_header = h->header.key_exchange_size > 0;
        bool suite = extension->present && handshake_offers_suites(&h->extension);
        const uint8_t *spki = in_header ? header->key_exchange : extension->share;
        size_t spki_size = in_header ? header->key_exchange_size : extension->share_size;
        int r;

        if ((in_header ? extension->share_size : header->key_exchange_size) > 0 || (!h->exchange && spki_size > 0))
                return handshake_refuse(text, -EPROTO, "The response has a key that nobody asked for");
        if (spki_size == 0)
                return accept_plain(h, header, extension, text);

        h->derivation = header->kdf == 0 ? oap_digest_by_name("sha256") : oap_digest_by_id(header->kdf);
        if (!negotiation_takes_derivation(&h->terms, h->derivation))
                return handshake_refuse(text, -EOPNOTSUPP,
                                        "The peer wants the key derivation %s, which our policy does not take",
                                        h->derivation->name);

        r = suite ? check_suite(h, header, extension, in_header, text)
                  : check_reference_terms(h, header, extension, text);
        if (r < 0)
                return r;
        r = handshake_share_secret(h, spki, spki_size, text);
        if (r < 0)
                return r;

        handshake_describe_keys(h);
        return suite ? check_confirmation(h, header, extension, oap, size, text)
                     : handshake_derive_reference(h, spki, spki_size);
}

static int check_response(Handshake *h, uint64_t now, const uint8_t *oap, size_t size, const void *binding,
                          size_t binding_size, char text[AUTH_TEXT_BYTES_MAX]) {
        OapExtension extension;
        OapHeader header;
        int r;

        r = read_header(h, oap, size, &header, text);
        if (r < 0)
                return r;
        r = handshake_read_extension(h, &header, &extension, text);
        if (r < 0)
                return r;

        r = handshake_hash_binding(binding, binding_size, h->response_binding);
        if (r < 0)
                return r;
        if (extension.have_binding || extension.n_suites > 0) {
                r = handshake_check_binding(&extension, h->response_binding, "response", text);
                if (r < 0)
                        return r;
        }

        r = handshake_check_peer(h, now, &header, oap, size, &extension, text);
        if (r < 0)
                return r;
        r = accept_keys(h, &header, &extension, oap, size, text);
        if (r < 0)
                return r;

        handshake_keep_peer(h, &header, &extension);
        h->exchange = key_exchange_free(h->exchange);
        return 0;
}

int handshake_check_response(Handshake *h, uint64_t now_realtime_nsec, const void *oap, size_t size,
                             const void *binding, size_t binding_size, char text[AUTH_TEXT_BYTES_MAX]) {
        int r;

        assert(h);
        assert(oap || size == 0);
        assert(binding || binding_size == 0);
        assert(text);

        text[0] = '\0';
        if (h->server || h->state != HANDSHAKE_WAITING)
                return handshake_fail(h, -EPROTO);
        if (size < OAP_HEADER_BYTES || size > AUTH_OAP_BYTES_MAX)
                return handshake_fail(h, handshake_refuse(text, -EBADMSG, "The response has no possible size"));

        r = check_response(h, now_realtime_nsec, oap, size, binding, binding_size, text);
        if (r < 0)
                return handshake_fail(h, r);

        text[0] = '\0';         /* of a way that led nowhere, beside one that did */
        (void) handshake_enter(h, HANDSHAKE_WAITING, HANDSHAKE_COMPLETE);
        return 0;
}
