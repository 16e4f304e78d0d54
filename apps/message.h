/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbers in messages, big-endian, and the 32 bytes that messages of o7s-perf and o7s-cbr begin with:
 *
 *    0         4    5    6         8                 16                24                32
 *   +---------+----+----+---------+-----------------+-----------------+-----------------+
 *   | magic   | v  |type| zero    | run             | sequence        | time sent, ns   |
 *   +---------+----+----+---------+-----------------+-----------------+-----------------+
 */

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_HEADER_BYTES 32U

/* What tells one tool's messages from another's. */
typedef struct MessageKind {
        uint32_t magic;
        uint8_t version;
        uint8_t n_types;                /* from 1 */
} MessageKind;

typedef struct MessageHeader {
        uint8_t type;
        uint64_t run;                   /* drawn by each client */
        uint64_t sequence;
        uint64_t sent_nsec;             /* the sender's CLOCK_MONOTONIC */
} MessageHeader;

/* Returns: where the next one goes. */
uint8_t *message_store(uint8_t *to, uint64_t value, unsigned n_bytes);

/* *from moves on. */
uint64_t message_load(const uint8_t **from, unsigned n_bytes);

/* Returns: where the body goes. */
uint8_t *message_header_write(const MessageKind *kind, const MessageHeader *header, void *buffer);

/* Returns: 0, *ret_body is behind it; -EBADMSG: not such a message. */
int message_header_parse(const MessageKind *kind, const void *data, size_t size, MessageHeader *ret,
                         const uint8_t **ret_body);
