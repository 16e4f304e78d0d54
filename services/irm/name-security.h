/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The security policy of a name, for either side of its flows: what its file says, and over that the settings that
 * somebody made at run time (SetNameSecurity). These survive a restart of the IRM and a reload of the file, and end
 * with the name. A policy that cannot be put together is not replaced by a weaker one: its flows are refused until
 * it can.
 */

#include "services/common/security-policy.h"
#include "services/irm/state.h"

typedef enum SecuritySide {
        SECURITY_SERVER,        /* of flows that others open to it here */
        SECURITY_CLIENT,        /* of flows that this host opens to it elsewhere */
        _SECURITY_SIDE_MAX,
        _SECURITY_SIDE_INVALID = -EINVAL,
} SecuritySide;

DECLARE_ENUM_NAMES(security_side, SecuritySide);        /* "server", "client" */

#define NAME_SETTINGS_MAX 32U           /* of one side; there are fewer keys */

/* Made at run time. */
typedef struct NameSetting {
        char *key;
        char *value;
        uint32_t state_slot;
} NameSetting;

typedef struct NameSecurity {
        SecurityPolicy file;
        SecurityPolicy current;         /* with the settings */
        bool broken;                    /* it could not be put together */
        NameSetting settings[NAME_SETTINGS_MAX];
        unsigned n_settings;
} NameSecurity;

typedef struct Name Name;

/* Forgets all of it, its records in the state too. */
void name_security_done(Name *n);

/* What the file says now. */
void name_security_apply_file(Name *n, SecuritySide side, const SecurityPolicy *policy);

/* Checked together before any is taken. values: keys and values in turn; an empty value is the default of the key,
 * whatever the file says. Returns: 0; -ENOENT, -EINVAL: *ret_problem is a sentence, *ret_key whose; -E2BIG: too
 * long; -ENOMEM. */
int name_security_set(Name *n, SecuritySide side, char *const *values, size_t n_values, const char **ret_key,
                      const char **ret_problem);

/* One of before a restart. */
void name_security_restore(Name *n, const StateSetting *record);
