/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The request, from both sides. Who is asked does everything here that can fail for the peer's fault, the shared
 * secret included: what is woken afterwards is woken for somebody.
 */

#include <gnutls/gnutls.h>

#include "services/auth/handshake-internal.h"

/* -- who asks -- */

/* With encryption the key goes into the header, where every peer looks for it; without, only o7s hosts have a use for
 * one. */
static int offer_key_exchange(Handshake *h) {
        const uint8_t *spki;
        size_t size;
        int r;

        if (h->terms.encryption == ENCRYPTION_NO && h->terms.n_suites == 0)
                return 0;

        r = handshake_make_key(h, h->terms.key_exchange);
        if (r < 0)
                return r;

        spki = key_exchange_spki(h->exchange, &size);
        h->header.kdf = h->terms.derivation->id;
        if (h->terms.encryption == ENCRYPTION_NO) {
                h->extension.share = spki;
                h->extension.share_size = size;
        } else {
                h->header.cipher = h->terms.cipher->id;
                h->header.key_exchange = spki;
                h->header.key_exchange_size = size;
        }

        return 0;
}

static int fill_request_extension(Handshake *h, const void *binding, size_t binding_size) {
        OapExtension *e = &h->extension;
        int r;

        r = handshake_hash_name(h->name, e->destination);
        if (r < 0)
                return r;
        r = handshake_hash_binding(binding, binding_size, h->request_binding);
        if (r < 0)
                return r;

        e->present = true;
        e->have_destination = true;
        e->have_binding = binding_size > 0;
        memcpy(e->binding, h->request_binding, sizeof(e->binding));
        e->capabilities = h->capabilities;
        e->n_suites = h->terms.n_suites;
        memcpy(e->suites, h->terms.suites, sizeof(e->suites));
        e->have_nonce = e->n_suites > 0;
        memcpy(e->nonce, RANDOM_OF_NONCE(h), sizeof(e->nonce));
        e->have_token = true;
        memcpy(e->token, h->token, sizeof(e->token));
        e->have_replaced = h->have_replaced;
        memcpy(e->replaced, h->replaced, sizeof(e->replaced));
        return 0;
}

int handshake_build_request(Handshake *h, uint64_t now_realtime_nsec, const void *binding, size_t binding_size,
                            OapHeader *ret, bool *ret_signs) {
        int r;

        assert(h);
        assert(binding || binding_size == 0);
        assert(ret);
        assert(ret_signs);

        if (h->server || !handshake_enter(h, HANDSHAKE_FRESH, HANDSHAKE_PREPARED))
                return handshake_fail(h, -EPROTO);

        memcpy(h->header.id, RANDOM_OF_ID(h), sizeof(h->header.id));
        h->header.timestamp = now_realtime_nsec > OAP_BACKDATE_NSEC ? now_realtime_nsec - OAP_BACKDATE_NSEC : 0;
        h->header.digest = h->digest;
        h->header.certificate = h->certificate;
        h->header.certificate_size = h->certificate_size;

        r = offer_key_exchange(h);
        if (r < 0)
                return handshake_fail(h, r);
        r = fill_request_extension(h, binding, binding_size);
        if (r < 0)
                return handshake_fail(h, r);
        r = handshake_pack_extension(h);
        if (r < 0)
                return handshake_fail(h, r);

        *ret = h->header;
        *ret_signs = h->certificate_size > 0;
        return 0;
}

/* -- who is asked -- */

static int keep_request(Handshake *h, const void *oap, size_t size) {
        h->request = malloc(size);
        if (!h->request)
                return -ENOMEM;

        memcpy(h->request, oap, size);
        h->request_size = size;
        return 0;
}

static int refuse_stamp(uint64_t stamp, uint64_t now, char text[AUTH_TEXT_BYTES_MAX]) {
        bool past = stamp <= now;

        return handshake_refuse(text, -ETIME,
                                "The request's time stamp is %.1f s in the %s: a replay, or the "
                                "clocks of both hosts differ",
                                (double) (past ? now - stamp : stamp - now) / 1e9, past ? "past" : "future");
}

static int read_header(Handshake *h, uint64_t now, OapHeader *ret, char text[AUTH_TEXT_BYTES_MAX]) {
        OapHeader header;
        int algorithm, r;
        ssize_t n;

        r = oap_header_parse(h->request, h->request_size, 0, &header);
        if (r == -EPROTO)
                return handshake_refuse(text, r, "The request names an algorithm that does not exist");
        if (r < 0)
                return handshake_refuse(text, r, "The request is malformed");
        if (header.key_exchange_raw || header.client_encapsulates)
                return handshake_refuse(text, -EOPNOTSUPP,
                                        "The request asks for a post-quantum key exchange, which the libraries of this "
                                        "host do not carry");
        if (!oap_stamp_is_timely(header.timestamp, now))
                return refuse_stamp(header.timestamp, now, text);

        /* The answer carries this digest of the request. */
        algorithm = oap_digest_to_hash(header.digest);
        if (algorithm < 0)
                return handshake_refuse(text, -EOPNOTSUPP,
                                        "The request's digest %s is not carried by the libraries of this host",
                                        oap_digest_by_id(header.digest)->name);
        n = hash_compute((HashAlgorithm) algorithm, h->request, h->request_size, h->request_hash);
        if (n < 0)
                return (int) n;

        h->request_hash_size = (size_t) n;
        *ret = header;
        return 0;
}

static int check_destination(const Handshake *h, const OapExtension *extension, char text[AUTH_TEXT_BYTES_MAX]) {
        uint8_t ours[OAP_DIGEST_BYTES];
        int r;

        if (!extension->have_destination)
                return 0;

        r = handshake_hash_name(h->name, ours);
        if (r < 0)
                return r;
        if (gnutls_memcmp(ours, extension->destination, sizeof(ours)) != 0)
                return handshake_refuse(text, -EKEYREJECTED, "The request is for another name: somebody sent it on");

        return 0;
}

/* What flows between o7s hosts have, or what those with a peer of the reference have. */
static int agree_on_protection(Handshake *h, const OapHeader *header, const OapExtension *extension, bool in_header,
                               char text[AUTH_TEXT_BYTES_MAX]) {
        h->derivation = negotiation_derivation(&h->terms, header->kdf);
        if (!h->derivation)
                return handshake_refuse(text, -EOPNOTSUPP,
                                        "There is no key derivation that the peer and our policy both take");

        if (!handshake_offers_suites(extension)) {
                h->cipher = negotiation_cipher(&h->terms, header->cipher);
                if (!h->cipher)
                        return handshake_refuse(text, -EOPNOTSUPP,
                                                "There is no cipher that the peer and our policy both take");
                return 0;
        }

        h->suite = negotiation_suite(&h->terms, extension->suites, extension->n_suites, in_header);
        if (h->suite == 0)
                return handshake_refuse(text, -EOPNOTSUPP,
                                        "There is no way to protect the flow that the peer and our policy both take");
        if (in_header)
                h->cipher = oap_cipher_by_id(h->suite);

        return 0;
}

static int accept_key_exchange(Handshake *h, const OapHeader *header, const OapExtension *extension,
                               char text[AUTH_TEXT_BYTES_MAX]) {
        bool in_header = header->key_exchange_size > 0;
        const uint8_t *spki = in_header ? header->key_exchange : extension->share;
        size_t size = in_header ? header->key_exchange_size : extension->share_size;
        int kex, r;

        if (size == 0) {
                if (h->terms.encryption == ENCRYPTION_REQUIRED)
                        return handshake_refuse(text, -EOPNOTSUPP,
                                                "The peer asks for no encryption, and Encryption=required here");
                return 0;
        }

        kex = key_exchange_of_spki(spki, size);
        if (kex == -EOPNOTSUPP)
                return handshake_refuse(text, kex, "The request's key exchange is not one that this host has");
        if (kex < 0)
                return handshake_refuse(text, -EPROTO, "The request's key for the key exchange is malformed");
        if (!negotiation_takes_key_exchange(&h->terms, (OapKeyExchange) kex))
                return handshake_refuse(text, -EOPNOTSUPP,
                                        "The key exchange %s of the request is below what our policy takes",
                                        oap_key_exchange_to_string((OapKeyExchange) kex));

        r = agree_on_protection(h, header, extension, in_header, text);
        if (r < 0)
                return r;
        r = handshake_make_key(h, (OapKeyExchange) kex);
        if (r < 0)
                return r;

        handshake_describe_keys(h);
        return handshake_share_secret(h, spki, size, text);
}

static int check_request(Handshake *h, uint64_t now, const void *oap, size_t size, const void *binding,
                         size_t binding_size, char text[AUTH_TEXT_BYTES_MAX]) {
        OapExtension extension;
        OapHeader header;
        int r;

        r = keep_request(h, oap, size);
        if (r < 0)
                return r;
        r = read_header(h, now, &header, text);
        if (r < 0)
                return r;
        r = handshake_read_extension(h, &header, &extension, text);
        if (r < 0)
                return r;
        r = check_destination(h, &extension, text);
        if (r < 0)
                return r;

        r = handshake_hash_binding(binding, binding_size, h->request_binding);
        if (r < 0)
                return r;
        if (extension.have_binding || handshake_offers_suites(&extension)) {
                r = handshake_check_binding(&extension, h->request_binding, "request", text);
                if (r < 0)
                        return r;
        }

        r = handshake_check_peer(h, now, &header, h->request, h->request_size, &extension, text);
        if (r < 0)
                return r;
        r = accept_key_exchange(h, &header, &extension, text);
        if (r < 0)
                return r;

        handshake_keep_peer(h, &header, &extension);
        return 0;
}

int handshake_check_request(Handshake *h, uint64_t now_realtime_nsec, const void *oap, size_t size, const void *binding,
                            size_t binding_size, char text[AUTH_TEXT_BYTES_MAX]) {
        int r;

        assert(h);
        assert(oap || size == 0);
        assert(binding || binding_size == 0);
        assert(text);

        text[0] = '\0';
        if (!h->server || h->state != HANDSHAKE_FRESH)
                return handshake_fail(h, -EPROTO);
        if (size < OAP_HEADER_BYTES || size > AUTH_OAP_BYTES_MAX)
                return handshake_fail(h, handshake_refuse(text, -EBADMSG, "The request has no possible size"));

        r = check_request(h, now_realtime_nsec, oap, size, binding, binding_size, text);
        if (r < 0)
                return handshake_fail(h, r);

        text[0] = '\0';         /* of a way that led nowhere, beside one that did */
        (void) handshake_enter(h, HANDSHAKE_FRESH, HANDSHAKE_CHECKED);
        return 0;
}
