/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogControl1. Only root (and our own user) may write: sd-bus sees to that for properties not marked unprivileged.
 * The target follows from where standard error goes, so that it can be read and "set" to what it is, not moved.
 */

#include "basic/log.h"
#include "services/common/daemon-log.h"

static int property_get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_get_max_level()));
}

static int property_set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *value, void *userdata, sd_bus_error *error) {
        const char *text;
        int level, r;

        r = sd_bus_message_read(value, "s", &text);
        if (r < 0)
                return r;

        level = log_level_from_string(text);
        if (level < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "'%s' is not a log level, such as info or debug.", text);

        log_set_max_level(level);
        log_notice("Log level is now %s.", log_level_to_string(level));
        return 0;
}

static const char *log_target(void) {
        return getenv("JOURNAL_STREAM") ? "journal" : "console";
}

static int property_get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_target());
}

static int property_set_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *value, void *userdata, sd_bus_error *error) {
        const char *text;
        int r;

        r = sd_bus_message_read(value, "s", &text);
        if (r < 0)
                return r;
        if (!streq(text, "auto") && !streq(text, log_target()))
                return sd_bus_error_setf(error, SD_BUS_ERROR_NOT_SUPPORTED,
                                         "The log goes to the %s; StandardError= "
                                         "of the unit decides that.", log_target());

        return 0;
}

static int property_get_identifier(sd_bus *bus, const char *path, const char *interface, const char *property,
                                   sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", (const char *) userdata);
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", property_get_level, property_set_level, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", property_get_target, property_set_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", property_get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int daemon_log_export(sd_bus *bus, const char *identifier) {
        return sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1",
                                        log_control_vtable, (void *) (uintptr_t) identifier);
}
