/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* HKDF is nettle's: its state lies on our stack and is wiped, while GnuTLS would leave its own on the heap. */

#include <nettle/hkdf.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>

#include "libo7s/seal-schedule.h"

static void wipe_mac(struct hmac_sha256_ctx *mac) {
        explicit_bzero(mac, sizeof(*mac));
}

static void wipe_secret(uint8_t (*secret)[SEAL_SECRET_BYTES]) {
        explicit_bzero(*secret, sizeof(*secret));
}

static void extract(const uint8_t salt[SEAL_SECRET_BYTES], const uint8_t shared[SEAL_SECRET_BYTES],
                    uint8_t ret[SEAL_SECRET_BYTES]) {
        _cleanup_(wipe_mac) struct hmac_sha256_ctx mac;

        hmac_sha256_set_key(&mac, SEAL_SECRET_BYTES, salt);
        hkdf_extract(&mac, (nettle_hash_update_func *) hmac_sha256_update,
                     (nettle_hash_digest_func *) hmac_sha256_digest,
                     SHA256_DIGEST_SIZE, SEAL_SECRET_BYTES, shared, ret);
}

void seal_schedule_expand(const uint8_t secret[SEAL_SECRET_BYTES], const char *label, void *ret, size_t size) {
        _cleanup_(wipe_mac) struct hmac_sha256_ctx mac;

        hmac_sha256_set_key(&mac, SEAL_SECRET_BYTES, secret);
        hkdf_expand(&mac, (nettle_hash_update_func *) hmac_sha256_update,
                    (nettle_hash_digest_func *) hmac_sha256_digest,
                    SHA256_DIGEST_SIZE, strlen(label), (const uint8_t *) label, size, ret);
}

/* -- between o7s hosts -- */

void seal_schedule_generation(const uint8_t agreement[SEAL_SECRET_BYTES], const uint8_t shared[SEAL_SECRET_BYTES],
                              SealGeneration *ret) {
        _cleanup_(wipe_secret) uint8_t pseudo_random[SEAL_SECRET_BYTES];

        extract(agreement, shared, pseudo_random);
        seal_schedule_expand(pseudo_random, "o7s v1 c2s data", ret->client, sizeof(ret->client));
        seal_schedule_expand(pseudo_random, "o7s v1 s2c data", ret->server, sizeof(ret->server));
        seal_schedule_expand(pseudo_random, "o7s v1 agreement", ret->agreement, sizeof(ret->agreement));
}

void seal_schedule_epoch(uint8_t secret[SEAL_SECRET_BYTES]) {
        _cleanup_(wipe_secret) uint8_t next[SEAL_SECRET_BYTES];

        seal_schedule_expand(secret, "o7s epoch", next, sizeof(next));
        memcpy(secret, next, sizeof(next));
}

int seal_schedule_keys(const uint8_t secret[SEAL_SECRET_BYTES], SealCipher cipher, SealAead *ret,
                       uint8_t ret_iv[SEAL_NONCE_BYTES]) {
        _cleanup_(wipe_secret) uint8_t key[SEAL_SECRET_BYTES];
        int r;

        seal_schedule_expand(secret, "o7s key", key, seal_cipher_key_bytes(cipher));
        r = seal_aead_init(ret, cipher, key);
        if (r < 0)
                return r;

        seal_schedule_expand(secret, "o7s iv", ret_iv, SEAL_NONCE_BYTES);
        return 0;
}

/* -- towards others -- */

void seal_schedule_reference_salt(const uint8_t first[SEAL_SECRET_BYTES], uint8_t ret_salt[SEAL_SECRET_BYTES]) {
        struct sha256_ctx hash;

        sha256_init(&hash);
        sha256_update(&hash, SEAL_SECRET_BYTES, first);
        sha256_digest(&hash, SHA256_DIGEST_SIZE, ret_salt);
        explicit_bzero(&hash, sizeof(hash));
}

void seal_schedule_reference_next(const uint8_t salt[SEAL_SECRET_BYTES], uint8_t key[SEAL_SECRET_BYTES]) {
        _cleanup_(wipe_secret) uint8_t pseudo_random[SEAL_SECRET_BYTES];

        extract(salt, key, pseudo_random);
        seal_schedule_expand(pseudo_random, "o7s-key-rotation", key, SEAL_SECRET_BYTES);
}
