/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The algorithms that OAP can name: numbers on the wire, names in files, ranks, and whether our libraries (or our
 * rules) have them. docs/WIRE.md has the tables. The wire has no number for key exchanges: they follow from the key.
 */

#include "basic/enum.h"
#include "services/common/hash.h"

typedef enum OapKeyExchange {
        OAP_FFDHE2048,
        OAP_P256,               /* "prime256v1" */
        OAP_X25519,
        OAP_FFDHE3072,
        OAP_P384,               /* "secp384r1" */
        OAP_FFDHE4096,
        OAP_X448,
        OAP_P521,               /* "secp521r1" */
        _OAP_KEY_EXCHANGE_OURS_MAX,     /* those up to here we have */
        OAP_ML_KEM_512 = _OAP_KEY_EXCHANGE_OURS_MAX,
        OAP_ML_KEM_768,
        OAP_ML_KEM_1024,
        OAP_X25519_ML_KEM_768,
        OAP_X448_ML_KEM_1024,
        _OAP_KEY_EXCHANGE_MAX,
        _OAP_KEY_EXCHANGE_INVALID = -EINVAL,
} OapKeyExchange;

DECLARE_ENUM_NAMES(oap_key_exchange, OapKeyExchange);   /* in order of their ranks, weakest first */

/* What a table says of one number. */
typedef struct OapAlgorithm {
        const char *name;
        uint16_t id;
        uint8_t rank;           /* 1 is the weakest */
        int hash;               /* HashAlgorithm, of digests; -EOPNOTSUPP: our libraries have it not */
        const char *refusal;    /* NULL: we have it; else a clause that says why not */
} OapAlgorithm;

/* NULL: no such number, or name. A digest is a key derivation, too. */
const OapAlgorithm *oap_cipher_by_id(uint16_t id);
const OapAlgorithm *oap_cipher_by_name(const char *name);
const OapAlgorithm *oap_digest_by_id(uint16_t id);
const OapAlgorithm *oap_digest_by_name(const char *name);

/* The weakest of ours that does not rank below; NULL: none does. */
const OapAlgorithm *oap_cipher_not_below(unsigned rank);
const OapAlgorithm *oap_digest_not_below(unsigned rank);

/* NULL: we have it; else a clause that says why not. */
const char *oap_key_exchange_refusal(OapKeyExchange kex);
