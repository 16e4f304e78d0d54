/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events as they happen: a line each, or one JSON object per line. */

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/table.h"
#include "o7sctl/terminal.h"

typedef struct Monitor {
        Ctl *ctl;
        int error;              /* of the last event that could not be read */
} Monitor;

static const char *argument(json_object *arguments, size_t i) {
        json_object *value = json_object_array_get_idx(arguments, i);

        return value ? strempty(json_object_get_string(value)) : "";
}

/* The last part of an object path, such as the name of a layer. */
static void object_name(const char *prefix, const char *path, char **ret) {
        if (sd_bus_path_decode(path, prefix, ret) <= 0)
                *ret = NULL;
}

static void print_time(void) {
        struct timespec now;
        struct tm local;
        char text[16];

        (void) clock_gettime(CLOCK_REALTIME, &now);
        (void) localtime_r(&now.tv_sec, &local);
        (void) strftime(text, sizeof(text), "%H:%M:%S", &local);
        (void) printf("%s%s.%03ld%s ", terminal_sequence(COLOR_GREY), text, now.tv_nsec / 1000000,
                      terminal_sequence(COLOR_NORMAL));
}

/* "layer home        degraded → online      neighbour delta up" */
static void print_event(const char *member, const char *path, json_object *arguments) {
        _cleanup_free_ char *layer = NULL, *name = NULL;

        object_name(BUS_PATH_LAYER, path, &layer);
        object_name(BUS_PATH_NAME, path, &name);
        print_time();

        if (streq(member, "StateChanged"))
                (void) printf("layer %-12s %s %s %s%s%s  %s", strempty(layer), argument(arguments, 0),
                              terminal_glyph(GLYPH_ARROW), terminal_sequence(state_color(argument(arguments, 1))),
                              argument(arguments, 1), terminal_sequence(COLOR_NORMAL), argument(arguments, 2));
        else if (streq(member, "NeighbourChanged"))
                (void) printf("layer %-12s neighbour %s %s %s %s  %s", strempty(layer), argument(arguments, 0),
                              argument(arguments, 1), terminal_glyph(GLYPH_ARROW), argument(arguments, 2),
                              argument(arguments, 3));
        else if (streq(member, "LayerNew") || streq(member, "LayerRemoved"))
                (void) printf("layer %-12s %s", argument(arguments, 0),
                              streq(member, "LayerNew") ? "new" : "removed");
        else if (streq(member, "NameNew") || streq(member, "NameRemoved"))
                (void) printf("name  %-12s %s", argument(arguments, 0),
                              streq(member, "NameNew") ? "new" : "removed");
        else if (streq(member, "FlowNew")) {
                json_object *info = json_object_array_get_idx(arguments, 1), *verified = NULL;
                bool proven =
                        json_object_object_get_ex(info, "PeerVerified", &verified) && json_object_get_boolean(verified);

                (void) printf("flow  %-12s new   %s%s%s%s%s%s%s%s", argument(arguments, 0), member_string(info, "Name"),
                              isempty(member_string(info, "Layer")) ? "" : "  via ", member_string(info, "Layer"),
                              isempty(member_string(info, "Peer")) ? "" : ", ", member_string(info, "Peer"),
                              proven ? " (proven)" : "", isempty(member_string(info, "Protection")) ? "" : ", ",
                              member_string(info, "Protection"));
        } else if (streq(member, "CertificateExpiring"))
                (void) printf("certificate of %s: %s",
                              isempty(argument(arguments, 0)) ? "this host" : argument(arguments, 0),
                              argument(arguments, 1));
        else if (streq(member, "FlowRemoved"))
                (void) printf("flow  %-12s ended %s", argument(arguments, 0), argument(arguments, 1));
        else if (streq(member, "OperationRemoved"))
                (void) printf("operation %s %s", argument(arguments, 1), argument(arguments, 3));
        else if (streq(member, "Reloading"))
                (void) printf("o7s-irm %s",
                              streq(argument(arguments, 0), "true") ? "is reloading" : "has reloaded");
        else
                (void) printf("%s%s%s %s", strempty(name), name ? " " : "", member,
                              json_object_to_json_string_ext(arguments, JSON_C_TO_STRING_PLAIN));

        (void) printf("\n");
        (void) fflush(stdout);
}

static void print_event_json(const char *member, const char *path, json_object *arguments) {
        _cleanup_json_ json_object *line = json_object_new_object();
        struct timespec now;
        char time[32];

        /* Microseconds since the epoch as a string: 64 bits. */
        (void) clock_gettime(CLOCK_REALTIME, &now);
        (void) snprintf(time, sizeof(time), "%lld%06ld", (long long) now.tv_sec, now.tv_nsec / 1000);

        (void) json_object_object_add(line, "time_usec", json_object_new_string(time));
        (void) json_object_object_add(line, "event", json_object_new_string(member));
        (void) json_object_object_add(line, "path", json_object_new_string(path));
        (void) json_object_object_add(line, "arguments", json_object_get(arguments));

        /* One line each, whatever was asked for: a stream has no end to format for. */
        json_print(line, JSON_SHORT);
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *interface = strempty(sd_bus_message_get_interface(message));
        _cleanup_json_ json_object *arguments = NULL;
        Monitor *monitor = userdata;

        /* Properties and objects change with everything; their news come as signals of their own. */
        if (!startswith(interface, BUS_NAME_IRM ".")) {
                if (sd_bus_message_is_signal(message, "org.freedesktop.DBus", "NameOwnerChanged")) {
                        const char *name, *old, *new;

                        if (sd_bus_message_read(message, "sss", &name, &old, &new) >= 0 &&
                            monitor->ctl->options.json == JSON_OFF) {
                                print_time();
                                (void) printf("o7s-irm %s\n", isempty(new)   ? "ended"
                                                              : isempty(old) ? "started"
                                                                             : "was replaced");
                                (void) fflush(stdout);
                        }
                }
                return 0;
        }

        monitor->error = bus_json_read_all(message, &arguments);
        if (monitor->error < 0)
                return 0;

        if (monitor->ctl->options.json != JSON_OFF)
                print_event_json(sd_bus_message_get_member(message), sd_bus_message_get_path(message), arguments);
        else
                print_event(sd_bus_message_get_member(message), sd_bus_message_get_path(message), arguments);

        return 0;
}

/* Flows are announced to subscribers alone. */
static int subscribe(Ctl *ctl) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Subscribe", &call);
        return r > 0 ? r : bus_send(ctl, call, NULL, "Cannot watch flows");
}

int verb_monitor(Ctl *ctl, int argc, char *argv[]) {
        Monitor monitor = { .ctl = ctl };
        int r;

        r = bus_open(ctl);
        if (r > 0)
                return r;

        r = sd_bus_add_match(ctl->bus, NULL, "type='signal',sender='" BUS_NAME_IRM "'", on_signal, &monitor);
        if (r >= 0)
                r = sd_bus_add_match(ctl->bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                                     "arg0='" BUS_NAME_IRM "'",
                                     on_signal, &monitor);
        if (r < 0)
                return bus_complain_message(r);

        r = subscribe(ctl);
        if (r > 0)
                return r;

        for (;;) {
                r = sd_bus_process(ctl->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(ctl->bus, UINT64_MAX);
                if (r == -EINTR)
                        continue;
                if (r < 0) {
                        (void) fprintf(stderr, "Lost the system bus: %s.\n", strerror(-r));
                        return EXIT_FAILED;
                }
        }
}
