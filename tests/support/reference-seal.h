/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The other end of a flow of the reference suite: how the reference implementation protects packets and rotates keys,
 * written from the description of its behaviour and from nothing of ours. It counts the packets that it sent and
 * those that arrived, and takes the phase bit at its word; nothing of it is made to cope with loss.
 */

#include <gnutls/crypto.h>

#include "basic/macro.h"

typedef struct ReferenceSeal {
        gnutls_cipher_algorithm_t algorithm;
        uint64_t interval;                      /* packets both ways between rotations: 2^20; a power of two */
        bool forgets_early;                     /* also when it receives, instead of only when it sends */
        uint8_t salt[32];
        uint8_t current[32], previous[32];      /* keys */
        gnutls_aead_cipher_hd_t current_handle, previous_handle;        /* NULL: there is none */
        uint64_t count, age;
        bool phase;
        uint64_t n_rotations;
        uint64_t random;                        /* state of its nonces */
} ReferenceSeal;

void reference_seal_init(ReferenceSeal *s, gnutls_cipher_algorithm_t algorithm, const uint8_t key[32],
                         uint64_t interval, uint64_t seed);
void reference_seal_done(ReferenceSeal *s);

/* Returns: bytes of the packet. It has room for 28 more than the content. */
size_t reference_seal_protect(ReferenceSeal *s, const void *content, size_t size, uint8_t *packet);
/* Returns: bytes of the content; -EBADMSG. */
ssize_t reference_seal_open(ReferenceSeal *s, const uint8_t *packet, size_t size, uint8_t *content);
