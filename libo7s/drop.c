/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of the reasons for which packets are dropped, as statistics and logs show them. */

#include "libo7s/drop.h"

static const char *const drop_reason_table[_DROP_REASON_MAX] = {
        [DROP_MALFORMED] = "malformed",
        [DROP_UNKNOWN_ENDPOINT] = "unknown-endpoint",
        [DROP_WRONG_SOURCE] = "wrong-source",
        [DROP_NOT_FOR_US] = "not-for-us",
        [DROP_QUEUE_FULL] = "queue-full",
        [DROP_TOO_LARGE] = "too-large",
        [DROP_LINK_DOWN] = "link-down",
        [DROP_SEND_FAILED] = "send-failed",
        [DROP_FLOW_CLOSED] = "flow-closed",
        [DROP_UNKNOWN_MESSAGE] = "unknown-message",
        [DROP_LIMIT] = "limit",
        [DROP_NO_MEMORY] = "no-memory",
        [DROP_HOSTILE] = "hostile",
        [DROP_NO_ROUTE] = "no-route",
        [DROP_TTL] = "ttl",
        [DROP_NOT_ATTACHED] = "not-attached",
        [DROP_FORGED] = "forged",
        [DROP_REPLAYED] = "replayed",
};

DEFINE_ENUM_NAMES(drop_reason, DropReason);
