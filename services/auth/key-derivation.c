/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * GnuTLS has HKDF, but not over SHA-3; so HMAC and HKDF are put together here from its digests, the same way for all
 * of them.
 *
 *   reference   K = Expand(Extract(salt = SHA-256(both public keys, the smaller first), Z), "o7s-ossl-dhe", 32)
 *   o7s         prk = Extract(salt = transcript, Z); each key = Expand(prk, "o7s v1 " purpose, 32)
 *
 * An o7s key is of one direction and one purpose, and of this exchange alone: whatever either side saw differently is
 * in the transcript, and makes other keys of it.
 */

#include <gnutls/crypto.h>

#include "services/auth/key-derivation.h"

#define BLOCK_BYTES_MAX 136U
#define EXPAND_BLOCKS_MAX 255U
#define LABEL "o7s v1 "
#define INFO_BYTES_MAX 64U

static const struct {
        gnutls_digest_algorithm_t digest;       /* 0: none that keys are derived with */
        size_t block;
} hashes[_HASH_ALGORITHM_MAX] = {
        [HASH_SHA256]   = { GNUTLS_DIG_SHA256,   64 },
        [HASH_SHA384]   = { GNUTLS_DIG_SHA384,   128 },
        [HASH_SHA512]   = { GNUTLS_DIG_SHA512,   128 },
        [HASH_SHA3_256] = { GNUTLS_DIG_SHA3_256, 136 },
        [HASH_SHA3_384] = { GNUTLS_DIG_SHA3_384, 104 },
        [HASH_SHA3_512] = { GNUTLS_DIG_SHA3_512, 72 },
};

/* What is hashed, without a copy that holds all of it. */
typedef struct Part {
        const void *data;
        size_t size;
} Part;

static int hash_parts(HashAlgorithm hash, const Part *parts, size_t n, uint8_t ret[HASH_BYTES_MAX]) {
        gnutls_hash_hd_t handle;

        if (gnutls_hash_init(&handle, hashes[hash].digest) < 0)
                return -EOPNOTSUPP;

        for (size_t i = 0; i < n; i++)
                if (parts[i].size > 0 && gnutls_hash(handle, parts[i].data, parts[i].size) < 0) {
                        gnutls_hash_deinit(handle, ret);
                        return -EOPNOTSUPP;
                }

        gnutls_hash_deinit(handle, ret);        /* wipes its state */
        return 0;
}

static bool hash_is_carried(HashAlgorithm hash) {
        return (int) hash >= 0 && hash < _HASH_ALGORITHM_MAX && hashes[hash].block > 0;
}

/* The key, or its digest where it is longer than a block, with the pad over it. */
static int pad_key(HashAlgorithm hash, const Part *key, uint8_t pad, uint8_t ret[BLOCK_BYTES_MAX]) {
        int r = 0;

        memset(ret, 0, BLOCK_BYTES_MAX);
        if (key->size > hashes[hash].block)
                r = hash_parts(hash, key, 1, ret);
        else if (key->size > 0)
                memcpy(ret, key->data, key->size);

        for (size_t i = 0; i < hashes[hash].block; i++)
                ret[i] ^= pad;

        return r;
}

/* HMAC of up to three parts. */
static int hmac_parts(HashAlgorithm hash, const Part *key, const Part parts[3], uint8_t ret[HASH_BYTES_MAX]) {
        uint8_t block[BLOCK_BYTES_MAX], inner[HASH_BYTES_MAX];
        int r;

        if (!hash_is_carried(hash))
                return -EOPNOTSUPP;

        r = pad_key(hash, key, 0x36, block);
        if (r >= 0)
                r = hash_parts(hash, (Part[]) { { block, hashes[hash].block }, parts[0], parts[1], parts[2] }, 4,
                               inner);
        if (r >= 0)
                r = pad_key(hash, key, 0x5c, block);
        if (r >= 0)
                r = hash_parts(hash, (Part[]) { { block, hashes[hash].block }, { inner, hash_size(hash) } }, 2, ret);

        explicit_bzero(block, sizeof(block));
        explicit_bzero(inner, sizeof(inner));
        return r;
}

ssize_t hmac_compute(HashAlgorithm hash, const void *key, size_t key_size, const void *data, size_t size,
                     uint8_t ret[HASH_BYTES_MAX]) {
        int r;

        r = hmac_parts(hash, &(Part) { key, key_size }, (Part[3]) { { data, size } }, ret);
        return r < 0 ? r : (ssize_t) hash_size(hash);
}

int hkdf_extract(HashAlgorithm hash, const void *salt, size_t salt_size, const void *ikm, size_t ikm_size,
                 uint8_t ret[HASH_BYTES_MAX]) {
        assert(ret);

        return hmac_parts(hash, &(Part) { salt, salt_size }, (Part[3]) { { ikm, ikm_size } }, ret);
}

int hkdf_expand(HashAlgorithm hash, const void *prk, size_t prk_size, const void *info, size_t info_size, void *ret,
                size_t size) {
        uint8_t block[HASH_BYTES_MAX] = {}, *to = ret;
        size_t block_size = hash_size(hash), previous = 0;
        int r = 0;

        assert(ret);

        if (!hash_is_carried(hash))
                return -EOPNOTSUPP;
        if (size > EXPAND_BLOCKS_MAX * block_size)
                return -EINVAL;

        for (uint8_t i = 1; r >= 0 && size > 0; i++) {
                size_t n = MIN(size, block_size);

                r = hmac_parts(hash, &(Part) { prk, prk_size },
                               (Part[3]) { { block, previous }, { info, info_size }, { &i, 1 } }, block);
                if (r >= 0)
                        memcpy(to, block, n);
                to += n;
                size -= n;
                previous = block_size;
        }

        explicit_bzero(block, sizeof(block));
        return r;
}

static int compare_parts(const Part *a, const Part *b) {
        size_t n = MIN(a->size, b->size);
        int order = n > 0 ? memcmp(a->data, b->data, n) : 0;

        return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

int derive_reference_key(HashAlgorithm hash, const void *secret, size_t secret_size, const void *spki_a, size_t size_a,
                         const void *spki_b, size_t size_b, uint8_t ret[SEAL_SECRET_BYTES]) {
        Part a = { spki_a, size_a }, b = { spki_b, size_b };
        uint8_t salt[HASH_BYTES_MAX], prk[HASH_BYTES_MAX];
        bool ordered = compare_parts(&a, &b) <= 0;
        int r;

        assert(ret);

        r = hash_parts(HASH_SHA256, (Part[]) { ordered ? a : b, ordered ? b : a }, 2, salt);
        if (r >= 0)
                r = hkdf_extract(hash, salt, hash_size(HASH_SHA256), secret, secret_size, prk);
        if (r >= 0)
                r = hkdf_expand(hash, prk, hash_size(hash), DERIVATION_INFO_EXCHANGE, STRLEN(DERIVATION_INFO_EXCHANGE),
                                ret, SEAL_SECRET_BYTES);

        explicit_bzero(prk, sizeof(prk));
        return r;
}

static int expand_purpose(HashAlgorithm hash, const uint8_t prk[HASH_BYTES_MAX], const char *purpose, uint8_t *ret,
                          size_t size) {
        uint8_t secret[SEAL_SECRET_BYTES];
        char info[INFO_BYTES_MAX];
        Writer w = writer_to(info, sizeof(info));
        int r;

        writer_bytes(&w, LABEL, STRLEN(LABEL));
        writer_bytes(&w, purpose, strlen(purpose));
        assert(!w.bad);
        assert(size <= sizeof(secret));

        r = hkdf_expand(hash, prk, hash_size(hash), info, w.written, secret, sizeof(secret));
        if (r >= 0)
                memcpy(ret, secret, size);

        explicit_bzero(secret, sizeof(secret));
        return r;
}

int derive_flow_secrets(HashAlgorithm hash, const void *secret, size_t secret_size, const void *transcript,
                        size_t transcript_size, bool client, FlowSecrets *ret) {
        FlowSecrets secrets = { .seal.suite = SEAL_O7S, .seal.client = client, .control.present = true };
        const struct {
                const char *purpose;
                uint8_t *to;
                size_t size;
        } purposes[] = {
                { "c2s data",     client ? secrets.seal.send : secrets.seal.receive,       SEAL_SECRET_BYTES },
                { "s2c data",     client ? secrets.seal.receive : secrets.seal.send,       SEAL_SECRET_BYTES },
                { "agreement",    secrets.seal.agreement,                                  SEAL_SECRET_BYTES },
                { "c2s control",  client ? secrets.control.send : secrets.control.receive, SEAL_SECRET_BYTES },
                { "s2c control",  client ? secrets.control.receive : secrets.control.send, SEAL_SECRET_BYTES },
                { "confirmation", secrets.confirmation,                                    SEAL_SECRET_BYTES },
                { "exporter",     secrets.exporter,                                        SEAL_SECRET_BYTES },
                { "label",        secrets.seal.label,                                      SEAL_LABEL_BYTES },
        };
        uint8_t prk[HASH_BYTES_MAX];
        int r;

        assert(ret);

        r = hkdf_extract(hash, transcript, transcript_size, secret, secret_size, prk);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(purposes); i++)
                r = expand_purpose(hash, prk, purposes[i].purpose, purposes[i].to, purposes[i].size);
        if (r >= 0)
                *ret = secrets;

        explicit_bzero(prk, sizeof(prk));
        explicit_bzero(&secrets, sizeof(secrets));
        return r;
}

int derive_confirmation(const FlowSecrets *secrets, const void *transcript, size_t transcript_size,
                        uint8_t ret[OAP_DIGEST_BYTES]) {
        uint8_t mac[HASH_BYTES_MAX];
        ssize_t n;

        assert(secrets);
        assert(ret);

        n = hmac_compute(HASH_SHA256, secrets->confirmation, sizeof(secrets->confirmation), transcript, transcript_size,
                         mac);
        if (n < 0)
                return (int) n;

        memcpy(ret, mac, OAP_DIGEST_BYTES);
        return 0;
}
