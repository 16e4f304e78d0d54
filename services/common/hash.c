/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Digests by number. The library does them; only CRC32, which is not cryptography and not in it, is done here:
 * reflected polynomial 0x04C11DB7, as Ethernet and zlib have it, first byte most significant in the result.
 */

#include <gnutls/crypto.h>

#include "basic/cursor.h"
#include "services/common/hash.h"

#define CRC32_POLYNOMIAL UINT32_C(0xedb88320)

static const char *const hash_algorithm_table[_HASH_ALGORITHM_MAX] = {
        [HASH_SHA3_224] = "sha3-224",
        [HASH_SHA3_256] = "sha3-256",
        [HASH_SHA3_384] = "sha3-384",
        [HASH_SHA3_512] = "sha3-512",
        [HASH_CRC32]    = "crc32",
        [HASH_MD5]      = "md5",
        [HASH_SHA256]   = "sha256",
        [HASH_SHA384]   = "sha384",
        [HASH_SHA512]   = "sha512",
};

DEFINE_ENUM_NAMES(hash_algorithm, HashAlgorithm);

static const struct {
        gnutls_digest_algorithm_t digest;       /* GNUTLS_DIG_UNKNOWN: done here */
        size_t size;
} algorithms[_HASH_ALGORITHM_MAX] = {
        [HASH_SHA3_224] = { GNUTLS_DIG_SHA3_224, 28 },
        [HASH_SHA3_256] = { GNUTLS_DIG_SHA3_256, 32 },
        [HASH_SHA3_384] = { GNUTLS_DIG_SHA3_384, 48 },
        [HASH_SHA3_512] = { GNUTLS_DIG_SHA3_512, 64 },
        [HASH_CRC32]    = { GNUTLS_DIG_UNKNOWN,  4  },
        [HASH_MD5]      = { GNUTLS_DIG_MD5,      16 },
        [HASH_SHA256]   = { GNUTLS_DIG_SHA256,   32 },
        [HASH_SHA384]   = { GNUTLS_DIG_SHA384,   48 },
        [HASH_SHA512]   = { GNUTLS_DIG_SHA512,   64 },
};

size_t hash_size(HashAlgorithm algorithm) {
        if ((int) algorithm < 0 || algorithm >= _HASH_ALGORITHM_MAX)
                return 0;

        return algorithms[algorithm].size;
}

static uint32_t crc32(const uint8_t *data, size_t size) {
        uint32_t crc = UINT32_MAX;

        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? CRC32_POLYNOMIAL : 0);
        }

        return ~crc;
}

ssize_t hash_compute(HashAlgorithm algorithm, const void *data, size_t size, uint8_t ret[HASH_BYTES_MAX]) {
        size_t digest_size = hash_size(algorithm);

        assert(data || size == 0);
        assert(ret);

        if (digest_size == 0)
                return -EOPNOTSUPP;

        if (algorithm == HASH_CRC32) {
                Writer w = writer_to(ret, digest_size);

                writer_be32(&w, crc32(data, size));
                return (ssize_t) digest_size;
        }

        /* Fails where the host's cryptographic policy has withdrawn the algorithm. */
        if (gnutls_hash_fast(algorithms[algorithm].digest, size > 0 ? data : "", size, ret) < 0)
                return -EOPNOTSUPP;

        return (ssize_t) digest_size;
}

int hash_hmac(const void *key, size_t key_size, const void *data, size_t size, uint8_t ret[HMAC_BYTES]) {
        assert(key && (data || size == 0));

        return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_size, size > 0 ? data : "", size, ret) < 0 ? -EOPNOTSUPP
                                                                                                       : 0;
}
