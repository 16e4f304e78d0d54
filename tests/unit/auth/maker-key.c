/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See maker-key.h. */

#include "services/common/der.h"
#include "tests/unit/auth/maker-key.h"

#define KEYS_PER_KIND 16U

static struct {
        gnutls_privkey_t keys[_MAKER_KEY_MAX][KEYS_PER_KIND];
} maker;

static const struct {
        gnutls_pk_algorithm_t algorithm;
        unsigned bits;
} kinds[_MAKER_KEY_MAX] = {
        [MAKER_P256] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
        [MAKER_P384] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
        [MAKER_P521] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP521R1) },
        [MAKER_P192] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP192R1) },
        [MAKER_P224] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP224R1) },
        [MAKER_ED25519] = { GNUTLS_PK_EDDSA_ED25519, 0 },
        [MAKER_ED448] = { GNUTLS_PK_EDDSA_ED448, 0 },
        [MAKER_RSA_1024] = { GNUTLS_PK_RSA, 1024 },
        [MAKER_RSA_2047] = { GNUTLS_PK_RSA, 2040 },
        [MAKER_RSA_2048] = { GNUTLS_PK_RSA, 2048 },
        [MAKER_RSA_3072] = { GNUTLS_PK_RSA, 3072 },
        [MAKER_DSA] = { GNUTLS_PK_DSA, 1024 },
};

gnutls_privkey_t maker_key(MakerKey kind, unsigned number) {
        gnutls_privkey_t *key;

        maker_require(kind < _MAKER_KEY_MAX && number < KEYS_PER_KIND, "no such key");
        key = &maker.keys[kind][number];
        if (!*key) {
                maker_require(gnutls_privkey_init(key) >= 0, "no memory");
                maker_require(gnutls_privkey_generate(*key, kinds[kind].algorithm, kinds[kind].bits, 0) >= 0,
                        "cannot make a key");
        }

        return *key;
}

void maker_done(void) {
        for (unsigned kind = 0; kind < _MAKER_KEY_MAX; kind++)
                for (unsigned i = 0; i < KEYS_PER_KIND; i++)
                        if (maker.keys[kind][i]) {
                                gnutls_privkey_deinit(maker.keys[kind][i]);
                                maker.keys[kind][i] = NULL;
                        }
}

void maker_public_key(MakerKey kind, unsigned number, Blob *ret) {
        gnutls_pubkey_t key;
        gnutls_datum_t der;

        maker_require(gnutls_pubkey_init(&key) >= 0, "no memory");
        maker_require(gnutls_pubkey_import_privkey(key, maker_key(kind, number), 0, 0) >= 0, "no public key");
        maker_require(gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der) >= 0, "no public key");
        blob_add(ret, der.data, der.size);
        gnutls_free(der.data);
        gnutls_pubkey_deinit(key);
}

/* -- signatures -- */

const char *maker_signature_object(MakerKey key, MakerSignature signature, gnutls_sign_algorithm_t *ret) {
        switch (kinds[key].algorithm) {
        case GNUTLS_PK_EDDSA_ED25519:
                *ret = GNUTLS_SIGN_EDDSA_ED25519;
                return "1.3.101.112";
        case GNUTLS_PK_EDDSA_ED448:
                *ret = GNUTLS_SIGN_EDDSA_ED448;
                return "1.3.101.113";
        case GNUTLS_PK_ECDSA:
                *ret = signature == SIGNED_SHA384 ? GNUTLS_SIGN_ECDSA_SHA384
                     : signature == SIGNED_SHA512 ? GNUTLS_SIGN_ECDSA_SHA512
                     : signature == SIGNED_SHA1   ? GNUTLS_SIGN_ECDSA_SHA1
                                                  : GNUTLS_SIGN_ECDSA_SHA256;
                return signature == SIGNED_SHA384 ? "1.2.840.10045.4.3.3"
                     : signature == SIGNED_SHA512 ? "1.2.840.10045.4.3.4"
                     : signature == SIGNED_SHA1   ? "1.2.840.10045.4.1"
                                                  : "1.2.840.10045.4.3.2";
        case GNUTLS_PK_RSA:
                *ret = signature == SIGNED_SHA384 ? GNUTLS_SIGN_RSA_SHA384
                     : signature == SIGNED_SHA512 ? GNUTLS_SIGN_RSA_SHA512
                     : signature == SIGNED_SHA1   ? GNUTLS_SIGN_RSA_SHA1
                     : signature == SIGNED_MD5    ? GNUTLS_SIGN_RSA_MD5
                                                  : GNUTLS_SIGN_RSA_SHA256;
                return signature == SIGNED_SHA384 ? "1.2.840.113549.1.1.12"
                     : signature == SIGNED_SHA512 ? "1.2.840.113549.1.1.13"
                     : signature == SIGNED_SHA1   ? "1.2.840.113549.1.1.5"
                     : signature == SIGNED_MD5    ? "1.2.840.113549.1.1.4"
                                                  : "1.2.840.113549.1.1.11";
        default:
                *ret = GNUTLS_SIGN_DSA_SHA256;
                return "2.16.840.1.101.3.4.3.2";
        }
}

void maker_add_algorithm(Blob *to, MakerKey key, const char *object) {
        _cleanup_(blob_done) Blob algorithm = {};

        blob_add_object(&algorithm, object);
        if (kinds[key].algorithm == GNUTLS_PK_RSA)
                blob_add_element(&algorithm, 0x05, NULL, 0);
        blob_add_blob(to, DER_SEQUENCE, &algorithm);
}

void maker_sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, const void *data, size_t size, Blob *ret) {
        gnutls_datum_t signed_data = { .data = (uint8_t *) (uintptr_t) data, .size = (unsigned) size }, signature;

        maker_require(gnutls_privkey_sign_data2(key, algorithm, 0, &signed_data, &signature) >= 0, "cannot sign");
        blob_add(ret, signature.data, signature.size);
        gnutls_free(signature.data);
}

void maker_finish(Blob *tbs, MakerKey key, unsigned number, MakerSignature how) {
        _cleanup_(blob_done) Blob signature = {}, outer = {};
        gnutls_sign_algorithm_t algorithm;
        const char *object;

        object = maker_signature_object(key, how, &algorithm);
        blob_wrap(tbs, DER_SEQUENCE);

        blob_add(&signature, "", 1);            /* no unused bits */
        if (how != SIGNED_NOT)
                maker_sign(maker_key(key, number), algorithm, tbs->data, tbs->size, &signature);
        if (how == SIGNED_BADLY)
                signature.data[signature.size - 1] ^= 1;
        if (how == SIGNED_AS_ANOTHER)
                object = "1.2.840.10045.4.3.4";

        blob_add(&outer, tbs->data, tbs->size);
        maker_add_algorithm(&outer, key, object);
        blob_add_blob(&outer, DER_BIT_STRING, &signature);
        blob_wrap(&outer, DER_SEQUENCE);

        blob_done(tbs);
        *tbs = outer;
        outer = (Blob) {};
}
