/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The messages of link-state routing, one per message of a management flow, big-endian. A link is directed; who
 * announces it is its source. The prototype knows one message:
 *
 *    0                   8                   16                  24
 *   +-------------------+-------------------+-------------------+
 *   |  to (address)     |  from (address)   |  sequence         |
 *   +-------------------+-------------------+-------------------+
 *
 * and ignores what has another length. Between o7s members the same is said in 32 bytes, with what the prototype has no
 * words for:
 *
 *    0         4    5    6      8                   16                  24                  32
 *   +---------+----+----+------+-------------------+-------------------+-------------------+
 *   | "o7LS"  |ver |kind| cost |  to               |  from             |  sequence         |
 *   +---------+----+----+------+-------------------+-------------------+-------------------+
 *
 *   ver    1; another one is ignored
 *   kind   0: the link is there, and costs "cost" (1 to 65535)      1: it is withdrawn; cost is 0
 *
 * Both forms of one link share one sequence, and the two of the same number are one announcement: the longer form adds
 * to the shorter one. A link of which only the shorter form is heard costs ROUTING_COST_DEFAULT.
 */

#include "basic/macro.h"

#define LSA_BYTES 24U
#define LSA_EXTENDED_BYTES 32U
#define LSA_BYTES_MAX LSA_EXTENDED_BYTES

/* Nobody who counts refreshes, or microseconds, comes this far. See lsdb.h. */
#define LSA_SEQUENCE_MAX (UINT64_C(1) << 63)

typedef struct Lsa {
        uint64_t to;
        uint64_t from;
        uint64_t sequence;
        bool extended;                  /* in the longer form */
        bool withdrawn;                 /* only in the longer form */
        uint32_t cost;                  /* the default in the shorter form; 0 where withdrawn */
} Lsa;

/* Returns: 0; -EBADMSG: no link-state message; -EPROTO: one that means nothing: addresses of 0, a link from a member to
 * itself, a cost or kind out of range, a sequence beyond LSA_SEQUENCE_MAX. */
int lsa_parse(const uint8_t *data, size_t size, Lsa *ret);

/* Writes it in the form that lsa->extended says. Returns its size. */
size_t lsa_write(const Lsa *lsa, uint8_t buffer[LSA_BYTES_MAX]);
