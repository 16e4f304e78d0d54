/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gnutls/crypto.h>

#include "libo7s/seal-cipher.h"

static const struct {
        SealCipher cipher;
        const char *name;
        gnutls_cipher_algorithm_t algorithm;
        size_t key_bytes;
} ciphers[] = {
        { SEAL_AES_128_GCM,       "aes-128-gcm",       GNUTLS_CIPHER_AES_128_GCM,       16 },
        { SEAL_AES_192_GCM,       "aes-192-gcm",       GNUTLS_CIPHER_AES_192_GCM,       24 },
        { SEAL_AES_256_GCM,       "aes-256-gcm",       GNUTLS_CIPHER_AES_256_GCM,       32 },
        { SEAL_CHACHA20_POLY1305, "chacha20-poly1305", GNUTLS_CIPHER_CHACHA20_POLY1305, 32 },
};

/* Its row, or -1. */
static int find(SealCipher cipher) {
        for (size_t i = 0; i < ELEMENTSOF(ciphers); i++)
                if (ciphers[i].cipher == cipher)
                        return (int) i;

        return -1;
}

size_t seal_cipher_key_bytes(SealCipher cipher) {
        int i = find(cipher);

        return i < 0 ? 0 : ciphers[i].key_bytes;
}

const char *seal_cipher_name(SealCipher cipher) {
        int i = find(cipher);

        return i < 0 ? NULL : ciphers[i].name;
}

int seal_aead_init(SealAead *aead, SealCipher cipher, const uint8_t *key) {
        gnutls_aead_cipher_hd_t handle;
        gnutls_datum_t datum;
        int i = find(cipher), r;

        if (i < 0)
                return -EOPNOTSUPP;

        datum = (gnutls_datum_t) { (unsigned char *) (uintptr_t) key, (unsigned) ciphers[i].key_bytes };
        r = gnutls_aead_cipher_init(&handle, ciphers[i].algorithm, &datum);
        if (r < 0)
                return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EOPNOTSUPP;

        *aead = (SealAead) { .handle = handle, .key_bytes = ciphers[i].key_bytes };
        return 0;
}

/* The library does not promise to wipe what it made of a key, and of which the key is a part: so another key
 * overwrites it. */
void seal_aead_done(SealAead *aead) {
        static const uint8_t nothing[SEAL_SECRET_BYTES];
        gnutls_datum_t datum = { (unsigned char *) (uintptr_t) nothing, (unsigned) aead->key_bytes };

        if (!aead->handle)
                return;

        (void) gnutls_aead_cipher_set_key(aead->handle, &datum);
        gnutls_aead_cipher_deinit(aead->handle);
        *aead = (SealAead) {};
}

int seal_aead_encrypt(const SealAead *aead, const uint8_t nonce[SEAL_NONCE_BYTES], const void *associated,
                      size_t associated_size, const void *content, size_t size, void *to) {
        size_t n = size + SEAL_TAG_BYTES;
        int r;

        r = gnutls_aead_cipher_encrypt(aead->handle, nonce, SEAL_NONCE_BYTES, associated, associated_size,
                                       SEAL_TAG_BYTES, content, size, to, &n);
        return r < 0 || n != size + SEAL_TAG_BYTES ? -EIO : 0;
}

int seal_aead_decrypt(const SealAead *aead, const uint8_t nonce[SEAL_NONCE_BYTES], const void *associated,
                      size_t associated_size, const void *packet, size_t size, void *to) {
        size_t n = size - SEAL_TAG_BYTES;
        int r;

        r = gnutls_aead_cipher_decrypt(aead->handle, nonce, SEAL_NONCE_BYTES, associated, associated_size,
                                       SEAL_TAG_BYTES, packet, size, to, &n);
        if (r >= 0)
                return 0;

        explicit_bzero(to, size - SEAL_TAG_BYTES);      /* the library writes first and verifies then */
        return -EBADMSG;
}

int seal_aead_sign(const SealAead *aead, const uint8_t nonce[SEAL_NONCE_BYTES], const void *associated,
                   size_t associated_size, const void *content, size_t size, uint8_t ret_tag[SEAL_TAG_BYTES]) {
        const giovec_t parts[] = {
                { (void *) (uintptr_t) associated, associated_size },
                { (void *) (uintptr_t) content, size },
        };
        size_t n = SEAL_TAG_BYTES;
        int r;

        r = gnutls_aead_cipher_encryptv2(aead->handle, nonce, SEAL_NONCE_BYTES, parts, ELEMENTSOF(parts), NULL, 0,
                                         ret_tag, &n);
        return r < 0 || n != SEAL_TAG_BYTES ? -EIO : 0;
}

int seal_aead_verify(const SealAead *aead, const uint8_t nonce[SEAL_NONCE_BYTES], const void *associated,
                     size_t associated_size, const void *content, size_t size, const uint8_t tag[SEAL_TAG_BYTES]) {
        const giovec_t parts[] = {
                { (void *) (uintptr_t) associated, associated_size },
                { (void *) (uintptr_t) content, size },
        };
        int r;

        r = gnutls_aead_cipher_decryptv2(aead->handle, nonce, SEAL_NONCE_BYTES, parts, ELEMENTSOF(parts), NULL, 0,
                                         (void *) (uintptr_t) tag, SEAL_TAG_BYTES);
        return r < 0 ? -EBADMSG : 0;
}
