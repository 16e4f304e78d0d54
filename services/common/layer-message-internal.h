/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What layer-message.c, which packs, and layer-message-parse.c share: which fields a message has, and what must
 * hold. */

#include "services/common/layer-message.h"

enum {
        FLOW = 1U << 0,         /* not 0 */
        REFERENCE = 1U << 1,
        QUERY = 1U << 2,
        ATTEMPT = 1U << 3,
        RESULT = 1U << 4,
        VERSION = 1U << 5,
        LAYER_TYPE = 1U << 6,
        STATE = 1U << 7,
        HASH_ALGORITHM = 1U << 8,
        MTU = 1U << 9,
        OAP_MAX = 1U << 10,
        REASON = 1U << 11,
        LANE = 1U << 12,
        TOKENS = 1U << 13,      /* each may be absent */
        QOS = 1U << 14,
        LAYER = 1U << 15,       /* not empty */
        NAME = 1U << 16,        /* may be empty */
        PEER = 1U << 17,        /* may be empty */
        TEXT = 1U << 18,        /* may be empty */
        HASH = 1U << 19,        /* not empty */
        OAP = 1U << 20,         /* may be empty */
        UID = 1U << 21,
        ADDRESS = 1U << 22,
        ORDER = 1U << 23,       /* and components, which may be none */
        LOWER = 1U << 24,       /* may be empty */
        NEIGHBOUR = 1U << 25,
        LAYER_ID = 1U << 26,    /* may be absent */
        BINDING = 1U << 27,     /* may be empty */
        CONTROL = 1U << 28,     /* may be absent */
        RESET = 1U << 29,       /* may be absent */
        OF_LAYER = 1U << 30,
};

/* Fields of this type; 0: it is not one. */
uint32_t layer_message_fields(LayerMessageType type);

/* What must hold for every message, whichever side made it. */
bool layer_message_is_sane(const LayerMessage *message);
