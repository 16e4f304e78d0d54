/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Certificates and policies, on the bus. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/security-bus.h"

/* A call without arguments that never starts the service: one that does not run reads everything when it does. Returns:
 * 0; the exit status. */
static int reload_with(Ctl *ctl, const char *member) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, member, &call);
        if (r > 0)
                return r;

        r = sd_bus_message_set_auto_start(call, false);
        if (r >= 0)
                r = bus_try(ctl, call, &error, NULL);
        if (r >= 0 || bus_exit_status(error.name) == EXIT_NOT_RUNNING)
                return 0;

        return bus_complain(ctl, &error, r, "The files are written, but o7s-irm could not be told");
}

int security_reload(Ctl *ctl, bool names) {
        int r = 0;

        if (ctl->options.root[0] != '\0')
                return 0;

        /* A host that is being set up may have no bus yet. */
        if (!ctl->bus && !ctl->options.host && !ctl->options.machine &&
            access("/run/dbus/system_bus_socket", F_OK) < 0 && !getenv("DBUS_SYSTEM_BUS_ADDRESS"))
                return 0;

        agent_open(ctl);
        if (names)
                r = reload_with(ctl, "Reload");
        if (r == 0)
                r = reload_with(ctl, "ReloadSecurity");

        return r;
}

/* All values of one key, as one: "" where they are all empty. */
static int join_values(const Options *o, const char *key, char **ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        for (size_t i = 0; i < o->n_settings; i++) {
                _cleanup_free_ char *before = NULL;

                if (!streq(o->settings[i].key, key))
                        continue;

                before = TAKE_PTR(text);
                r = format_string(&text, "%s%s%s", strempty(before), isempty(before) ? "" : " ", o->settings[i].value);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(text);
        return 0;
}

static bool is_first(const Options *o, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (streq(o->settings[k].key, o->settings[i].key))
                        return false;

        return true;
}

static int append_settings(const Options *o, sd_bus_message *call) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{ss}");
        for (size_t i = 0; r >= 0 && i < o->n_settings; i++) {
                _cleanup_free_ char *text = NULL;

                if (!is_first(o, i))
                        continue;

                r = join_values(o, o->settings[i].key, &text);
                if (r >= 0)
                        r = sd_bus_message_append(call, "{ss}", o->settings[i].key, text);
        }

        return r < 0 ? r : sd_bus_message_close_container(call);
}

int security_set(Ctl *ctl, const char *name, const char *side) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "SetNameSecurity", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "ss", name, side);
        if (r >= 0)
                r = append_settings(&ctl->options, call);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", UINT64_C(0));
        if (r < 0)
                return bus_complain_message(r);

        agent_open(ctl);
        return bus_send(ctl, call, NULL, "Cannot change the policy of '%s'", name);
}

int security_get(Ctl *ctl, const char *name, const char *side, json_object **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_json_ json_object *properties = NULL;
        json_object *policy = NULL;
        const char *path;
        int r;

        *ret = NULL;
        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "GetName", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", name);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_try(ctl, call, &error, &reply);
        if (r < 0 && sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "NoSuchName"))
                return 0;
        if (r < 0)
                return bus_complain(ctl, &error, r, "Cannot look for '%s'", name);

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_properties(ctl, path, BUS_INTERFACE_NAME, &properties);
        if (r > 0)
                return r;

        (void) json_object_object_get_ex(properties, streq(side, "client") ? "ClientSecurity" : "ServerSecurity",
                                         &policy);
        *ret = policy ? json_object_get(policy) : json_object_new_object();
        return *ret ? 0 : bus_complain_message(-ENOMEM);
}

int security_try_test(Ctl *ctl, const char *name, const char *side, sd_bus_error *error, json_object **ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(ctl->bus, &call, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER,
                                           "TestSecurity");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", name, side);
        if (r >= 0)
                r = bus_try(ctl, call, error, &reply);
        if (r >= 0)
                r = bus_json_read(reply, ret);

        return r < 0 ? r : r == 0 ? -ENODATA : 0;
}
