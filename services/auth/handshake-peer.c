/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who the peer is. A message without a certificate is anonymous, and refused where the policy wants to know; one with
 * a certificate is signed, and the signature has to be right whether we know the issuer or not.
 */

#include <stdio.h>

#include "services/auth/handshake-internal.h"

/* Of the digests that our policy takes. EdDSA has none to choose. */
static int check_digest(const Handshake *h, const Certificate *certificate, uint16_t digest,
                        char text[AUTH_TEXT_BYTES_MAX]) {
        const OapAlgorithm *algorithm = digest == 0 ? oap_digest_by_name("sha256") : oap_digest_by_id(digest);

        if (certificate_digest(certificate, h->terms.digest->id) == 0)
                return 0;
        if (!negotiation_takes_digest(&h->terms, algorithm))
                return handshake_refuse(text, -EOPNOTSUPP, "The peer signs with %s, which the policy does not take",
                                        algorithm ? algorithm->name : "an unknown digest");

        return 0;
}

static int check_signature(const Handshake *h, const Certificate *certificate, const OapHeader *header,
                           const uint8_t *message, size_t size, char text[AUTH_TEXT_BYTES_MAX]) {
        int r;

        if (header->signature_size == 0)
                return handshake_refuse(text, -EKEYREJECTED, "The peer shows a certificate and does not sign");

        r = check_digest(h, certificate, header->digest, text);
        if (r < 0)
                return r;

        r = certificate_check_signature(certificate, header->digest, message, size - header->signature_size,
                                        header->signature, header->signature_size);
        if (r == -EKEYREJECTED)
                return handshake_refuse(text, -EBADE,
                                        "The signature is not of the certificate's key: somebody altered the message, "
                                        "or has not the key");
        if (r < 0)
                return handshake_refuse(
                        text, r, "The peer's signature is of a kind that the libraries of this host do not carry");

        return 0;
}

static int check_identity(Handshake *h, const Certificate *certificate, uint64_t now, char text[AUTH_TEXT_BYTES_MAX]) {
        const Expectation expected = {
                .name = h->server ? NULL : h->name,
                .policy = h->policy,
                .server = !h->server,
                .now_realtime_nsec = now,
        };
        bool asked = h->terms.want_peer || h->terms.authentication != AUTHENTICATION_NONE;
        char identity[AUTH_IDENTITY_BYTES_MAX] = "";
        int r;

        r = trust_verify(h->trust, certificate, &expected, identity, text);
        if (r == 0) {
                memcpy(h->peer.identity, identity, sizeof(identity));
                h->peer.verified = true;
                return 0;
        }

        /* Where nobody wants to know, one who shows none would be as welcome. */
        if (r == -EKEYREJECTED && !asked) {
                text[0] = '\0';
                return 0;
        }

        memcpy(h->peer.identity, identity, sizeof(identity));   /* proven, and not allowed: then the peer may know */
        return r;
}

int handshake_check_peer(Handshake *h, uint64_t now_realtime_nsec, const OapHeader *header, const uint8_t *message,
                         size_t size, const OapExtension *extension, char text[AUTH_TEXT_BYTES_MAX]) {
        _cleanup_(certificate_freep) Certificate *certificate = NULL;
        int r;

        h->peer = (AuthPeer) { .o7s = extension->present, .protection = "none" };

        if (header->certificate_size == 0) {
                if (h->terms.want_peer)
                        return handshake_refuse(text, -EKEYREJECTED,
                                                "The peer shows no certificate, and the policy asks for one");
                return 0;
        }

        r = certificate_parse(header->certificate, header->certificate_size, &certificate);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return handshake_refuse(text, -EKEYREJECTED, "The peer's certificate cannot be read");

        r = check_signature(h, certificate, header, message, size, text);
        if (r < 0)
                return r;
        if (certificate_promises_o7s(certificate) && !extension->present)
                return handshake_refuse(text, -EKEYREJECTED,
                                        "The peer's certificate promises o7s, and its message has no o7s extension: "
                                        "somebody took it away");

        return check_identity(h, certificate, now_realtime_nsec, text);
}

void handshake_keep_peer(Handshake *h, const OapHeader *header, const OapExtension *extension) {
        h->peer_header = *header;
        h->peer_header.certificate = NULL;
        h->peer_header.key_exchange = NULL;
        h->peer_header.data = NULL;
        h->peer_header.request_hash = NULL;
        h->peer_header.signature = NULL;

        h->peer_extension = *extension;
        h->peer_extension.share = NULL;
        h->peer_extension.confirmation_place = NULL;
}
