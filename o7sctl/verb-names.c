/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "names": what is served here, by whom, and through which layers. */

#include <pwd.h>
#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/table.h"

enum { NAME, OWNER, BALANCE, BOUND, LAYERS, ACCEPTING, FLOWS };

static const Column name_columns[] = {
        [NAME] = { "NAME", "name", 0 },
        [OWNER] = { "OWNER", "owner", 0 },
        [BALANCE] = { "BALANCE", "load_balance", 0 },
        [BOUND] = { "BOUND TO", "bindings", COLUMN_SHORTEN },
        [LAYERS] = { "LAYERS", "registered_in", COLUMN_SHORTEN },
        [ACCEPTING] = { "ACCEPTING", "accepting", COLUMN_RIGHT },
        [FLOWS] = { "FLOWS", "flows", COLUMN_RIGHT },
};

/* Users go over the bus by number. */
static const char *user_name(const char *kind, const char *id) {
        const struct passwd *user;
        uint64_t uid;

        if (!streq(kind, "user") || parse_u64(id, UINT32_MAX, &uid) < 0)
                return id;

        user = getpwuid((uid_t) uid);
        return user ? user->pw_name : id;
}

/* "unit web.service, user alice" from an array of (first, second, state), for both columns. */
static void set_pairs(Table *table, size_t column, json_object *array, bool with_kind) {
        size_t n = array ? json_object_array_length(array) : 0;
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < n; i++) {
                json_object *triple = json_object_array_get_idx(array, i);
                const char *first = item_string(triple, 0);
                const char *second = with_kind ? user_name(first, item_string(triple, 1)) : "";
                _cleanup_free_ char *before = text;

                text = NULL;
                if (format_string(&text, "%s%s%s%s%s", strempty(before), before ? ", " : "", first,
                                  with_kind ? " " : "", second) < 0)
                        break;
        }

        table_set(table, column, text, json_object_get(array), COLOR_NORMAL);
}

static void set_owner(Table *table, uint64_t uid) {
        const struct passwd *user = getpwuid((uid_t) uid);
        char number[32];

        (void) snprintf(number, sizeof(number), "%" PRIu64, uid);
        table_set(table, OWNER, user ? user->pw_name : number, json_object_new_uint64(uid), COLOR_NORMAL);
}

/* name balance bound registered flows path */
static int add_name(Ctl *ctl, Table *table, json_object *row) {
        _cleanup_json_ json_object *properties = NULL;
        int r;

        r = bus_properties(ctl, item_string(row, 5), BUS_INTERFACE_NAME, &properties);
        if (r > 0)
                return r;

        table_row(table);
        table_set_string(table, NAME, item_string(row, 0));
        set_owner(table, member_u64(properties, "Owner"));
        table_set_string(table, BALANCE, item_string(row, 1));
        set_pairs(table, BOUND, member_array(properties, "Bindings"), true);
        set_pairs(table, LAYERS, member_array(properties, "RegisteredIn"), false);
        table_set_u64(table, ACCEPTING, member_u64(properties, "Accepting"));
        table_set_u64(table, FLOWS, item_u64(row, 4));
        return 0;
}

int verb_names(Ctl *ctl, int argc, char *argv[]) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(table_freep) Table *table = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "ListNames", &call);
        if (r > 0)
                return r;

        r = bus_send(ctl, call, &reply, "Cannot list names");
        if (r > 0)
                return r;

        r = bus_json_read_rows(reply, &rows);
        if (r >= 0)
                r = table_new(name_columns, ELEMENTSOF(name_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                r = add_name(ctl, table, json_object_array_get_idx(rows, i));
                if (r > 0)
                        return r;
        }

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        if (ctl->options.json == JSON_OFF && ctl->options.legend && !ctl->options.quiet) {
                if (table_rows(table) == 0)
                        (void) printf("No names. Make one with: o7sctl name NAME --user=$USER --layer=LAYER\n");
                else
                        (void) printf("%zu name%s.\n", table_rows(table), table_rows(table) == 1 ? "" : "s");
        }

        return EXIT_FINE;
}
