/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Status: of the whole, of a layer, of a name. With --json, what Describe() says. */

#include <stdio.h>
#include <time.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/flows.h"
#include "o7sctl/status.h"
#include "o7sctl/table.h"
#include "o7sctl/terminal.h"

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

/* "Protected: 3 encrypted with a proven peer, 1 encrypted, 2 plain". */
static int print_protection(Ctl *ctl) {
        FlowCounts counts = {};
        int r;

        r = flows_list(ctl, flow_counts_add, &counts);
        if (r > 0)
                return r;

        status_label("Protected");
        (void) printf("%" PRIu64 " encrypted with a proven peer, %" PRIu64 " encrypted", counts.n_proven,
                      counts.n_encrypted);
        if (counts.n_sealed > 0)
                (void) printf(", %" PRIu64 " against alteration only", counts.n_sealed);
        (void) printf(", %s%" PRIu64 " plain%s", terminal_sequence(counts.n_plain > 0 ? COLOR_YELLOW : COLOR_NORMAL),
                      counts.n_plain, terminal_sequence(COLOR_NORMAL));
        if (counts.n_local > 0)
                (void) printf(", %" PRIu64 " within this host", counts.n_local);
        (void) printf("\n");
        return 0;
}

static int status_of_all(Ctl *ctl) {
        _cleanup_json_ json_object *manager = NULL;
        char host[256] = "this host";
        int r;

        if (ctl->options.json != JSON_OFF) {
                r = status_describe(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, &manager);
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
                status_print_state(member_string(manager, "State"), member_string(manager, "StateReason"));
        status_label("Layers");
        (void) printf("%" PRIu64 "\n", member_u64(manager, "NLayers"));
        status_label("Names");
        (void) printf("%" PRIu64 "\n", member_u64(manager, "NNames"));
        status_label("Flows");
        (void) printf("%" PRIu64 " now, %" PRIu64 " since the start, %" PRIu64 " could not be made\n",
                      member_u64(manager, "NFlows"), member_u64(manager, "FlowsTotal"),
                      member_u64(manager, "FlowsFailedTotal"));
        r = print_protection(ctl);

        return r > 0 ? r : print_layers(ctl);
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
