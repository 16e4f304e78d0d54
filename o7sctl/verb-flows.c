/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows: they are rows, not objects, fetched in pages. */

#include <pwd.h>
#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/table.h"

#define PAGE 1000U

enum { ID, NAME, LAYER, PEER, STATE, SINCE, MEMORY, USER, PID, MORE };

static const Column flow_columns[] = {
        [ID] = { "ID", "id", COLUMN_RIGHT },
        [NAME] = { "NAME", "name", COLUMN_SHORTEN },
        [LAYER] = { "LAYER", "layer", 0 },
        [PEER] = { "PEER", "peer", COLUMN_SHORTEN },
        [STATE] = { "STATE", "state", 0 },
        [SINCE] = { "SINCE", "since_usec", COLUMN_RIGHT },
        [MEMORY] = { "MEMORY", "memory_bytes", COLUMN_RIGHT },
        [USER] = { "USER", "uid", 0 },
        [PID] = { "PID", "pid", COLUMN_RIGHT },
        [MORE] = { "DETAILS", "details", COLUMN_JSON_ONLY },
};

/* The filter is applied by o7s-irm: on a busy host the list is long. */
static int append_filter(const Options *o, sd_bus_message *call) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0 && o->n_layers > 0)
                r = sd_bus_message_append(call, "{sv}", "layer", "s", o->layers[0]);
        if (r >= 0 && o->name)
                r = sd_bus_message_append(call, "{sv}", "name", "s", o->name);
        if (r >= 0 && o->mine)
                r = sd_bus_message_append(call, "{sv}", "uid", "u", (uint32_t) getuid());

        return r < 0 ? r : sd_bus_message_close_container(call);
}

/* Nobody's: its process on this host is not known yet, or no longer. */
static void set_user(Table *table, uint32_t uid) {
        const struct passwd *user = uid == UINT32_MAX ? NULL : getpwuid((uid_t) uid);
        char number[32];

        if (uid == UINT32_MAX)
                return;

        (void) snprintf(number, sizeof(number), "%" PRIu32, uid);
        table_set(table, USER, user ? user->pw_name : number, json_object_new_uint64(uid), COLOR_NORMAL);
}

/* "3min", of a time on the wall clock; whole seconds, as nobody watches them tick. */
static void set_since(Table *table, uint64_t since_usec) {
        usec_t now = time_realtime_nsec() / NSEC_PER_USEC;
        char number[32], age[32];

        if (since_usec == 0)
                return;

        /* 64 bits: a string for programs. */
        (void) snprintf(number, sizeof(number), "%" PRIu64, since_usec);
        table_set(table, SINCE,
                  usec_format(age, sizeof(age), usec_sub(now, since_usec) / USEC_PER_SEC * USEC_PER_SEC),
                  json_object_new_string(number), COLOR_NORMAL);
}

/* An arrow says who asked for the flow: up, this host; down, the other. */
static void set_peer(Table *table, const char *peer, json_object *details) {
        const char *direction = member_string(details, "Direction");
        _cleanup_free_ char *text = NULL;

        (void) format_string(&text, "%s%s%s",
                             streq(direction, "incoming")   ? terminal_glyph(GLYPH_DOWN)
                             : streq(direction, "outgoing") ? terminal_glyph(GLYPH_UP)
                                                            : "",
                             isempty(direction) || streq(direction, "local") ? "" : " ", peer);
        table_set(table, PEER, text, json_object_new_string(peer), COLOR_NORMAL);
}

static int read_flow(sd_bus_message *reply, Table *table) {
        _cleanup_json_ json_object *details = NULL;
        const char *name, *layer, *peer, *state;
        uint64_t id, since, memory;
        uint32_t uid, pid;
        int r;

        r = sd_bus_message_enter_container(reply, 'r', "tssssuutta{sv}");
        if (r <= 0)
                return r;

        r = sd_bus_message_read(reply, "tssssuutt", &id, &name, &layer, &peer, &state, &uid, &pid, &since,
                                &memory);
        if (r < 0)
                return r;

        r = bus_json_read(reply, &details);
        if (r < 0)
                return r;

        table_row(table);
        table_set_id(table, ID, id);
        table_set_string(table, NAME, name);
        table_set(table, LAYER, isempty(layer) ? "(this host)" : layer, json_object_new_string(layer),
                  COLOR_NORMAL);
        set_peer(table, peer, details);
        table_set_state(table, STATE, state);
        set_since(table, since);
        table_set_bytes(table, MEMORY, memory);
        set_user(table, uid);
        if (pid != 0)
                table_set_u64(table, PID, pid);
        table_set(table, MORE, NULL, TAKE_PTR(details), COLOR_NORMAL);

        r = sd_bus_message_exit_container(reply);
        return r < 0 ? r : 1;
}

/* One page. *cursor: where it begins, then where the next one does; 0 after the last. */
static int fetch_page(Ctl *ctl, Table *table, uint64_t *cursor) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "ListFlows", &call);
        if (r > 0)
                return r;

        r = append_filter(&ctl->options, call);
        if (r >= 0)
                r = sd_bus_message_append(call, "tu", *cursor, PAGE);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_send(ctl, call, &reply, "Cannot list flows");
        if (r > 0)
                return r;

        r = sd_bus_message_enter_container(reply, 'a', "(tssssuutta{sv})");
        while (r > 0)
                r = read_flow(reply, table);
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "t", cursor);

        return r < 0 ? bus_complain_message(r) : 0;
}

int verb_flows(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(table_freep) Table *table = NULL;
        uint64_t cursor = 0;
        int r;

        if (ctl->options.n_layers > 1) {
                (void) fprintf(stderr, "One --layer= at a time.\n");
                return EXIT_USAGE;
        }

        r = table_new(flow_columns, ELEMENTSOF(flow_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        do {
                uint64_t before = cursor;

                r = fetch_page(ctl, table, &cursor);
                if (r > 0)
                        return r;

                if (cursor != 0 && cursor <= before) {  /* no progress: it would go on for ever */
                        (void) fprintf(stderr, "The list of flows does not end; this is the beginning of it.\n");
                        break;
                }
        } while (cursor != 0);

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        if (ctl->options.json == JSON_OFF && ctl->options.legend && !ctl->options.quiet)
                (void) printf("%zu flow%s.\n", table_rows(table), table_rows(table) == 1 ? "" : "s");

        return EXIT_FINE;
}
