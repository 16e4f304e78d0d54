/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Policies of names, see name-security.h. */

#include <stdio.h>

#include "basic/log.h"
#include "services/common/message-id.h"
#include "services/irm/flow.h"

static const char *const security_side_table[_SECURITY_SIDE_MAX] = {
        [SECURITY_SERVER] = "server",
        [SECURITY_CLIENT] = "client",
};

DEFINE_ENUM_NAMES(security_side, SecuritySide);

static void complain(const Name *n, int error, const char *what) {
        char field[sizeof(LOG_FIELD_NAME "=") + FLOW_NAME_WIRE_BYTES_MAX];

        (void) snprintf(field, sizeof(field), LOG_FIELD_NAME "=%s", n->name);
        (void) log_with_errno(LOG_ERR, error, LOG_FIELDS(MESSAGE_NAME_POLICY_BAD, field),
                              "Flows of '%s' are refused, %s: %m", n->name, what);
}

/* -- settings -- */

static void setting_done(NameSetting *setting) {
        free(setting->key);
        free(setting->value);
        *setting = (NameSetting) { .state_slot = STATE_NO_SLOT };
}

static NameSetting *setting_find(NameSecurity *security, const char *key) {
        for (unsigned i = 0; i < security->n_settings; i++)
                if (streq(security->settings[i].key, key))
                        return &security->settings[i];

        return NULL;
}

static void setting_remove(Manager *m, NameSecurity *security, NameSetting *setting) {
        state_remove(m->state, STATE_SETTING, setting->state_slot);
        setting_done(setting);
        *setting = security->settings[--security->n_settings];
}

static int setting_put(Name *n, SecuritySide side, const char *key, const char *value) {
        NameSecurity *security = &n->security[side];
        StateSetting record = { .side = (uint32_t) side };
        NameSetting made = { .state_slot = STATE_NO_SLOT }, *before = setting_find(security, key);

        if (!copy_string(record.key, sizeof(record.key), key) ||
            !copy_string(record.value, sizeof(record.value), value) ||
            (!before && security->n_settings >= NAME_SETTINGS_MAX))
                return -E2BIG;
        (void) copy_string(record.name, sizeof(record.name), n->name);

        made.key = strdup(key);
        made.value = strdup(value);
        if (!made.key || !made.value) {
                setting_done(&made);
                return -ENOMEM;
        }

        made.state_slot = state_put(n->manager->state, STATE_SETTING, &record);
        if (made.state_slot == STATE_NO_SLOT) {
                setting_done(&made);
                return -ENOSPC;                 /* it would be gone, and the name weaker, after a restart of ours */
        }
        if (before)
                setting_remove(n->manager, security, before);
        security->settings[security->n_settings++] = made;
        return 0;
}

/* -- the policy -- */

static int put_together(const NameSecurity *security, SecurityPolicy *ret) {
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        const char *problem;
        int r;

        r = security_policy_copy(&security->file, &policy);
        for (unsigned i = 0; r >= 0 && i < security->n_settings; i++)
                r = security_policy_set(&policy, security->settings[i].key, security->settings[i].value, &problem);
        if (r < 0)
                return r;

        *ret = policy;
        policy = (SecurityPolicy) {};
        return 0;
}

static void renew(Name *n, SecuritySide side) {
        NameSecurity *security = &n->security[side];
        SecurityPolicy policy;
        int r;

        r = put_together(security, &policy);
        security->broken = r < 0;
        if (r < 0) {
                complain(n, r, "its security policy cannot be put together");
                return;
        }

        security_policy_done(&security->current);
        security->current = policy;
}

void name_security_done(Name *n) {
        for (SecuritySide side = 0; side < _SECURITY_SIDE_MAX; side++) {
                NameSecurity *security = &n->security[side];

                while (security->n_settings > 0)
                        setting_remove(n->manager, security, &security->settings[0]);
                security_policy_done(&security->file);
                security_policy_done(&security->current);
        }
}

void name_security_apply_file(Name *n, SecuritySide side, const SecurityPolicy *policy) {
        NameSecurity *security = &n->security[side];
        SecurityPolicy file;
        int r;

        r = security_policy_copy(policy, &file);
        if (r < 0) {
                security->broken = true;
                complain(n, r, "its security policy cannot be taken over");
                return;
        }

        security_policy_done(&security->file);
        security->file = file;
        renew(n, side);
}

/* -- at run time -- */

/* On a copy, before anything changes. */
static int check_values(const Name *n, SecuritySide side, char *const *values, size_t n_values, const char **ret_key,
                        const char **ret_problem) {
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        int r;

        r = security_policy_copy(&n->security[side].current, &policy);
        for (size_t i = 0; r >= 0 && i + 1 < n_values; i += 2) {
                *ret_key = values[i];
                r = security_policy_set(&policy, values[i], values[i + 1], ret_problem);
                if (r >= 0 && strlen(values[i + 1]) >= sizeof(((StateSetting *) NULL)->value))
                        r = -E2BIG;
        }

        return r;
}

int name_security_set(Name *n, SecuritySide side, char *const *values, size_t n_values, const char **ret_key,
                      const char **ret_problem) {
        NameSecurity *security = &n->security[side];
        int r;

        r = check_values(n, side, values, n_values, ret_key, ret_problem);

        for (size_t i = 0; r >= 0 && i + 1 < n_values; i += 2) {
                NameSetting *setting = setting_find(security, values[i]);

                if (!isempty(values[i + 1]) || n->from_file)
                        r = setting_put(n, side, values[i], values[i + 1]);
                else if (setting)
                        setting_remove(n->manager, security, setting);
        }
        if (r < 0)
                return r;

        renew(n, side);
        return 0;
}

void name_security_restore(Name *n, const StateSetting *record) {
        int r;

        if (record->side >= _SECURITY_SIDE_MAX)
                return;

        r = setting_put(n, (SecuritySide) record->side, record->key, record->value);
        if (r < 0) {
                n->security[record->side].broken = true;
                complain(n, r, "a setting of before cannot be taken over");
                return;
        }

        renew(n, (SecuritySide) record->side);
}
