/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The values of the keys in security-policy.h, one kind per sort of value: the same checks for files and for the bus. A
 * problem is a static sentence without its key.
 */

#include "services/common/security-policy.h"

typedef enum SecurityValueKind {
        SECURITY_AUTHENTICATION,        /* int */
        SECURITY_ENCRYPTION,            /* int */
        SECURITY_PEER_KIND,             /* int */
        SECURITY_COMMON_NAME,           /* .common_name and what stands beside it */
        SECURITY_PATH,                  /* char * */
        SECURITY_PRIVATE_KEY,           /* char * */
        SECURITY_KEY_EXCHANGES,         /* from here on: ConfStrings */
        SECURITY_CIPHERS,
        SECURITY_DIGESTS,
        SECURITY_PATHS,
        SECURITY_PINS,
        SECURITY_PEER_PATTERNS,
        _SECURITY_VALUE_KIND_MAX,
        _SECURITY_VALUE_KIND_INVALID = -EINVAL,
} SecurityValueKind;

static inline bool security_value_is_list(SecurityValueKind kind) {
        return kind >= SECURITY_KEY_EXCHANGES;
}

/* Sets a single value, adds to a list; an empty text brings the default back, or empties. On failure the field is as it
 * was. Returns: 0; -EINVAL: *ret_problem says why; -ENOMEM. */
int security_value_assign(SecurityValueKind kind, void *field, const char *text, const char **ret_problem);

/* Whether one pattern of AllowPeer= or DenyPeer= matches everything that the other does. */
bool security_pattern_covers(const char *pattern, const char *other);
