/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One key of an AEAD, set up once and used for all packets of one epoch and direction. One call a packet; the tag
 * follows what it protects. Nothing here reads memory that another process can write.
 */

#include "libo7s/seal-keys.h"

#define SEAL_NONCE_BYTES 12U
#define SEAL_TAG_BYTES 16U

typedef struct SealAead {
        void *handle;                   /* of the library; NULL: no key */
        size_t key_bytes;
} SealAead;

/* Bytes of its keys; 0: a cipher that our libraries do not carry. */
size_t seal_cipher_key_bytes(SealCipher cipher);

/* "aes-128-gcm", ...; NULL: not carried. */
const char *seal_cipher_name(SealCipher cipher);

/* key: as many bytes as the cipher wants. Returns: 0; -EOPNOTSUPP; -ENOMEM. */
int seal_aead_init(SealAead *aead, SealCipher cipher, const uint8_t *key);
/* Wipes the key; one that was never set up is fine. */
void seal_aead_done(SealAead *aead);

/* content → to: as many bytes, and the tag. Returns: 0; -EIO. */
int seal_aead_encrypt(const SealAead *aead, const uint8_t nonce[SEAL_NONCE_BYTES], const void *associated,
                      size_t associated_size, const void *content, size_t size, void *to);
/* size: with the tag. Returns: 0; -EBADMSG, and zeroes where the content would be. */
int seal_aead_decrypt(const SealAead *aead, const uint8_t nonce[SEAL_NONCE_BYTES], const void *associated,
                      size_t associated_size, const void *packet, size_t size, void *to);

/* The same of content that stays readable: what is associated, then the content, are authenticated. */
int seal_aead_sign(const SealAead *aead, const uint8_t nonce[SEAL_NONCE_BYTES], const void *associated,
                   size_t associated_size, const void *content, size_t size, uint8_t ret_tag[SEAL_TAG_BYTES]);
int seal_aead_verify(const SealAead *aead, const uint8_t nonce[SEAL_NONCE_BYTES], const void *associated,
                     size_t associated_size, const void *content, size_t size, const uint8_t tag[SEAL_TAG_BYTES]);
