/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The messages of o7s-cbr. Big-endian:
 *
 *    0         4    5    6         8                 16                24                32
 *   +---------+----+----+---------+-----------------+-----------------+-----------------+ - - -
 *   | "o7cb"  | 1  |type| zero    | run             | sequence        | time sent, ns   | body
 *   +---------+----+----+---------+-----------------+-----------------+-----------------+ - - -
 *
 *   type    body
 *   DATA    filling; sequence counts from 1
 *   END     messages sent u64; said until there is a report, where it can get lost
 *   REPORT  messages u64, bytes u64, lost u64, out of order u64, jitter in ns u64
 */

#include <stddef.h>
#include <stdint.h>

#define CBR_HEADER_BYTES 32U
#define CBR_CONTROL_BYTES_MAX 72U
#define CBR_MESSAGE_BYTES_MAX 1048576U

typedef enum CbrType {
        CBR_DATA = 1,
        CBR_END,
        CBR_REPORT,
} CbrType;

typedef struct CbrReport {
        uint64_t n_messages;
        uint64_t n_bytes;
        uint64_t n_lost;
        uint64_t n_out_of_order;
        uint64_t jitter_nsec;
} CbrReport;

typedef struct CbrMessage {
        CbrType type;
        uint64_t run;           /* drawn by each client */
        uint64_t sequence;
        uint64_t sent_nsec;     /* the sender's CLOCK_MONOTONIC */
        union {
                uint64_t n_sent;        /* CBR_END */
                CbrReport report;       /* CBR_REPORT */
        };
} CbrMessage;

/* Writes header and body; buffer has room for CBR_CONTROL_BYTES_MAX. Returns: the bytes written. */
size_t cbr_message_write(const CbrMessage *message, void *buffer);

/* Returns: 0; -EBADMSG: not such a message. */
int cbr_message_parse(const void *data, size_t size, CbrMessage *ret);
