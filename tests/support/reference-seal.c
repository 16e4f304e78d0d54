/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/support/reference-seal.h"

#define NONCE 12U
#define TAG 16U

static size_t key_bytes(const ReferenceSeal *s) {
        return gnutls_cipher_get_key_size(s->algorithm);
}

static gnutls_aead_cipher_hd_t make_handle(const ReferenceSeal *s, uint8_t key[32]) {
        gnutls_aead_cipher_hd_t handle = NULL;
        gnutls_datum_t datum = { key, (unsigned) key_bytes(s) };

        if (gnutls_aead_cipher_init(&handle, s->algorithm, &datum) < 0)
                abort();

        return handle;
}

static void forget_previous(ReferenceSeal *s) {
        if (s->previous_handle)
                gnutls_aead_cipher_deinit(s->previous_handle);
        s->previous_handle = NULL;
}

static void rotate(ReferenceSeal *s) {
        const gnutls_datum_t salt = { s->salt, sizeof(s->salt) };
        const gnutls_datum_t info = { (unsigned char *) (uintptr_t) "o7s-key-rotation", STRLEN("o7s-key-rotation") };
        gnutls_datum_t key = { s->current, sizeof(s->current) };
        uint8_t extracted[32], next[32];
        const gnutls_datum_t pseudo_random = { extracted, sizeof(extracted) };

        if (gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key, &salt, extracted) < 0 ||
            gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &pseudo_random, &info, next, sizeof(next)) < 0)
                abort();

        forget_previous(s);
        memcpy(s->previous, s->current, sizeof(s->previous));
        memcpy(s->current, next, sizeof(s->current));
        s->previous_handle = s->current_handle;
        s->current_handle = make_handle(s, s->current);
        s->age = 0;
        s->phase = !s->phase;
        s->n_rotations++;
}

void reference_seal_init(ReferenceSeal *s, gnutls_cipher_algorithm_t algorithm, const uint8_t key[32],
                         uint64_t interval, uint64_t seed) {
        *s = (ReferenceSeal) { .algorithm = algorithm, .interval = interval, .random = seed };
        memcpy(s->current, key, sizeof(s->current));
        if (gnutls_hash_fast(GNUTLS_DIG_SHA256, key, 32, s->salt) < 0)
                abort();
        s->current_handle = make_handle(s, s->current);
}

void reference_seal_done(ReferenceSeal *s) {
        forget_previous(s);
        if (s->current_handle)
                gnutls_aead_cipher_deinit(s->current_handle);
        *s = (ReferenceSeal) {};
}

static void draw(ReferenceSeal *s, uint8_t nonce[NONCE]) {
        for (size_t i = 0; i < NONCE; i++) {
                s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                nonce[i] = (uint8_t) (s->random >> 56);
        }
}

static bool bit_of(const ReferenceSeal *s) {
        return s->count / s->interval & 1;
}

size_t reference_seal_protect(ReferenceSeal *s, const void *content, size_t size, uint8_t *packet) {
        bool bit = bit_of(s);
        size_t n = size + TAG;

        draw(s, packet);
        packet[0] = (uint8_t) ((packet[0] & 0x7f) | (bit ? 0x80 : 0));
        if (gnutls_aead_cipher_encrypt(s->current_handle, packet, NONCE, NULL, 0, TAG, content, size, packet + NONCE,
                                       &n) < 0)
                abort();

        s->count++;
        s->age++;
        if (bit_of(s) != bit)
                rotate(s);
        if (s->age >= s->interval / 2)
                forget_previous(s);

        return NONCE + n;
}

static ssize_t open_with(gnutls_aead_cipher_hd_t handle, const uint8_t *packet, size_t size, uint8_t *content) {
        size_t n = size - NONCE - TAG;

        if (!handle || gnutls_aead_cipher_decrypt(handle, packet, NONCE, NULL, 0, TAG, packet + NONCE, size - NONCE,
                                                  content, &n) < 0)
                return -EBADMSG;

        return (ssize_t) n;
}

ssize_t reference_seal_open(ReferenceSeal *s, const uint8_t *packet, size_t size, uint8_t *content) {
        bool bit;
        ssize_t n;

        if (size < NONCE + TAG)
                return -EBADMSG;

        bit = packet[0] & 0x80;
        if (bit != s->phase && s->age >= s->interval - s->interval / 4)
                rotate(s);
        s->count++;
        s->age++;
        if (s->forgets_early && s->age >= s->interval / 2)
                forget_previous(s);

        n = open_with(s->current_handle, packet, size, content);
        return n >= 0 ? n : open_with(s->previous_handle, packet, size, content);
}
