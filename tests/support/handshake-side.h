/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Handshakes for tests: an authority that certifies, identities with keys that sign as o7s-keyd would, and the two
 * sides of a handshake around the real object. Certificates are made at the start, by GnuTLS; everything else follows
 * from the caller's random bytes.
 */

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "services/auth/handshake.h"

#define TEST_NOW_SEC UINT64_C(1800000000)
#define TEST_NOW_NSEC (TEST_NOW_SEC * 1000000000U)

typedef enum TestKey {
        TEST_KEY_ED25519,
        TEST_KEY_P256,
        TEST_KEY_P384,
        TEST_KEY_RSA,
        TEST_KEY_ED448,
        _TEST_KEY_MAX,
} TestKey;

typedef struct TestIdentity {
        TestKey kind;
        gnutls_x509_privkey_t x509_key;
        gnutls_privkey_t key;
        gnutls_x509_crt_t crt;
        gnutls_datum_t der;
} TestIdentity;

/* issuer NULL: an authority, signed by itself; else a leaf with this SAN URI. o7s: with the extension that promises
 * o7s. Returns: 0; -EIO. */
int test_identity_init(TestIdentity *identity, TestKey kind, const char *name, const TestIdentity *issuer, bool o7s);
void test_identity_done(TestIdentity *identity);

/* Over the header's bytes. Returns: bytes of the signature; -EIO. */
ssize_t test_identity_sign(const TestIdentity *identity, const OapHeader *header, uint8_t *ret, size_t size);

/* Trusts these authorities. */
int test_trust_new(const TestIdentity *const *authorities, unsigned n, Trust **ret);

typedef struct TestSide {
        bool server;
        const char *name;
        const TestIdentity *identity;           /* what it shows; NULL: nothing */
        SecurityPolicy policy;
        Credentials credentials;
        uint64_t now;
        size_t binding_size;                    /* of its own messages, and of what it sees: the caller's to set */
        uint8_t binding[64];
        size_t seen_size;
        uint8_t seen[64];
        uint8_t epoch[AUTH_EPOCH_BYTES];
        Handshake *h;
        char text[AUTH_TEXT_BYTES_MAX];
} TestSide;

/* settings: "Key=value" words, as in files, ended by NULL; may be NULL. Returns: 0; -EINVAL. */
int test_side_init(TestSide *side, bool server, const char *name, const TestIdentity *identity, const Trust *trust,
                   const char *const *settings);
/* A new handshake with the same settings. Returns: as handshake_new(). */
int test_side_start(TestSide *side, const uint8_t random[HANDSHAKE_RANDOM_BYTES], const uint8_t *replaced);
void test_side_done(TestSide *side);

/* Whole steps. Return: bytes of the message, or as the handshake's functions. */
ssize_t test_side_request(TestSide *side, uint8_t *buffer, size_t size);
int test_side_check_request(TestSide *side, const uint8_t *oap, size_t size);
ssize_t test_side_response(TestSide *side, uint8_t *buffer, size_t size);
int test_side_check_response(TestSide *side, const uint8_t *oap, size_t size);
