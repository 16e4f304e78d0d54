/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager about the security of names, and how a policy looks on the bus: its keys and values, as in
 * files. */

#include "libo7s/bus-names.h"
#include "services/irm/announce.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"
#include "services/irm/policy.h"
#include "services/irm/security-call.h"

/* -- showing -- */

static int append_key(void *userdata, const char *key, const char *value) {
        return MIN(sd_bus_message_append(userdata, "{ss}", key, value), 0);
}

int policy_append(sd_bus_message *reply, const SecurityPolicy *policy) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{ss}");
        if (r >= 0 && policy)
                r = security_policy_describe(policy, append_key, reply);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* -- changing -- */

/* Pairs of strings; both of the message's. */
static int read_settings(sd_bus_message *message, char *ret[2 * NAME_SETTINGS_MAX], size_t *ret_n,
                         sd_bus_error *error) {
        const char *key, *value;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{ss}");
        while (r >= 0 && (r = sd_bus_message_read(message, "{ss}", &key, &value)) > 0) {
                if (n == 2 * NAME_SETTINGS_MAX)
                        return bus_error_set(error, -EINVAL, "These are more settings than there are keys");

                ret[n++] = (char *) (uintptr_t) key;    /* only read */
                ret[n++] = (char *) (uintptr_t) value;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;

        *ret_n = n;
        return 0;
}

static int read_side(const char *text, SecuritySide *ret, sd_bus_error *error) {
        SecuritySide side = security_side_from_string(text);

        if (side < 0)
                return bus_error_set(error, -EINVAL, "A name has the sides 'server' and 'client', not '%s'", text);

        *ret = side;
        return 0;
}

int method_set_name_security(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        char *settings[2 * NAME_SETTINGS_MAX];
        const char *name, *side_name, *key = "", *problem = NULL;
        Manager *m = userdata;
        SecuritySide side = SECURITY_SERVER;
        uint64_t flags;
        size_t n_settings = 0;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &side_name);
        if (r >= 0)
                r = read_side(side_name, &side, error);
        if (r >= 0)
                r = read_settings(message, settings, &n_settings, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_NAME_POLICY, name, NULL, side_name, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = name_security_set(n, side, settings, n_settings, &key, &problem);
        if (r == -ENOENT)
                return bus_error_set(error, -EINVAL, "There is no setting '%s' of the security of a name", key);
        if (r == -E2BIG)
                return bus_error_set(error, -EINVAL,
                                     "The value of %s is too long to be set at run time; write it to %s.name", key,
                                     name);
        if (r < 0)
                return bus_error_set(error, r == -ENOSPC ? -ENOMEM : r, "Cannot set %s of '%s': %s", key, name,
                                     problem ? problem : strerror(-r));

        announce_name_changed(n, side == SECURITY_SERVER ? "ServerSecurity" : "ClientSecurity");
        return sd_bus_reply_method_return(message, NULL);
}

/* -- asking the authentication service -- */

static int start_call(Manager *m, sd_bus_message *message, AuthMessage *question, uid_t uid, sd_bus_error *error) {
        int r;

        r = security_call_start(m, message, question, uid);
        if (r == -EDQUOT)
                return bus_error_set(error, r,
                                     "A user may have %u such calls open, all together %u; wait for their answers",
                                     SECURITY_CALLS_PER_USER_MAX, SECURITY_CALLS_MAX);
        if (r < 0)
                return bus_error_set(error, r, "Cannot ask the authentication service: %s", strerror(-r));

        return 1;                       /* answered later */
}

int method_test_security(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        AuthMessage question = { .type = AUTH_INSPECT };
        char text[IRM_TEXT_BYTES_MAX] = "";
        const char *name, *side_name;
        Manager *m = userdata;
        SecuritySide side = SECURITY_SERVER;
        uid_t uid;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &side_name);
        if (r >= 0)
                r = read_side(side_name, &side, error);
        if (r >= 0)
                r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;
        if (!flow_name_is_valid_on_wire(name))
                return bus_error_set(error, -EINVAL, "A name has 1 to %u bytes", FLOW_NAME_WIRE_BYTES_MAX);

        r = policy_of_name(m, name, side, &question.policy, text);
        if (r < 0)
                return bus_error_set(error, r, "%s", text[0] ? text : strerror(-r));

        question.server = side == SECURITY_SERVER;
        (void) copy_string(question.name, sizeof(question.name), name);
        return start_call(m, message, &question, uid, error);
}

int method_reload_security(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        AuthMessage question = { .type = AUTH_RELOAD };
        Manager *m = userdata;
        uid_t uid;
        int r;

        r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_RELOAD, NULL, NULL, "security", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        return start_call(m, message, &question, uid, error);
}
