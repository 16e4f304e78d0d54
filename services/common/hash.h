/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Digests: names in a layer's directory (wire.md 1, here docs/WIRE.md) and OAP requests. */

#include "basic/enum.h"

typedef enum HashAlgorithm {
        HASH_SHA3_224,
        HASH_SHA3_256,
        HASH_SHA3_384,
        HASH_SHA3_512,
        HASH_CRC32,             /* never a directory hash */
        HASH_MD5,               /* UDP layers only */
        _HASH_DIRECTORY_MAX,    /* the numbers up to here are on the wire */
        HASH_SHA256 = _HASH_DIRECTORY_MAX,
        HASH_SHA384,
        HASH_SHA512,
        _HASH_ALGORITHM_MAX,
        _HASH_ALGORITHM_INVALID = -EINVAL,
} HashAlgorithm;

#define HASH_BYTES_MAX 64U

DECLARE_ENUM_NAMES(hash_algorithm, HashAlgorithm);      /* "sha3-256" and so on */

/* Bytes of the digest; 0 for what is no hash. */
size_t hash_size(HashAlgorithm algorithm);

/* Returns: bytes written to ret; -EOPNOTSUPP: not in our libraries. */
ssize_t hash_compute(HashAlgorithm algorithm, const void *data, size_t size, uint8_t ret[HASH_BYTES_MAX]);

#define HMAC_BYTES 32U

/* HMAC-SHA-256. Returns: 0; -EOPNOTSUPP: the host's cryptographic policy has withdrawn it. */
int hash_hmac(const void *key, size_t key_size, const void *data, size_t size, uint8_t ret[HMAC_BYTES]);
