/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of enumerators from one table. An enum ends in _X_MAX and _X_INVALID = -EINVAL, so that a name
 * that is not in the table is an errno already.
 *
 *   static const char *const flow_state_table[_FLOW_STATE_MAX] = { [FLOW_PENDING] = "pending", ... };
 *   DEFINE_ENUM_NAMES(flow_state, FlowState);
 */

#include "basic/macro.h"

static inline int enum_from_string(const char *const *table, size_t n, const char *name) {
        if (!name)
                return -EINVAL;

        for (size_t i = 0; i < n; i++)
                if (table[i] && streq(table[i], name))
                        return (int) i;

        return -EINVAL;
}

#define DECLARE_ENUM_NAMES(prefix, type)                                                                          \
        const char *prefix##_to_string(type value) _const_;                                                       \
        type prefix##_from_string(const char *name) _pure_

#define DEFINE_ENUM_NAMES(prefix, type)                                                                           \
        const char *prefix##_to_string(type value) {                                                              \
                if ((int) value < 0 || (size_t) value >= ELEMENTSOF(prefix##_table))                              \
                        return NULL;                                                                              \
                return prefix##_table[value];                                                                     \
        }                                                                                                         \
        type prefix##_from_string(const char *name) {                                                             \
                return (type) enum_from_string(prefix##_table, ELEMENTSOF(prefix##_table), name);                 \
        }                                                                                                         \
        struct _enum_names_need_a_semicolon_
