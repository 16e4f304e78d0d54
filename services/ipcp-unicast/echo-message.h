/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The message of the echo component, EID 32 (docs/WIRE.md): a probe and its answer, both of the same size, so that
 * whoever asks in another's name sends as much as he makes us send. Big-endian.
 *
 *   0          1       2        3           4           8           16          24        28      32       96
 *   | version  | code  | flags  | name size | sequence  | cookie    | address   | queue   | zero  | name   |
 *
 * The address is that of the sender: a header has none. What a probe does not use is zero, and so is what follows a
 * name.
 */

#include "services/common/cep.h"

#define ECHO_MESSAGE_BYTES 96U
#define ECHO_VERSION 1U
#define ECHO_FLAG_DESTINATION (1U << 0)         /* answer: the probe was for us, not on its way through */

typedef enum EchoCode {
        ECHO_PROBE,
        ECHO_ANSWER,
        _ECHO_CODE_MAX,
        _ECHO_CODE_INVALID = -EINVAL,
} EchoCode;

typedef struct EchoMessage {
        EchoCode code;
        bool destination;                       /* answer */
        uint32_t sequence;                      /* of the one who asks; comes back as it was */
        uint64_t cookie;                        /* the same, random */
        uint64_t address;                       /* of the sender, never 0 */
        uint32_t queue;                         /* answer: packets that wait for room at the sender */
        char member[CEP_MEMBER_BYTES_MAX + 1];  /* answer: name of the sender */
} EchoMessage;

void echo_message_pack(const EchoMessage *message, uint8_t ret[ECHO_MESSAGE_BYTES]);

/* Returns: 0; -EBADMSG; -EPROTO: another version, or a code that we do not know. */
int echo_message_parse(const void *data, size_t size, EchoMessage *ret);
