/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "flow": everything about single flows. */

#include <pwd.h>
#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/bus.h"
#include "o7sctl/status.h"
#include "o7sctl/table.h"

static int get_flow(Ctl *ctl, uint64_t id, json_object **ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "GetFlow", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "t", id);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_send(ctl, call, &reply, "Cannot show flow %" PRIu64, id);
        if (r > 0)
                return r;

        r = bus_json_read(reply, ret);
        return r <= 0 ? bus_complain_message(r ?: -ENODATA) : 0;
}

/* "alice, pid 4711"; nothing where there is none on this host. */
static void print_process(const char *label, json_object *flow, const char *uid_key, const char *pid_key) {
        uint64_t uid = member_u64(flow, uid_key), pid = member_u64(flow, pid_key);
        const struct passwd *user;

        if (uid == UINT32_MAX)
                return;

        user = getpwuid((uid_t) uid);
        status_label(label);
        if (user)
                (void) printf("%s", user->pw_name);
        else
                (void) printf("uid %" PRIu64, uid);
        if (pid != 0)
                (void) printf(", pid %" PRIu64, pid);
        (void) printf("\n");
}

static void print_security(json_object *flow) {
        const char *peer = member_string(flow, "Peer"), *protection = member_string(flow, "Protection"),
                   *kex = member_string(flow, "KeyExchange");
        bool local = isempty(member_string(flow, "Layer")), plain = isempty(protection) || streq(protection, "none");
        json_object *value = NULL;
        bool verified = json_object_object_get_ex(flow, "PeerVerified", &value) && json_object_get_boolean(value);

        status_label("Peer");
        (void) printf("%s, %s%s%s\n", isempty(peer) ? "unknown" : peer,
                      terminal_sequence(verified ? COLOR_GREEN
                                        : local  ? COLOR_NORMAL
                                                 : COLOR_YELLOW),
                      verified ? (local ? "as the kernel says" : "proven") : "not proven",
                      terminal_sequence(COLOR_NORMAL));
        status_label("Protected");
        if (plain)
                (void) printf("%s\n", local ? "within this host" : "not at all");
        else
                (void) printf("%s%s%s%s\n", protection,
                              streq(protection, "mac") ? " (against alteration; not secret)" : "",
                              isempty(kex) ? "" : ", keys agreed by ", kex);
}

static void print_flow(uint64_t id, json_object *flow) {
        const char *state = member_string(flow, "State"), *layer = member_string(flow, "Layer");
        uint64_t since = member_u64(flow, "SinceUSec"), now = time_realtime_nsec() / NSEC_PER_USEC;
        char text[64];

        (void) printf("%s%s%s %s%" PRIu64 "%s - %s\n", terminal_sequence(state_color(state)),
                      terminal_glyph(state_glyph(state)), terminal_sequence(COLOR_NORMAL),
                      terminal_sequence(COLOR_BOLD), id, terminal_sequence(COLOR_NORMAL), member_string(flow, "Name"));
        status_print_state(state, NULL);
        status_label("Layer");
        (void) printf("%s\n", isempty(layer) ? "(this host)" : layer);
        print_security(flow);
        print_process("Caller", flow, "CallerUID", "CallerPID");
        print_process("Acceptor", flow, "AcceptorUID", "AcceptorPID");
        if (since > 0) {
                status_label("Since");
                (void) printf("%s\n",
                              usec_format(text, sizeof(text), usec_sub(now, since) / USEC_PER_SEC * USEC_PER_SEC));
        }
        status_label("Memory");
        (void) printf("%s\n", bytes_format(text, sizeof(text), member_u64(flow, "LaneBytes")));
}

int verb_flow(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_json_ json_object *all = json_object_new_array();
        int status = EXIT_FINE;

        if (!all)
                return bus_complain_message(-ENOMEM);

        for (int i = 1; i < argc; i++) {
                json_object *flow = NULL;
                uint64_t id;
                int r;

                if (parse_u64(argv[i], UINT64_MAX, &id) < 0) {
                        (void) fprintf(stderr, "'%s' is no number of a flow. See: o7sctl flows\n", argv[i]);
                        return EXIT_USAGE;
                }

                r = get_flow(ctl, id, &flow);
                status = status ?: r;
                if (r > 0)
                        continue;

                if (ctl->options.json == JSON_OFF)
                        print_flow(id, flow);
                if (json_object_array_add(all, flow) < 0)
                        (void) json_object_put(flow);
        }

        /* One object for one argument, so that a script need not unwrap it. */
        if (ctl->options.json != JSON_OFF && json_object_array_length(all) > 0)
                json_print(argc == 2 ? json_object_array_get_idx(all, 0) : all, ctl->options.json);

        return status;
}
