/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of layers. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/table.h"
#include "o7sctl/terminal.h"

enum { LAYER, TYPE, STATE, FLOWS, OVER, RECEIVED, SENT, UNIT, REASON };

static const Column layer_columns[] = {
        [LAYER] = { "LAYER", "layer", 0 },
        [TYPE] = { "TYPE", "type", 0 },
        [STATE] = { "STATE", "state", 0 },
        [FLOWS] = { "FLOWS", "flows", COLUMN_RIGHT },
        [OVER] = { "OVER", "over", 0 },
        [RECEIVED] = { "RX", "rx_bytes", COLUMN_RIGHT },
        [SENT] = { "TX", "tx_bytes", COLUMN_RIGHT },
        [UNIT] = { "UNIT", "unit", COLUMN_SHORTEN },
        [REASON] = { "REASON", "reason", COLUMN_JSON_ONLY },
};

/* A layer that is well needs no explanation; for the others it is what one looks for. */
static void note_reason(ConfStrings *notes, const char *name, const char *state, const char *reason) {
        _cleanup_free_ char *note = NULL;

        if (streq(state, "online") || isempty(reason))
                return;

        /* "created" is a word of the state machine; to people the layer is there and does not run. */
        if (format_string(&note, "%s%s%s %s is %s: %s", terminal_sequence(state_color(state)),
                          terminal_glyph(state_glyph(state)), terminal_sequence(COLOR_NORMAL), name,
                          streq(state, "created") ? "not running" : state, reason) >= 0)
                (void) conf_strings_add(notes, note);
}

/* name type state unit bus-name path; what the list does not say is read from the layer's own object. */
static int add_layer(Ctl *ctl, Table *table, ConfStrings *notes, json_object *row) {
        const char *name = item_string(row, 0), *state = item_string(row, 2), *path = item_string(row, 5);
        _cleanup_json_ json_object *properties = NULL, *counters = NULL;
        int r;

        r = bus_properties(ctl, path, BUS_INTERFACE_LAYER, &properties);
        if (r > 0)
                return r;

        table_row(table);
        table_set_string(table, LAYER, name);
        table_set_string(table, TYPE, item_string(row, 1));
        table_set_state(table, STATE, state);
        table_set_u64(table, FLOWS, member_u64(properties, "NFlows"));
        table_set_strings(table, OVER, member_array(properties, "Over"));
        if (bus_try_counters(ctl, item_string(row, 4), &counters) >= 0) {
                table_set_bytes(table, RECEIVED, counter_u64(counters, "rx-bytes"));
                table_set_bytes(table, SENT, counter_u64(counters, "tx-bytes"));
        }
        table_set_string(table, UNIT, item_string(row, 3));
        table_set_string(table, REASON, member_string(properties, "StateReason"));

        note_reason(notes, name, state, member_string(properties, "StateReason"));
        return 0;
}

static void print_count(const Ctl *ctl, const Table *table, const ConfStrings *notes) {
        size_t n = table_rows(table);

        if (ctl->options.json != JSON_OFF || !ctl->options.legend || ctl->options.quiet)
                return;

        if (n == 0)
                (void) printf("No layers. Make one with: o7sctl new NAME --eth=INTERFACE --now\n");
        else
                (void) printf("%zu layer%s.\n", n, n == 1 ? "" : "s");

        for (size_t i = 0; i < notes->n; i++)
                (void) printf("%s\n", notes->items[i]);
}

int verb_layers(Ctl *ctl, int argc, char *argv[]) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(conf_strings_done) ConfStrings notes = {};
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(table_freep) Table *table = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "ListLayers", &call);
        if (r > 0)
                return r;

        r = bus_send(ctl, call, &reply, "Cannot list layers");
        if (r > 0)
                return r;

        r = bus_json_read_rows(reply, &rows);
        if (r >= 0)
                r = table_new(layer_columns, ELEMENTSOF(layer_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                r = add_layer(ctl, table, &notes, json_object_array_get_idx(rows, i));
                if (r > 0)
                        return r;
        }

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        print_count(ctl, table, &notes);
        return EXIT_FINE;
}
