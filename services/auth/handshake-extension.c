/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What two o7s hosts agree on besides OAP's header.
 *
 *   T    SHA-256("o7s transcript" || u32 size || request || u32 size || response || request's || response's binding)
 *
 * The request with its signature; the response without, and with zeroes where its confirmation goes; zeroes for a
 * binding that is none.
 *
 * Each side takes the bindings as its own layer has them, so that a message that came another way leads to other keys
 * even where nobody signs.
 */

#include <gnutls/gnutls.h>
#include <stdio.h>

#include "services/auth/handshake-internal.h"

#define LABEL_NAME "o7s name"
#define LABEL_BINDING "o7s binding"
#define LABEL_TRANSCRIPT "o7s transcript"

static int hash_labelled(const char *label, const void *data, size_t size, uint8_t ret[OAP_DIGEST_BYTES]) {
        uint8_t bytes[STRLEN(LABEL_BINDING) + AUTH_BINDING_BYTES_MAX], hash[HASH_BYTES_MAX];
        Writer w = writer_to(bytes, sizeof(bytes));
        ssize_t n;

        writer_bytes(&w, label, strlen(label));
        writer_bytes(&w, data, size);
        if (w.bad)
                return -EINVAL;

        n = hash_compute(HASH_SHA256, bytes, w.written, hash);
        if (n < 0)
                return (int) n;

        memcpy(ret, hash, OAP_DIGEST_BYTES);
        return 0;
}

int handshake_hash_name(const char *name, uint8_t ret[OAP_DIGEST_BYTES]) {
        return hash_labelled(LABEL_NAME, name, strlen(name), ret);
}

int handshake_hash_binding(const void *binding, size_t size, uint8_t ret[OAP_DIGEST_BYTES]) {
        if (size == 0) {
                memset(ret, 0, OAP_DIGEST_BYTES);
                return 0;
        }

        return hash_labelled(LABEL_BINDING, binding, size, ret);
}

static bool is_zero(const uint8_t digest[OAP_DIGEST_BYTES]) {
        static const uint8_t zero[OAP_DIGEST_BYTES];

        return memcmp(digest, zero, OAP_DIGEST_BYTES) == 0;
}

bool handshake_offers_suites(const OapExtension *request) {
        return request->present && request->n_suites > 0 && request->have_nonce && request->have_destination;
}

/* -- reading -- */

/* A handshake of ours says all that belongs together; the messages of a plain allocation say nothing of it. */
static bool request_is_whole(const OapHeader *header, const OapExtension *e) {
        bool any = e->n_suites > 0;

        if (any != e->have_nonce || (e->share_size > 0 && !any) || ((any || e->have_binding) && !e->have_destination))
                return false;

        return !any || (header->key_exchange_size > 0) != (e->share_size > 0);
}

static bool response_is_whole(const OapExtension *e) {
        bool any = e->n_suites > 0;

        return any == e->have_confirmation && (!any || e->have_epoch);
}

int handshake_read_extension(Handshake *h, const OapHeader *header, OapExtension *ret, char text[AUTH_TEXT_BYTES_MAX]) {
        OapExtension extension = {};
        int r;

        r = oap_extension_parse(header->data, header->data_size, !h->server, &extension);
        if (r == -EOPNOTSUPP)
                return handshake_refuse(text, r, "The peer's o7s asks for what this one does not know");
        if (r < 0)
                return handshake_refuse(text, r, "The peer's message has a broken o7s extension");
        if (extension.present && !(h->server ? request_is_whole(header, &extension) : response_is_whole(&extension)))
                return handshake_refuse(text, -EPROTO, "The peer's o7s extension is incomplete: somebody altered it");

        /* The reference sends no data. Whoever signs may; else it is more likely an extension of ours that was
         * broken. */
        if (!extension.present && header->data_size > 0 && header->certificate_size == 0)
                return handshake_refuse(text, -EBADMSG, "The peer's message carries data that nobody signs");
        if (!extension.present && h->terms.peer == PEER_O7S)
                return handshake_refuse(text, -EKEYREJECTED, "The peer does not run o7s, and Peer=o7s asks for that");

        *ret = extension;
        return 0;
}

int handshake_check_binding(const OapExtension *extension, const uint8_t seen[OAP_DIGEST_BYTES], const char *which,
                            char text[AUTH_TEXT_BYTES_MAX]) {
        bool seen_any = !is_zero(seen);

        if (extension->have_binding && gnutls_memcmp(extension->binding, seen, OAP_DIGEST_BYTES) != 0)
                return handshake_refuse(text, -EBADE,
                                        "The %s came another way, or for another flow, than its sender says: somebody "
                                        "altered or relayed it",
                                        which);
        if (!extension->have_binding && seen_any)
                return handshake_refuse(text, -EKEYREJECTED, "The %s does not say for which flow it is", which);

        return 0;
}

/* -- writing -- */

int handshake_pack_extension(Handshake *h) {
        ssize_t n;

        n = oap_extension_pack(&h->extension, h->server, h->data, sizeof(h->data));
        if (n < 0)
                return (int) n;

        h->header.data = h->data;
        h->header.data_size = (size_t) n;
        return 0;
}

/* -- keys -- */

int handshake_transcript(const Handshake *h, const void *response, size_t size, uint8_t ret[OAP_DIGEST_BYTES]) {
        size_t total = STRLEN(LABEL_TRANSCRIPT) + 2 * sizeof(uint32_t) + h->request_size + size + 2 * OAP_DIGEST_BYTES;
        _cleanup_free_ uint8_t *bytes = NULL;
        uint8_t hash[HASH_BYTES_MAX];
        Writer w;
        ssize_t n;

        bytes = malloc(total);
        if (!bytes)
                return -ENOMEM;

        w = writer_to(bytes, total);
        writer_bytes(&w, LABEL_TRANSCRIPT, STRLEN(LABEL_TRANSCRIPT));
        writer_be32(&w, (uint32_t) h->request_size);
        writer_bytes(&w, h->request, h->request_size);
        writer_be32(&w, (uint32_t) size);
        writer_bytes(&w, response, size);
        writer_bytes(&w, h->request_binding, OAP_DIGEST_BYTES);
        writer_bytes(&w, h->response_binding, OAP_DIGEST_BYTES);
        assert(!w.bad && w.left == 0);

        n = hash_compute(HASH_SHA256, bytes, total, hash);
        if (n < 0)
                return (int) n;

        memcpy(ret, hash, OAP_DIGEST_BYTES);
        return 0;
}

void handshake_describe_keys(Handshake *h) {
        const OapAlgorithm *cipher = h->cipher ? h->cipher : oap_cipher_by_id(h->suite & ~OAP_SUITE_MAC_ONLY);
        const char *protection = h->suite & OAP_SUITE_MAC_ONLY ? "mac" : cipher->name;

        (void) snprintf(h->peer.key_exchange, sizeof(h->peer.key_exchange), "%s",
                        oap_key_exchange_to_string(h->key_exchange));
        (void) snprintf(h->peer.protection, sizeof(h->peer.protection), "%s", protection);
}

int handshake_derive_suite(Handshake *h, const uint8_t transcript[OAP_DIGEST_BYTES]) {
        int r;

        r = derive_flow_secrets((HashAlgorithm) h->derivation->hash, h->shared, h->shared_size, transcript,
                                OAP_DIGEST_BYTES, !h->server, &h->secrets);
        explicit_bzero(h->shared, sizeof(h->shared));
        if (r < 0)
                return r;

        h->secrets.seal.cipher = (SealCipher) (h->suite & ~OAP_SUITE_MAC_ONLY);
        h->secrets.seal.mac_only = h->suite & OAP_SUITE_MAC_ONLY;
        return 0;
}

int handshake_derive_reference(Handshake *h, const uint8_t *spki, size_t spki_size) {
        SealKeys *seal = &h->secrets.seal;
        const uint8_t *ours;
        size_t ours_size;
        int r;

        ours = key_exchange_spki(h->exchange, &ours_size);
        r = derive_reference_key((HashAlgorithm) h->derivation->hash, h->shared, h->shared_size, ours, ours_size, spki,
                                 spki_size, seal->send);
        explicit_bzero(h->shared, sizeof(h->shared));
        if (r < 0)
                return r;

        memcpy(seal->receive, seal->send, sizeof(seal->receive));
        seal->suite = SEAL_REFERENCE;
        seal->cipher = (SealCipher) h->cipher->id;
        seal->client = !h->server;
        return 0;
}
