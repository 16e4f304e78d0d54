/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a certificate proves an identity: chain, validity, revocation, purpose, names, pins; and whether a
 * signature is its. Pure but for GnuTLS's memory; bytes in, verdict out; files are credentials.c's.
 *
 * Names: a SAN URI "o7s:name:NAME" matches NAME exactly, byte by byte; a SAN dNSName matches a name that looks
 * like one (letters, digits, hyphens, at least one dot), without wildcards, case ignored as DNS does; the CN counts
 * only with common_name and only if it is the only one and there is no SAN at all.
 */

#include "basic/macro.h"
#include "services/common/auth-message.h"
#include "services/common/hash.h"

#define CERTIFICATE_BYTES_MAX 16384U

typedef struct Trust Trust;

#define TRUST_CONTENT_BYTES HMAC_BYTES

/* Shared: the credential store gives its own up when files change, a handshake that lasts longer holds a reference
 * (trust_ref()). trust_free() drops one. */
int trust_new(Trust **ret);
Trust *trust_ref(const Trust *trust);
Trust *trust_free(Trust *trust);
DEFINE_CLEANUP(Trust, trust_free);

/* A digest of all that was added: two that are equal decide alike. NULL: zeroes. */
void trust_content(const Trust *trust, uint8_t ret[TRUST_CONTENT_BYTES]);

/* PEM or DER, any number each; a file that is not all certificates (revocation lists) is refused. Returns: 0;
 * -EBADMSG; -E2BIG; -ENOMEM. */
int trust_add_anchors(Trust *trust, const void *data, size_t size);
int trust_add_intermediates(Trust *trust, const void *data, size_t size);
int trust_add_revocations(Trust *trust, const void *data, size_t size);
unsigned trust_n_anchors(const Trust *trust);

typedef struct Certificate Certificate;         /* one leaf of a peer, parsed once */

/* Returns: 0; -EBADMSG: not one DER certificate and nothing else, or with what we refuse to read (two equal
 * extensions, NUL in names, ...); -ENOMEM. */
int certificate_parse(const void *der, size_t size, Certificate **ret);
Certificate *certificate_free(Certificate *certificate);
DEFINE_CLEANUP(Certificate, certificate_free);

/* Whom the peer must be. name: whom we called, or NULL where anybody who is allowed may call us. */
typedef struct Expectation {
        const char *name;
        const SecurityPolicy *policy;           /* common_name, pins, allow, deny */
        bool server;                            /* the certificate is a server's: its purpose */
        uint64_t now_realtime_nsec;
} Expectation;

/* Returns: 0: proven, *ret_identity as in AuthPeer; -EKEYREJECTED: text says which check failed, of whom, by whom
 * issued, and *ret_identity is set all the same where it is proven, but denied or not allowed; -ENOMEM. trust NULL:
 * only pins can prove it. */
int trust_verify(const Trust *trust, const Certificate *certificate, const Expectation *expected,
                 char ret_identity[AUTH_IDENTITY_BYTES_MAX], char text[AUTH_TEXT_BYTES_MAX]);

/* Its signature, by the rules of OAP: RSA PKCS#1 v1.5, ECDSA (DER), Ed25519, Ed448; digest: an id of OAP, 0: SHA-256,
 * and for EdDSA the only one. Returns: 0; -EKEYREJECTED; -EOPNOTSUPP. */
int certificate_check_signature(const Certificate *certificate, uint16_t digest, const void *data, size_t size,
                                const void *signature, size_t signature_size);

/* What the key of a certificate can sign with: the id to put into OAP's digest field where the policy wants this one.
 * EdDSA: 0. Returns: an id, -EOPNOTSUPP. */
int certificate_digest(const Certificate *certificate, uint16_t wanted);

/* Whether it always speaks the o7s extension (a non-critical extension of its own, 1.3.6.1.4.1.59999.7.1): then an
 * answer without is a downgrade. */
bool certificate_promises_o7s(const Certificate *certificate);

uint64_t certificate_expiry_usec(const Certificate *certificate);
