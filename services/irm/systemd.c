/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls to org.freedesktop.systemd1, see systemd.h. */

#include "services/irm/systemd.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define SYSTEMD_UNIT_PATH "/org/freedesktop/systemd1/unit"

int systemd_get_unit(sd_bus *bus, pid_t pid, sd_bus_message_handler_t answered, void *userdata, sd_bus_slot **ret) {
        if (!bus)
                return -ENOTCONN;

        return sd_bus_call_method_async(bus, ret, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "GetUnitByPID",
                                        answered, userdata, "u", (uint32_t) pid);
}

int systemd_unit_from_reply(sd_bus_message *reply, char **ret) {
        const char *path;
        int r;

        if (sd_bus_message_is_method_error(reply, NULL))
                return -ENOENT;

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return -EBADMSG;

        r = sd_bus_path_decode(path, SYSTEMD_UNIT_PATH, ret);
        if (r < 0)
                return r;

        return r > 0 ? 0 : -EBADMSG;
}

int systemd_reload(sd_bus *bus, sd_bus_message_handler_t answered, void *userdata, sd_bus_slot **ret) {
        if (!bus)
                return -ENOTCONN;

        return sd_bus_call_method_async(bus, ret, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "Reload", answered,
                                        userdata, NULL);
}

int systemd_queue_job(sd_bus *bus, const char *method, const char *unit, sd_bus_message_handler_t answered,
                      void *userdata, sd_bus_slot **ret) {
        if (!bus)
                return -ENOTCONN;

        return sd_bus_call_method_async(bus, ret, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, method, answered,
                                        userdata, "ss", unit, "replace");
}

int systemd_watch_jobs(sd_bus *bus, sd_bus_message_handler_t removed, void *userdata, sd_bus_slot **ret) {
        int r;

        if (!bus)
                return -ENOTCONN;

        r = sd_bus_match_signal_async(bus, ret, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved", removed,
                                      NULL, userdata);
        if (r < 0)
                return r;

        /* Signals are only sent while somebody has subscribed. An error means that somebody is us already. */
        return sd_bus_call_method_async(bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe", NULL,
                                        NULL, NULL);
}
