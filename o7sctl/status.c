/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pages of single objects: a layer, a name. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/bus.h"
#include "o7sctl/status.h"
#include "o7sctl/table.h"
#include "o7sctl/terminal.h"

#define LABEL_WIDTH 10

void status_label(const char *text) {
        (void) printf("%*s: ", LABEL_WIDTH, text);
}

/* "● lan - Home network   eth" */
static void heading(const char *state, const char *name, const char *description, const char *right) {
        (void) printf("%s%s%s %s%s%s%s%s   %s%s%s\n", terminal_sequence(state_color(state)),
                      terminal_glyph(state_glyph(state)), terminal_sequence(COLOR_NORMAL),
                      terminal_sequence(COLOR_BOLD), name, terminal_sequence(COLOR_NORMAL),
                      isempty(description) ? "" : " - ", strempty(description), terminal_sequence(COLOR_GREY),
                      right, terminal_sequence(COLOR_NORMAL));
}

void status_print_state(const char *state, const char *reason) {
        status_label("State");
        (void) printf("%s%s%s%s%s\n", terminal_sequence(state_color(state)), state,
                      terminal_sequence(COLOR_NORMAL), isempty(reason) ? "" : ": ", strempty(reason));
}

/* "a, b, c", of strings or of the first (and second) members of tuples. Nothing where there are none. */
static void print_list(const char *title, json_object *array, bool two) {
        size_t n = array ? json_object_array_length(array) : 0;

        if (n == 0)
                return;

        status_label(title);
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

int status_describe(Ctl *ctl, const char *path, const char *interface, json_object **ret) {
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

/* -- a layer -- */

/* "Traffic: ↓ 2.1 MiB in 1500 frames   ↑ ...": on an Ethernet layer frames, in others the packets of its members. */
static void print_traffic(json_object *counters) {
        const char *unit = json_object_object_get_ex(counters, "packets-rx-bytes", NULL) ? "packets" : "frames";
        char rx[32], tx[32];

        status_label("Traffic");
        (void) printf("%s %s in %" PRIu64 " %s   %s %s in %" PRIu64 " %s\n", terminal_glyph(GLYPH_DOWN),
                      bytes_format(rx, sizeof(rx), counter_u64(counters, "rx-bytes")),
                      counter_u64(counters, "rx-packets"), unit, terminal_glyph(GLYPH_UP),
                      bytes_format(tx, sizeof(tx), counter_u64(counters, "tx-bytes")),
                      counter_u64(counters, "tx-packets"), unit);
}

/* "Drops: frames queue-full 10, flows malformed 2": from the counters named PREFIX-drop-REASON, which exist once one
 * happened. */
static void print_drops(json_object *counters) {
        bool first = true;

        status_label("Drops");
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

        status_label("Ethernet");
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

static void print_layer_id(json_object *layer) {
        json_object *id = member_array(layer, "Id");

        if (!id || json_object_array_length(id) == 0)
                return;

        status_label("Id");
        for (size_t i = 0; i < json_object_array_length(id); i++)
                (void) printf("%02x", (unsigned) json_object_get_int(json_object_array_get_idx(id, i)));
        (void) printf("\n");
}

static void print_unicast(Ctl *ctl, const char *service, json_object *layer) {
        _cleanup_json_ json_object *unicast = NULL;
        uint64_t address = member_u64(layer, "Address"), n = member_u64(layer, "NNeighbours");

        if (!streq(member_string(layer, "Type"), "unicast"))
                return;

        print_layer_id(layer);
        if (address != 0) {
                status_label("Address");
                (void) printf("%" PRIu64 "\n", address);
        }
        if (!isempty(service) &&
            bus_try_properties(ctl, service, BUS_PATH_IPCP, BUS_INTERFACE_UNICAST, &unicast) >= 0) {
                status_label("Routing");
                (void) printf("%s, congestion avoidance %s\n", member_string(unicast, "Routing"),
                              member_string(unicast, "Congestion"));
        }
        status_label("Neighbours");
        (void) printf("%" PRIu64 "%s%s\n", n, n > 0 ? ", see: o7sctl neighbours " : "",
                      n > 0 ? member_string(layer, "Name") : "");
}

static void print_counters(Ctl *ctl, const char *service) {
        _cleanup_json_ json_object *counters = NULL;

        if (isempty(service) || bus_try_counters(ctl, service, &counters) < 0)
                return;

        print_traffic(counters);
        print_drops(counters);
}

/* "Security: Encryption=required, Authentication=mutual". Nothing where the defaults hold. */
static void print_policy(const char *title, json_object *object, const char *key) {
        json_object *policy = NULL;
        bool first = true;

        if (!json_object_object_get_ex(object, key, &policy) || json_object_object_length(policy) == 0)
                return;

        status_label(title);
        json_object_object_foreach(policy, setting, value) {
                (void) printf("%s%s=%s", first ? "" : ", ", setting, json_object_get_string(value));
                first = false;
        }
        (void) printf("\n");
}

static void print_file(json_object *layer) {
        json_object *dropins = member_array(layer, "DropInPaths");
        size_t n = dropins ? json_object_array_length(dropins) : 0;

        status_label("File");
        (void) printf("%s", isempty(member_string(layer, "FragmentPath"))
                                    ? "none"
                                    : member_string(layer, "FragmentPath"));
        if (n > 0)
                (void) printf(" (+ %zu drop-in%s)", n, n == 1 ? "" : "s");
        if (streq(member_string(layer, "NeedReload"), "true"))
                (void) printf("   %schanged on disk since o7s-irm read it%s", terminal_sequence(COLOR_YELLOW),
                              terminal_sequence(COLOR_NORMAL));
        (void) printf("\n");
}

int status_of_layer(Ctl *ctl, const char *path, json_object **ret) {
        _cleanup_json_ json_object *layer = NULL;
        const char *state;
        int r;

        r = bus_properties(ctl, path, BUS_INTERFACE_LAYER, &layer);
        if (r > 0)
                return r;

        state = member_string(layer, "State");
        if (ctl->options.json != JSON_OFF) {
                r = status_describe(ctl, path, BUS_INTERFACE_LAYER, ret);
                if (r > 0)
                        return r;
                return streq(state, "online") || streq(state, "degraded") ? EXIT_FINE : EXIT_NOT_ACTIVE;
        }

        heading(state, member_string(layer, "Name"), member_string(layer, "Description"),
                member_string(layer, "Type"));
        print_file(layer);
        status_label("Unit");
        (void) printf("%s", member_string(layer, "Unit"));
        if (member_u64(layer, "MainPID") > 0)
                (void) printf(", pid %" PRIu64, member_u64(layer, "MainPID"));
        (void) printf("\n");
        status_print_state(state, member_string(layer, "StateReason"));
        print_list("Over", member_array(layer, "Over"), false);
        print_list("Used by", member_array(layer, "UsedBy"), false);
        print_ethernet(ctl, member_string(layer, "BusName"));
        print_unicast(ctl, member_string(layer, "BusName"), layer);
        print_policy("Security", layer, "LayerSecurity");
        if (member_u64(layer, "MaxPacketSize") > 0) {
                status_label("Max pkt");
                (void) printf("%" PRIu64 " B\n", member_u64(layer, "MaxPacketSize"));
        }
        print_list("Names", member_array(layer, "Names"), false);
        status_label("Flows");
        (void) printf("%" PRIu64 "\n", member_u64(layer, "NFlows"));
        print_counters(ctl, member_string(layer, "BusName"));

        return streq(state, "online") || streq(state, "degraded") ? EXIT_FINE : EXIT_NOT_ACTIVE;
}

/* -- a name -- */

int status_of_name(Ctl *ctl, const char *path, json_object **ret) {
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
        print_policy("Server", name, "ServerSecurity");
        print_policy("Client", name, "ClientSecurity");
        status_label("Accepting");
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
