/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Public keys for key exchanges as DER SubjectPublicKeyInfo (RFC 5280, 5480, 8410; PKCS#3 for ffdhe): nothing but
 * DER, each length in its shortest form, nothing behind the end, one algorithm out of our list with just its
 * parameters. Whether a number is a point of its curve is not known here.
 */

#include "services/common/oap-algorithm.h"

#define SPKI_BYTES_MAX 1100U

typedef struct Spki {
        OapKeyExchange kex;
        /* In the parsed buffer: X25519, X448 as they are; a curve's X || Y; ffdhe: y without leading zeros. */
        const uint8_t *key;
        size_t key_size;
} Spki;

/* Returns: 0; -EBADMSG: not DER, or with parameters that its algorithm has not; -EOPNOTSUPP: an algorithm, curve or
 * group that we have not. */
int spki_parse(const uint8_t *data, size_t size, Spki *ret);

/* Returns: bytes written; -ENOBUFS. */
ssize_t spki_pack(const Spki *spki, void *buffer, size_t size);

/* Bytes of the number that a key of this exchange is made of: a coordinate, or the prime. */
size_t spki_field_bytes(OapKeyExchange kex);

/* The prime of an ffdhe group (RFC 7919), big-endian; NULL: no such group. */
const uint8_t *spki_prime(OapKeyExchange kex, size_t *ret_size);
