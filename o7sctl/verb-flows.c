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

enum { ID, NAME, LAYER, PEER, STATE, SENT, RECEIVED, USER, PID, MORE };

static const Column flow_columns[] = {
        [ID] = { "ID", "id", COLUMN_RIGHT },
        [NAME] = { "NAME", "name", COLUMN_SHORTEN },
        [LAYER] = { "LAYER", "layer", 0 },
        [PEER] = { "PEER", "peer", COLUMN_SHORTEN },
        [STATE] = { "STATE", "state", 0 },
        [SENT] = { "TX", "tx_packets", COLUMN_RIGHT },
        [RECEIVED] = { "RX", "rx_packets", COLUMN_RIGHT },
        [USER] = { "USER", "uid", 0 },
        [PID] = { "PID", "pid", COLUMN_RIGHT },
        [MORE] = { "MORE", "details", COLUMN_JSON_ONLY },
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

static void set_user(Table *table, uint32_t uid) {
        const struct passwd *user = getpwuid((uid_t) uid);
        char number[32];

        (void) snprintf(number, sizeof(number), "%" PRIu32, uid);
        table_set(table, USER, user ? user->pw_name : number, json_object_new_uint64(uid), COLOR_NORMAL);
}

static int read_flow(sd_bus_message *reply, Table *table) {
        _cleanup_json_ json_object *more = NULL;
        const char *name, *layer, *peer, *state;
        uint64_t id, tx, rx;
        uint32_t uid, pid;
        int r;

        r = sd_bus_message_enter_container(reply, 'r', "tssssuutta{sv}");
        if (r <= 0)
                return r;

        r = sd_bus_message_read(reply, "tssssuutt", &id, &name, &layer, &peer, &state, &uid, &pid, &tx, &rx);
        if (r < 0)
                return r;

        table_row(table);
        table_set_id(table, ID, id);
        table_set_string(table, NAME, name);
        table_set(table, LAYER, isempty(layer) ? "(this host)" : layer, json_object_new_string(layer), COLOR_NORMAL);
        table_set_string(table, PEER, peer);
        table_set_state(table, STATE, state);
        table_set_u64(table, SENT, tx);
        table_set_u64(table, RECEIVED, rx);
        set_user(table, uid);
        table_set_u64(table, PID, pid);

        r = bus_json_read(reply, &more);
        if (r < 0)
                return r;
        table_set(table, MORE, NULL, TAKE_PTR(more), COLOR_NORMAL);

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
