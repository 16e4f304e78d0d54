/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a member has to know to be the same one in its next life, in bytes (big-endian):
 *
 *    0  address                                   u64
 *    8  sequence: our links' numbers begin here   u64
 *   16  type, hash                                u32 each
 *   24  numbers of the configuration              14 times u32, in the order of LayerConfig
 *   80  length of the layer's name                u8
 *   81  the name
 *       the id of the layer                       16 bytes, or none where it has none
 */

#include "basic/cursor.h"
#include "services/common/layer-config.h"

#define MEMBER_STATE_LEFT_BYTES 16U     /* of one that left in good order: the first two alone */
#define MEMBER_STATE_BYTES_MAX (81U + FLOW_NAME_WIRE_BYTES_MAX + LAYER_ID_BYTES)

typedef struct MemberState {
        uint64_t address;
        uint64_t sequence;
        LayerConfig config;             /* without peer */
} MemberState;

/* Returns: how many bytes. */
size_t member_state_pack(const MemberState *state, uint8_t bytes[MEMBER_STATE_BYTES_MAX]);

/* Returns: 0; -EBADMSG: not such bytes, or no member could be like that; -EOPNOTSUPP: we cannot. */
int member_state_parse(const uint8_t *bytes, size_t size, MemberState *ret);

/* One that is no member any more, but shall have the same address should it join again: members of another make
 * remember for a day where a name was, and try no other place. Neither looks at config. */
void member_state_pack_left(const MemberState *state, uint8_t bytes[MEMBER_STATE_LEFT_BYTES]);

/* Returns: 0; -EBADMSG: not such bytes. */
int member_state_parse_left(const uint8_t *bytes, size_t size, MemberState *ret);
