/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The numbers are the wire's: those that OpenSSL gave its objects. SHA-3 is one higher than a header of the reference
 * says; what it sends is what counts, and 1096 is none.
 *
 * A rank orders what two hosts ask for: the higher one is used. What we refuse keeps its number and rank, since a
 * peer may ask for it, and is then answered with something not weaker.
 */

#include "services/common/oap-algorithm.h"

#define NO_INTEGRITY "it does not protect against alteration"
#define NOT_CARRIED "the libraries of this host do not carry it"

static const OapAlgorithm ciphers[] = {
        { "aes-128-ctr",       904,  1, -EOPNOTSUPP, NO_INTEGRITY },
        { "aes-192-ctr",       905,  2, -EOPNOTSUPP, NO_INTEGRITY },
        { "aes-256-ctr",       906,  3, -EOPNOTSUPP, NO_INTEGRITY },
        { "aes-128-gcm",       895,  4, -EOPNOTSUPP, NULL },
        { "aes-192-gcm",       898,  5, -EOPNOTSUPP, NULL },
        { "aes-256-gcm",       901,  6, -EOPNOTSUPP, NULL },
        { "chacha20-poly1305", 1018, 7, -EOPNOTSUPP, NULL },
};

static const OapAlgorithm digests[] = {
        { "blake2s256", 1057, 1, -EOPNOTSUPP,   NOT_CARRIED },
        { "sha256",     672,  2, HASH_SHA256,   NULL },
        { "sha3-256",   1097, 3, HASH_SHA3_256, NULL },
        { "sha384",     673,  4, HASH_SHA384,   NULL },
        { "sha3-384",   1098, 5, HASH_SHA3_384, NULL },
        { "blake2b512", 1056, 6, -EOPNOTSUPP,   NOT_CARRIED },
        { "sha512",     674,  7, HASH_SHA512,   NULL },
        { "sha3-512",   1099, 8, HASH_SHA3_512, NULL },
};

static const char *const oap_key_exchange_table[_OAP_KEY_EXCHANGE_MAX] = {
        [OAP_FFDHE2048]         = "ffdhe2048",
        [OAP_P256]              = "prime256v1",
        [OAP_X25519]            = "X25519",
        [OAP_FFDHE3072]         = "ffdhe3072",
        [OAP_P384]              = "secp384r1",
        [OAP_FFDHE4096]         = "ffdhe4096",
        [OAP_X448]              = "X448",
        [OAP_P521]              = "secp521r1",
        [OAP_ML_KEM_512]        = "ML-KEM-512",
        [OAP_ML_KEM_768]        = "ML-KEM-768",
        [OAP_ML_KEM_1024]       = "ML-KEM-1024",
        [OAP_X25519_ML_KEM_768] = "X25519MLKEM768",
        [OAP_X448_ML_KEM_1024]  = "X448MLKEM1024",
};

DEFINE_ENUM_NAMES(oap_key_exchange, OapKeyExchange);

static const OapAlgorithm *find_id(const OapAlgorithm *table, size_t n, uint16_t id) {
        for (size_t i = 0; i < n; i++)
                if (table[i].id == id)
                        return table + i;

        return NULL;
}

static const OapAlgorithm *find_name(const OapAlgorithm *table, size_t n, const char *name) {
        for (size_t i = 0; name && i < n; i++)
                if (streq(table[i].name, name))
                        return table + i;

        return NULL;
}

const OapAlgorithm *oap_cipher_by_id(uint16_t id) {
        return find_id(ciphers, ELEMENTSOF(ciphers), id);
}

const OapAlgorithm *oap_cipher_by_name(const char *name) {
        return find_name(ciphers, ELEMENTSOF(ciphers), name);
}

const OapAlgorithm *oap_digest_by_id(uint16_t id) {
        return find_id(digests, ELEMENTSOF(digests), id);
}

const OapAlgorithm *oap_digest_by_name(const char *name) {
        return find_name(digests, ELEMENTSOF(digests), name);
}

/* The tables ascend by rank. */
static const OapAlgorithm *not_below(const OapAlgorithm *table, size_t n, unsigned rank) {
        for (size_t i = 0; i < n; i++)
                if (table[i].rank >= rank && !table[i].refusal)
                        return table + i;

        return NULL;
}

const OapAlgorithm *oap_cipher_not_below(unsigned rank) {
        return not_below(ciphers, ELEMENTSOF(ciphers), rank);
}

const OapAlgorithm *oap_digest_not_below(unsigned rank) {
        return not_below(digests, ELEMENTSOF(digests), rank);
}

const char *oap_key_exchange_refusal(OapKeyExchange kex) {
        if ((int) kex < 0 || kex >= _OAP_KEY_EXCHANGE_MAX)
                return "there is no such key exchange";

        return kex < _OAP_KEY_EXCHANGE_OURS_MAX ? NULL : NOT_CARRIED;
}
