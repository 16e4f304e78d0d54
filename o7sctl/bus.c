/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection, calls, and errors as sentences and exit statuses. */

#include <stdarg.h>
#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"

#define PASSWORD_USEC (120 * USEC_PER_SEC)

/* Errors that mean something else than "failed". Names without a dot are ours. */
static const struct {
        const char *name;
        int status;
} error_statuses[] = {
        { "NoSuchName", EXIT_NOT_ACTIVE },
        { "NotRegistered", EXIT_NOT_ACTIVE },
        { "NotBound", EXIT_NOT_ACTIVE },
        { "NoLowerLayer", EXIT_NOT_ACTIVE },
        { "NoRoute", EXIT_NOT_ACTIVE },
        { "PeerRefused", EXIT_NOT_ACTIVE },
        { "FlowDown", EXIT_NOT_ACTIVE },
        { "AuthenticationFailed", EXIT_DENIED },
        { "NotPermitted", EXIT_DENIED },
        { "AccessDenied", EXIT_DENIED },
        { "PeerTimeout", EXIT_TIMEOUT },
        { "ManagerNotRunning", EXIT_NOT_RUNNING },
        { "ConfigInvalid", EXIT_CONFIG },
        { "NoSuchDevice", EXIT_CONFIG },
        { SD_BUS_ERROR_ACCESS_DENIED, EXIT_DENIED },
        { SD_BUS_ERROR_AUTH_FAILED, EXIT_DENIED },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, EXIT_DENIED },
        { SD_BUS_ERROR_TIMEOUT, EXIT_TIMEOUT },
        { SD_BUS_ERROR_NO_REPLY, EXIT_TIMEOUT },
        { SD_BUS_ERROR_SERVICE_UNKNOWN, EXIT_NOT_RUNNING },
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER, EXIT_NOT_RUNNING },
        { "org.freedesktop.DBus.Error.Spawn.ChildExited", EXIT_NOT_RUNNING },
        { "org.freedesktop.DBus.Error.Spawn.Failed", EXIT_NOT_RUNNING },
        { "org.freedesktop.systemd1.LoadFailed", EXIT_NOT_RUNNING },
        { "org.freedesktop.systemd1.NoSuchUnit", EXIT_NOT_RUNNING },
        { "org.freedesktop.systemd1.UnitMasked", EXIT_NOT_RUNNING },
};

int bus_exit_status(const char *name) {
        if (isempty(name))
                return EXIT_FAILED;

        if (startswith(name, BUS_ERROR_PREFIX))
                name += STRLEN(BUS_ERROR_PREFIX);

        for (size_t i = 0; i < ELEMENTSOF(error_statuses); i++)
                if (streq(error_statuses[i].name, name))
                        return error_statuses[i].status;

        return EXIT_FAILED;
}

/* Errors that o7s-irm did not make itself say too little; ours carry their hint in the message. */
static const char *foreign_hint(const Ctl *ctl, const sd_bus_error *error) {
        switch (bus_exit_status(error->name)) {
        case EXIT_NOT_RUNNING:
                return ctl->options.host ? "Is o7s installed and running there?"
                                         : "Start it with: systemctl start o7s-irm.socket o7s-irm.service";
        case EXIT_DENIED:
                /* Where the action is named, so is what to do. */
                if (error->message && strstr(error->message, POLKIT_ACTION_PREFIX))
                        return NULL;
                return ctl->options.ask_password
                               ? "Run the command with sudo, or let an administrator add a polkit rule."
                               : "Run it again without --no-ask-password, or with sudo.";
        case EXIT_TIMEOUT:
                return "It may be at work still: o7sctl status. Allow more time with --timeout=.";
        default:
                return NULL;
        }
}

static void print_why(const char *text) {
        size_t length = strlen(text);

        (void) fprintf(stderr, ": %s%s\n", text, length > 0 && strchr(".!?\n", text[length - 1]) ? "" : ".");
}

static int complain_valist(Ctl *ctl, const sd_bus_error *error, int r, const char *what, va_list arguments) {
        bool ours = error->name && startswith(error->name, BUS_ERROR_PREFIX);
        const char *hint;
        int status;

        (void) fflush(stdout);
        (void) vfprintf(stderr, what, arguments);

        if (!error->name) {     /* no answer at all: r says why */
                print_why(r == -ETIMEDOUT ? "o7s-irm did not answer in time" : strerror(abs(r)));
                return r == -ETIMEDOUT ? EXIT_TIMEOUT : r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_FAILED;
        }

        status = bus_exit_status(error->name);
        print_why(status == EXIT_NOT_RUNNING && !ours ? "o7s-irm does not run and could not be started"
                  : isempty(error->message)           ? error->name
                                                      : error->message);

        hint = ours ? NULL : foreign_hint(ctl, error);
        if (hint)
                (void) fprintf(stderr, "  %s\n", hint);

        return status;
}

int bus_complain(Ctl *ctl, const sd_bus_error *error, int r, const char *what, ...) {
        va_list arguments;
        int status;

        va_start(arguments, what);
        status = complain_valist(ctl, error, r, what, arguments);
        va_end(arguments);

        return status;
}

int bus_complain_message(int r) {
        (void) fprintf(stderr, "Cannot understand o7s-irm: %s. Are both of the same version?\n",
                       strerror(abs(r)));
        return EXIT_FAILED;
}

int bus_open(Ctl *ctl) {
        const Options *o = &ctl->options;
        int r;

        if (ctl->bus)
                return 0;

        if (o->host)
                r = sd_bus_open_system_remote(&ctl->bus, o->host);
        else if (o->machine)
                r = sd_bus_open_system_machine(&ctl->bus, o->machine);
        else
                r = sd_bus_open_system(&ctl->bus);
        if (r < 0) {
                (void) fprintf(stderr, "Cannot connect to the system bus%s%s: %s.\n",
                               o->host || o->machine ? " of " : "", o->host ?: strempty(o->machine),
                               strerror(-r));
                return r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_NOT_RUNNING;
        }

        (void) sd_bus_set_method_call_timeout(ctl->bus, o->timeout);
        (void) sd_bus_set_allow_interactive_authorization(ctl->bus, o->ask_password);
        return 0;
}

int bus_prepare(Ctl *ctl, const char *path, const char *interface, const char *member, sd_bus_message **ret) {
        int r;

        r = bus_open(ctl);
        if (r > 0)
                return r;

        r = sd_bus_message_new_method_call(ctl->bus, ret, BUS_NAME_IRM, path, interface, member);
        return r < 0 ? bus_complain_message(r) : 0;
}

int bus_try(Ctl *ctl, sd_bus_message *call, sd_bus_error *error, sd_bus_message **ret) {
        usec_t timeout = ctl->options.timeout;
        int r;

        /* Somebody may be typing a password. */
        if (ctl->agent > 0)
                timeout = MAX(timeout, PASSWORD_USEC);

        r = sd_bus_call(ctl->bus, call, timeout, error, ret);
        return r < 0 ? r : 0;
}

int bus_send(Ctl *ctl, sd_bus_message *call, sd_bus_message **ret, const char *what, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list arguments;
        int r;

        r = bus_try(ctl, call, &error, ret);
        if (r >= 0)
                return 0;

        va_start(arguments, what);
        r = complain_valist(ctl, &error, r, what, arguments);
        va_end(arguments);

        return r;
}

int bus_properties(Ctl *ctl, const char *path, const char *interface, json_object **ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = bus_prepare(ctl, path, "org.freedesktop.DBus.Properties", "GetAll", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", interface);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_send(ctl, call, &reply, "Cannot ask o7s-irm about %s", path);
        if (r > 0)
                return r;

        r = bus_json_read(reply, ret);
        return r <= 0 ? bus_complain_message(r ?: -ENODATA) : 0;
}

/* An IPCP is never started by asking about it. */
static int try_read(Ctl *ctl, sd_bus_message *call, json_object **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_set_auto_start(call, false);
        if (r >= 0)
                r = bus_try(ctl, call, &error, &reply);
        if (r >= 0)
                r = bus_json_read(reply, ret);

        return r < 0 ? r : r == 0 ? -ENODATA : 0;
}

int bus_try_properties(Ctl *ctl, const char *service, const char *path, const char *interface,
                       json_object **ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(ctl->bus, &call, service, path, "org.freedesktop.DBus.Properties",
                                           "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", interface);

        return r < 0 ? r : try_read(ctl, call, ret);
}

int bus_try_counters(Ctl *ctl, const char *service, json_object **ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(ctl->bus, &call, service, BUS_PATH_IPCP, BUS_INTERFACE_STATISTICS,
                                           "GetAll");
        return r < 0 ? r : try_read(ctl, call, ret);
}

int bus_path_of(const char *prefix, const char *name, char **ret) {
        return sd_bus_path_encode(prefix, name, ret) < 0 ? -ENOMEM : 0;
}
