/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which key comes after which. All of it is HKDF (RFC 5869) with SHA-256; docs/WIRE.md has every label.
 *
 *   o7s          handshake ──► agreement secret ──────────────► agreement secret ──► ...        one for each generation
 *                                                  + X25519 ──► c2s, s2c: secret of epoch 0 ──► of epoch 1 ──► ...
 *                                                                            └──► key, iv         └──► key, iv
 *   reference    handshake ──► K ──► K1 ──► K2 ──► ...
 *
 * No step can be undone: who learns a secret learns what comes after it, until the next generation, and nothing of
 * what was before.
 */

#include "libo7s/seal-cipher.h"

/* Secrets of one generation. */
typedef struct SealGeneration {
        uint8_t client[SEAL_SECRET_BYTES];      /* what the client sends, epoch 0 */
        uint8_t server[SEAL_SECRET_BYTES];
        uint8_t agreement[SEAL_SECRET_BYTES];
} SealGeneration;

/* The generation after the one of this agreement secret. shared: what both ends agreed on. */
void seal_schedule_generation(const uint8_t agreement[SEAL_SECRET_BYTES], const uint8_t shared[SEAL_SECRET_BYTES],
                              SealGeneration *ret);

/* The secret of the next epoch takes the place of this one's. */
void seal_schedule_epoch(uint8_t secret[SEAL_SECRET_BYTES]);

/* Key and iv of an epoch. Returns: 0; -EOPNOTSUPP; -ENOMEM. */
int seal_schedule_keys(const uint8_t secret[SEAL_SECRET_BYTES], SealCipher cipher, SealAead *ret,
                       uint8_t ret_iv[SEAL_NONCE_BYTES]);

/* Reference suite: salt of all rotations, from the first key; and the key that follows. */
void seal_schedule_reference_salt(const uint8_t first[SEAL_SECRET_BYTES], uint8_t ret_salt[SEAL_SECRET_BYTES]);
void seal_schedule_reference_next(const uint8_t salt[SEAL_SECRET_BYTES], uint8_t key[SEAL_SECRET_BYTES]);

/* HKDF-Expand; size: at most 255 times SEAL_SECRET_BYTES. */
void seal_schedule_expand(const uint8_t secret[SEAL_SECRET_BYTES], const char *label, void *ret, size_t size);
