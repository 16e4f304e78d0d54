/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a handshake leaves to the two ends of a flow: how its packets are protected, and with which secrets. seal.h
 * uses them. */

#include "basic/macro.h"

#define SEAL_SECRET_BYTES 32U
#define SEAL_LABEL_BYTES 16U

typedef enum SealSuite {
        SEAL_NONE,
        SEAL_REFERENCE,
        SEAL_O7S,
        _SEAL_SUITE_MAX,
        _SEAL_SUITE_INVALID = -EINVAL,
} SealSuite;

/* Ciphers have their numbers of OAP. */
typedef enum SealCipher {
        SEAL_AES_128_GCM = 895,
        SEAL_AES_192_GCM = 898,         /* reference suite only */
        SEAL_AES_256_GCM = 901,
        SEAL_CHACHA20_POLY1305 = 1018,
} SealCipher;

/* What a handshake leaves to the two ends of a flow. Whoever has it wipes it once it is handed on. */
typedef struct SealKeys {
        SealSuite suite;
        SealCipher cipher;
        bool mac_only;                          /* o7s only */
        bool client;                            /* we asked for the flow: who begins key agreements */
        uint8_t label[SEAL_LABEL_BYTES];        /* o7s: names the flow in what is authenticated, equal at both ends */
        uint8_t send[SEAL_SECRET_BYTES];        /* o7s: of generation 0, towards the peer; reference: the one key */
        uint8_t receive[SEAL_SECRET_BYTES];     /* o7s: of generation 0, from the peer; reference: the same */
        uint8_t agreement[SEAL_SECRET_BYTES];   /* o7s: what later key agreements are mixed into, equal at both ends */
} SealKeys;

/* For people: "aes-128-gcm", ..., "mac" with mac_only. Never NULL. */
const char *seal_protection(const SealKeys *keys);
