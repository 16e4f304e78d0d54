/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Status: of the whole, of a layer, of a name. With --json, what Describe() says. */

#include <stdio.h>
#include <time.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/table.h"
#include "o7sctl/terminal.h"

#define LABEL_WIDTH 10

/* "     Unit: " */
static void label(const char *text) {
        (void) printf("%*s: ", LABEL_WIDTH, text);
}

static void heading(const char *state, const char *name, const char *description, const char *right) {
        (void) printf("%s%s%s %s%s%s%s%s   %s%s%s\n", terminal_sequence(state_color(state)),
                      terminal_glyph(state_glyph(state)), terminal_sequence(COLOR_NORMAL),
                      terminal_sequence(COLOR_BOLD), name, terminal_sequence(COLOR_NORMAL),
                      isempty(description) ? "" : " - ", strempty(description), terminal_sequence(COLOR_GREY),
                      right, terminal_sequence(COLOR_NORMAL));
}

static void print_state(const char *state, const char *reason) {
        label("State");
        (void) printf("%s%s%s%s%s\n", terminal_sequence(state_color(state)), state,
                      terminal_sequence(COLOR_NORMAL), isempty(reason) ? "" : ": ", strempty(reason));
}

/* "a, b, c", of strings or of the first (and second) members of tuples. Nothing where there are none. */
static void print_list(const char *title, json_object *array, bool two) {
        size_t n = array ? json_object_array_length(array) : 0;

        if (n == 0)
                return;

        label(title);
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i), *second = NULL;

                if (json_object_get_type(item) == json_type_array) {
                        second = two ? json_object_array_get_idx(item, 1) : NULL;
                        item = json_object_array_get_idx(item, 0);
                }
                (void) printf("%s%s%s%s", i > 0 ? ", " : "", strempty(json_object_get_string(item)),
                              second ? " " : "", second ? strempty(json_object_get_string(second)) : "");
        }
        (void) printf("\n");
}

/* Calls Describe() and prints it. */
static int describe(Ctl *ctl, const char *path, const char *interface, json_object **ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        const char *text;
        int r;

        r = bus_prepare(ctl, path, interface, "Describe", &call);
        if (r > 0)
                return r;

        r = bus_send(ctl, call, &reply, "Cannot describe %s", path);
        if (r > 0)
                return r;

        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return bus_complain_message(r);

        *ret = json_tokener_parse(text);
        return *ret ? 0 : bus_complain_message(-EBADMSG);
}

/* -- the whole -- */

static void print_uptime(json_object *manager) {
        uint64_t started = member_u64(manager, "StartTimestamp");
        struct timespec now;
        char text[32];
        uint64_t now_usec;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        now_usec = (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / NSEC_PER_USEC;
        if (started == 0 || started > now_usec)
                return;

        /* Whole seconds: nobody wants the milliseconds of an uptime. */
        (void) printf(", up %s",
                      usec_format(text, sizeof(text), (now_usec - started) / USEC_PER_SEC * USEC_PER_SEC));
}

/* "● lan          eth       online, 2 flows"; where it is not online, why, and what to look at next. */
static int print_layer(Ctl *ctl, json_object *row) {
        const char *name = item_string(row, 0), *type = item_string(row, 1), *state = item_string(row, 2);
        _cleanup_json_ json_object *layer = NULL;
        int r;

        r = bus_properties(ctl, item_string(row, 5), BUS_INTERFACE_LAYER, &layer);
        if (r > 0)
                return r;

        (void) printf("%s%s%s %-12s %-9s %s", terminal_sequence(state_color(state)),
                      terminal_glyph(state_glyph(state)), terminal_sequence(COLOR_NORMAL), name, type, state);

        if (streq(state, "online")) {
                (void) printf(", %" PRIu64 " flow%s\n", member_u64(layer, "NFlows"),
                              member_u64(layer, "NFlows") == 1 ? "" : "s");
                return 0;
        }

        (void) printf(": %s\n", member_string(layer, "StateReason"));
        if (!strstr(member_string(layer, "StateReason"), "o7sctl"))     /* else it says what to do by itself */
                (void) printf("  %s o7sctl %s %s\n", terminal_glyph(GLYPH_ARROW),
                              streq(state, "created") ? "up" : "status", name);
        return 0;
}

static int print_layers(Ctl *ctl) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_json_ json_object *rows = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "ListLayers", &call);
        if (r > 0)
                return r;

        r = bus_send(ctl, call, &reply, "Cannot list layers");
        if (r > 0)
                return r;

        r = bus_json_read_rows(reply, &rows);
        if (r < 0)
                return bus_complain_message(r);

        (void) printf("\n");
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                r = print_layer(ctl, json_object_array_get_idx(rows, i));
                if (r > 0)
                        return r;
        }
        if (json_object_array_length(rows) == 0)
                (void) printf("No layers yet: o7sctl new NAME --eth=INTERFACE --now\n");

        return 0;
}

static int status_of_all(Ctl *ctl) {
        _cleanup_json_ json_object *manager = NULL;
        char host[256] = "this host";
        int r;

        if (ctl->options.json != JSON_OFF) {
                r = describe(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, &manager);
                if (r == 0)
                        json_print(manager, ctl->options.json);
                return r;
        }

        r = bus_properties(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, &manager);
        if (r > 0)
                return r;

        if (!ctl->options.host && !ctl->options.machine)
                (void) gethostname(host, sizeof(host) - 1);

        terminal_page(ctl);
        (void) printf("%s%s%s %s%s%s   o7s %s", terminal_sequence(COLOR_GREEN), terminal_glyph(GLYPH_ACTIVE),
                      terminal_sequence(COLOR_NORMAL), terminal_sequence(COLOR_BOLD),
                      ctl->options.host ?: ctl->options.machine ?: host, terminal_sequence(COLOR_NORMAL),
                      member_string(manager, "Version"));
        print_uptime(manager);
        (void) printf("\n");

        if (!isempty(member_string(manager, "State")))
                print_state(member_string(manager, "State"), member_string(manager, "StateReason"));
        label("Layers");
        (void) printf("%" PRIu64 "\n", member_u64(manager, "NLayers"));
        label("Names");
        (void) printf("%" PRIu64 "\n", member_u64(manager, "NNames"));
        label("Flows");
        (void) printf("%" PRIu64 " now, %" PRIu64 " since the start, %" PRIu64 " could not be made\n",
                      member_u64(manager, "NFlows"), member_u64(manager, "FlowsTotal"),
                      member_u64(manager, "FlowsFailedTotal"));

        return print_layers(ctl);
}

/* -- a layer -- */

/* "Traffic: ↓ 2.1 MiB in 1500 frames   ↑ ..." */
static void print_traffic(json_object *counters) {
        char rx[32], tx[32];

        label("Traffic");
        (void) printf("%s %s in %" PRIu64 " frames   %s %s in %" PRIu64 " frames\n", terminal_glyph(GLYPH_DOWN),
                      bytes_format(rx, sizeof(rx), member_u64(counters, "frames-rx-bytes")),
                      member_u64(counters, "frames-rx-packets"), terminal_glyph(GLYPH_UP),
                      bytes_format(tx, sizeof(tx), member_u64(counters, "frames-tx-bytes")),
                      member_u64(counters, "frames-tx-packets"));
}

/* "Drops: frames queue-full 10, flows malformed 2": from the counters named PREFIX-drop-REASON, which exist once one happened. */
static void print_drops(json_object *counters) {
        bool first = true;

        label("Drops");
        json_object_object_foreach(counters, key, value) {
                const char *drop = strstr(key, "-drop-");

                if (!drop)
                        continue;
                (void) printf("%s%.*s %s %" PRIu64, first ? "" : ", ", (int) (drop - key), key,
                              drop + STRLEN("-drop-"), json_object_get_uint64(value));
                first = false;
        }
        (void) printf("%s\n", first ? "none" : "");
}

/* What the IPCP itself tells, on its own bus name. */
static void print_ethernet(Ctl *ctl, const char *service) {
        _cleanup_json_ json_object *ethernet = NULL;
        json_object *address, *carrier = NULL;

        if (isempty(service) ||
            bus_try_properties(ctl, service, BUS_PATH_IPCP, BUS_INTERFACE_ETHERNET, &ethernet) < 0)
                return;

        label("Ethernet");
        (void) printf("%s", member_string(ethernet, "Interface"));
        address = member_array(ethernet, "HardwareAddress");
        for (size_t i = 0; address && i < json_object_array_length(address); i++)
                (void) printf("%s%02x", i == 0 ? ", " : ":",
                              (unsigned) json_object_get_int(json_object_array_get_idx(address, i)));
        (void) printf(", %s", member_string(ethernet, "Framing"));
        if (streq(member_string(ethernet, "Framing"), "dix"))
                (void) printf(" 0x%04" PRIx64, member_u64(ethernet, "EtherType"));
        if (json_object_object_get_ex(ethernet, "Carrier", &carrier) && !json_object_get_boolean(carrier))
                (void) printf(", %sno carrier%s", terminal_sequence(COLOR_RED), terminal_sequence(COLOR_NORMAL));
        (void) printf("\n");
}

static void print_counters(Ctl *ctl, const char *service) {
        _cleanup_json_ json_object *counters = NULL;

        if (isempty(service) || bus_try_counters(ctl, service, &counters) < 0)
                return;

        print_traffic(counters);
        print_drops(counters);
}

static void print_file(json_object *layer) {
        json_object *dropins = member_array(layer, "DropInPaths");
        size_t n = dropins ? json_object_array_length(dropins) : 0;

        label("File");
        (void) printf("%s", isempty(member_string(layer, "FragmentPath"))
                                    ? "none"
                                    : member_string(layer, "FragmentPath"));
        if (n > 0)
                (void) printf(" (+ %zu drop-in%s)", n, n == 1 ? "" : "s");
        if (streq(member_string(layer, "NeedReload"), "true"))
                (void) printf("   %schanged on disk: o7sctl up reloads it%s", terminal_sequence(COLOR_YELLOW),
                              terminal_sequence(COLOR_NORMAL));
        (void) printf("\n");
}

static int status_of_layer(Ctl *ctl, const char *path, json_object **ret) {
        _cleanup_json_ json_object *layer = NULL;
        const char *state;
        int r;

        r = bus_properties(ctl, path, BUS_INTERFACE_LAYER, &layer);
        if (r > 0)
                return r;

        state = member_string(layer, "State");
        if (ctl->options.json != JSON_OFF) {
                r = describe(ctl, path, BUS_INTERFACE_LAYER, ret);
                if (r > 0)
                        return r;
                return streq(state, "online") || streq(state, "degraded") ? EXIT_FINE : EXIT_NOT_ACTIVE;
        }

        heading(state, member_string(layer, "Name"), member_string(layer, "Description"),
                member_string(layer, "Type"));
        print_file(layer);
        label("Unit");
        (void) printf("%s", member_string(layer, "Unit"));
        if (member_u64(layer, "MainPID") > 0)
                (void) printf(", pid %" PRIu64, member_u64(layer, "MainPID"));
        (void) printf("\n");
        print_state(state, member_string(layer, "StateReason"));
        print_list("Over", member_array(layer, "Over"), false);
        print_list("Used by", member_array(layer, "UsedBy"), false);
        print_ethernet(ctl, member_string(layer, "BusName"));
        if (member_u64(layer, "MaxPacketSize") > 0) {
                label("Max pkt");
                (void) printf("%" PRIu64 " B\n", member_u64(layer, "MaxPacketSize"));
        }
        print_list("Names", member_array(layer, "Names"), false);
        label("Flows");
        (void) printf("%" PRIu64 "\n", member_u64(layer, "NFlows"));
        print_counters(ctl, member_string(layer, "BusName"));

        return streq(state, "online") || streq(state, "degraded") ? EXIT_FINE : EXIT_NOT_ACTIVE;
}

/* -- a name -- */

static int status_of_name(Ctl *ctl, const char *path, json_object **ret) {
        _cleanup_json_ json_object *name = NULL;
        json_object *bound, *registered;
        int r;

        r = bus_properties(ctl, path, BUS_INTERFACE_NAME, &name);
        if (r > 0)
                return r;

        if (ctl->options.json != JSON_OFF) {
                *ret = TAKE_PTR(name);
                return EXIT_FINE;
        }

        bound = member_array(name, "Bindings");
        registered = member_array(name, "RegisteredIn");
        heading(member_u64(name, "Accepting") > 0 ? "online" : "created", member_string(name, "Name"), NULL,
                member_string(name, "LoadBalance"));

        print_list("Bound to", bound, true);
        print_list("Layers", registered, true);
        label("Accepting");
        (void) printf("%" PRIu64 " program%s, %" PRIu64 " flows waiting, %" PRIu64 " accepted so far\n",
                      member_u64(name, "Accepting"), member_u64(name, "Accepting") == 1 ? "" : "s",
                      member_u64(name, "Pending"), member_u64(name, "AcceptedTotal"));

        /* Which of the steps is missing, and the command for it. */
        if (!bound || json_object_array_length(bound) == 0)
                (void) printf("  Only root may serve it: o7sctl name %s --user=USER or --unit=UNIT\n",
                              member_string(name, "Name"));
        else if (member_u64(name, "Accepting") == 0)
                (void) printf("  Nobody serves it now: start the program that it is bound to.\n");
        if (!registered || json_object_array_length(registered) == 0)
                (void) printf("  Only this host can reach it: o7sctl name %s --layer=LAYER\n",
                              member_string(name, "Name"));

        return EXIT_FINE;
}

/* GetLayer or GetName. Returns: 0 with the path; 0 with NULL: there is none; an exit status. */
static int find(Ctl *ctl, const char *member, const char *what, const char *none, char **ret_path) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        const char *path;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, member, &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", what);
        if (r < 0)
                return bus_complain_message(r);

        *ret_path = NULL;
        r = bus_try(ctl, call, &error, &reply);
        if (r < 0 &&
            (sd_bus_error_has_name(&error, none) || sd_bus_error_has_name(&error, SD_BUS_ERROR_INVALID_ARGS) ||
             sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "InvalidArgument")))
                return 0;
        if (r < 0)
                return bus_complain(ctl, &error, r, "Cannot look for '%s'", what);

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return bus_complain_message(r);

        *ret_path = strdup(path);
        return *ret_path ? 0 : bus_complain_message(-ENOMEM);
}

static int status_of(Ctl *ctl, const char *what, json_object **ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = find(ctl, "GetLayer", what, BUS_ERROR_PREFIX "NoSuchLayer", &path);
        if (r > 0)
                return r;
        if (path)
                return status_of_layer(ctl, path, ret);

        r = find(ctl, "GetName", what, BUS_ERROR_PREFIX "NoSuchName", &path);
        if (r > 0)
                return r;
        if (path)
                return status_of_name(ctl, path, ret);

        (void) fprintf(
                stderr,
                "There is neither a layer nor a name '%s' on this host. See: o7sctl layers; o7sctl names\n",
                what);
        return EXIT_FAILED;
}

int verb_status(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_json_ json_object *all = json_object_new_array();
        int status = EXIT_FINE;

        if (argc == 1)
                return status_of_all(ctl);

        for (int i = 1; i < argc; i++) {
                json_object *one = NULL;
                int r;

                if (i > 1 && ctl->options.json == JSON_OFF)
                        (void) printf("\n");
                r = status_of(ctl, argv[i], &one);
                status = status ?: r;
                if (one && json_object_array_add(all, one) < 0)
                        json_object_put(one);
        }

        /* One object for one argument, so that a script need not unwrap it. */
        if (ctl->options.json != JSON_OFF && json_object_array_length(all) > 0)
                json_print(argc == 2 ? json_object_array_get_idx(all, 0) : all, ctl->options.json);

        return status;
}
