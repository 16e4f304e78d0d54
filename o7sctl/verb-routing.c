/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a layer knows of its other members: routes, links, and the directory. Its IPCP shows it. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/layer.h"
#include "o7sctl/table.h"

#define HASH_SHOWN 16           /* digits */

static int open_both(Ctl *ctl, const char *name, LayerView *ret_view, json_object **ret_neighbours) {
        int r;

        r = layer_view_open_member(ctl, name, ret_view);
        return r > 0 ? r : layer_view_neighbours(ctl, ret_view, ret_neighbours);
}

static int print(Ctl *ctl, const Table *table, const char *one, const char *many) {
        size_t n = table_rows(table);
        int r;

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        if (ctl->options.json == JSON_OFF && ctl->options.legend && !ctl->options.quiet)
                (void) printf("%zu %s.\n", n, n == 1 ? one : many);
        return EXIT_FINE;
}

/* -- routes -- */

enum { DESTINATION, COST, HOPS, NEXT };

static const Column route_columns[] = {
        [DESTINATION] = { "DESTINATION", "destination", COLUMN_RIGHT },
        [COST] = { "COST", "cost", COLUMN_RIGHT },
        [HOPS] = { "HOPS", "hops", COLUMN_RIGHT },
        [NEXT] = { "NEXT", "next", 0 },
};

int verb_routes(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(layer_view_done) LayerView view = {};
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(table_freep) Table *table = NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = layer_view_open_member(ctl, argv[1], &view);
        if (r == 0)
                r = layer_view_call(ctl, &view, BUS_INTERFACE_UNICAST, "ListRoutes", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "a{sv}", 0);
        if (r >= 0)
                r = table_new(route_columns, ELEMENTSOF(route_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        r = layer_view_ask(ctl, &view, call, "Cannot list routes", &rows);
        if (r > 0)
                return r;

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                json_object *row = json_object_array_get_idx(rows, i);

                table_row(table);
                table_set_id(table, DESTINATION, item_u64(row, 0));
                table_set_u64(table, COST, item_u64(row, 1));
                table_set_u64(table, HOPS, item_u64(row, 2));
                table_set_strings(table, NEXT, json_object_array_get_idx(row, 3));
        }

        return print(ctl, table, "route", "routes");
}

/* -- links -- */

enum { FROM, FROM_ADDRESS, TO, TO_ADDRESS, LINK_COST, LINK_RTT, AGE, BOTH_WAYS };

static const Column link_columns[] = {
        [FROM] = { "FROM", "from", COLUMN_RIGHT },
        [FROM_ADDRESS] = { "", "from_address", COLUMN_JSON_ONLY },
        [TO] = { "TO", "to", COLUMN_RIGHT },
        [TO_ADDRESS] = { "", "to_address", COLUMN_JSON_ONLY },
        [LINK_COST] = { "COST", "cost", COLUMN_RIGHT },
        [LINK_RTT] = { "RTT", "rtt_usec", COLUMN_RIGHT },
        [AGE] = { "AGE", "age_usec", COLUMN_RIGHT },
        [BOTH_WAYS] = { "BOTH WAYS", "up", 0 },
};

static void add_link(Table *table, const LayerView *view, json_object *neighbours, json_object *row) {
        usec_t age = item_u64(row, 4);
        bool up = json_object_get_boolean(json_object_array_get_idx(row, 5));
        char from[32], to[32], text[32];

        table_row(table);
        table_set_string(table, FROM, layer_view_name_of(view, neighbours, item_u64(row, 0), from));
        table_set_id(table, FROM_ADDRESS, item_u64(row, 0));
        table_set_string(table, TO, layer_view_name_of(view, neighbours, item_u64(row, 1), to));
        table_set_id(table, TO_ADDRESS, item_u64(row, 1));
        table_set_rtt(table, LINK_RTT, json_object_get_int64(json_object_array_get_idx(row, 2)));
        table_set_u64(table, LINK_COST, item_u64(row, 3));
        table_set(table, AGE, usec_format(text, sizeof(text), age / USEC_PER_SEC * USEC_PER_SEC),
                  json_object_new_uint64(age), COLOR_NORMAL);
        table_set(table, BOTH_WAYS, up ? "yes" : "no", json_object_new_boolean(up), up ? COLOR_NORMAL : COLOR_YELLOW);
}

int verb_links(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_json_ json_object *rows = NULL, *neighbours = NULL;
        _cleanup_(layer_view_done) LayerView view = {};
        _cleanup_(table_freep) Table *table = NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = open_both(ctl, argv[1], &view, &neighbours);
        if (r == 0)
                r = layer_view_call(ctl, &view, BUS_INTERFACE_UNICAST, "ListLinks", &call);
        if (r == 0)
                r = layer_view_ask(ctl, &view, call, "Cannot list links", &rows);
        if (r > 0)
                return r;

        r = table_new(link_columns, ELEMENTSOF(link_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        for (size_t i = 0; i < json_object_array_length(rows); i++)
                add_link(table, &view, neighbours, json_object_array_get_idx(rows, i));

        return print(ctl, table, "link", "links");
}

/* -- the directory -- */

enum { HASH, ADDRESSES, EXPIRES };

static const Column entry_columns[] = {
        [HASH] = { "HASH", "hash", 0 },
        [ADDRESSES] = { "MEMBERS", "addresses", 0 },
        [EXPIRES] = { "EXPIRES", "expires_usec", COLUMN_RIGHT },
};

enum { CONTACT, CONTACT_ID, CONTACT_STATE, FAILURES, SEEN };

static const Column contact_columns[] = {
        [CONTACT] = { "MEMBER", "address", COLUMN_RIGHT },
        [CONTACT_ID] = { "ID", "id", 0 },
        [CONTACT_STATE] = { "STATE", "state", 0 },
        [FAILURES] = { "FAILURES", "failures", COLUMN_RIGHT },
        [SEEN] = { "SEEN", "seen_usec", COLUMN_RIGHT },
};

/* An array of bytes as digits. */
static const char *digits_of(json_object *bytes, char *buffer, size_t size) {
        size_t n = json_object_get_type(bytes) == json_type_array ? json_object_array_length(bytes) : 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < n && 2 * i + 3 <= size; i++)
                (void) snprintf(buffer + 2 * i, size - 2 * i, "%02x",
                                (unsigned) json_object_get_int(json_object_array_get_idx(bytes, i)) & 0xff);

        return buffer;
}

/* All digits for programs, as many as tell them apart for people. */
static void set_digits(Table *table, size_t column, json_object *bytes) {
        char all[2 * 64 + 1], some[HASH_SHOWN + 1];

        (void) digits_of(bytes, all, sizeof(all));
        (void) snprintf(some, sizeof(some), "%s", all);
        table_set(table, column, some, json_object_new_string(all), COLOR_NORMAL);
}

/* Absolute for programs, relative for people. */
static void set_time(Table *table, size_t column, uint64_t when) {
        usec_t now = time_realtime_nsec() / NSEC_PER_USEC;
        char text[32], line[48];
        bool past = when <= now;

        (void) usec_format(text, sizeof(text), (past ? now - when : when - now) / USEC_PER_SEC * USEC_PER_SEC);
        (void) snprintf(line, sizeof(line), past ? "%s ago" : "in %s", text);
        table_set(table, column, line, json_object_new_uint64(when), COLOR_NORMAL);
}

static json_object *addresses_as_text(json_object *addresses) {
        json_object *texts = json_object_new_array();

        for (size_t i = 0; texts && i < json_object_array_length(addresses); i++) {
                char text[32];

                (void) snprintf(text, sizeof(text), "%" PRIu64,
                                json_object_get_uint64(json_object_array_get_idx(addresses, i)));
                (void) json_object_array_add(texts, json_object_new_string(text));
        }

        return texts;
}

static void add_entry(Table *table, json_object *row) {
        _cleanup_json_ json_object *texts = addresses_as_text(json_object_array_get_idx(row, 1));

        table_row(table);
        set_digits(table, HASH, json_object_array_get_idx(row, 0));
        table_set_strings(table, ADDRESSES, texts);
        set_time(table, EXPIRES, item_u64(row, 2));
}

static void add_contact(Table *table, json_object *row) {
        table_row(table);
        set_digits(table, CONTACT_ID, json_object_array_get_idx(row, 0));
        table_set_id(table, CONTACT, item_u64(row, 1));
        set_time(table, SEEN, item_u64(row, 2));
        table_set_u64(table, FAILURES, item_u64(row, 3));
        table_set_string(table, CONTACT_STATE, item_string(row, 4));
}

static int ask_directory(Ctl *ctl, const LayerView *view, json_object **ret_entries, json_object **ret_contacts) {
        BUS_REPLY_FREE sd_bus_message *entries = NULL, *contacts = NULL;
        int r;

        r = layer_view_call(ctl, view, BUS_INTERFACE_DIRECTORY, "ListEntries", &entries);
        if (r > 0)
                return r;

        r = sd_bus_message_append(entries, "u", 0U);
        if (r < 0)
                return bus_complain_message(r);

        r = layer_view_ask(ctl, view, entries, "Cannot look at the directory", ret_entries);
        if (r == 0)
                r = layer_view_call(ctl, view, BUS_INTERFACE_DIRECTORY, "ListContacts", &contacts);
        return r > 0 ? r : layer_view_ask(ctl, view, contacts, "Cannot look at the directory", ret_contacts);
}

static int print_directory(Ctl *ctl, const LayerView *view, const Table *entries, const Table *contacts) {
        _cleanup_json_ json_object *properties = NULL, *all = NULL;
        int r;

        if (ctl->options.json != JSON_OFF) {
                all = json_object_new_object();
                if (!all || json_object_object_add(all, "entries", table_json(entries)) < 0 ||
                    json_object_object_add(all, "contacts", table_json(contacts)) < 0)
                        return bus_complain_message(-ENOMEM);
                json_print(all, ctl->options.json);
                return EXIT_FINE;
        }

        terminal_page(ctl);
        r = table_print(entries, &ctl->options);
        if (r >= 0 && table_rows(entries) > 0 && table_rows(contacts) > 0)
                (void) printf("\n");
        if (r >= 0)
                r = table_print(contacts, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);
        if (!ctl->options.legend || ctl->options.quiet)
                return EXIT_FINE;

        if (bus_try_properties(ctl, view->service, BUS_PATH_IPCP, BUS_INTERFACE_DIRECTORY, &properties) >= 0)
                (void) printf("%zu entries kept for others, %zu contacts, %" PRIu64 " lookups, %" PRIu64
                              " of them failed.\n",
                              table_rows(entries), table_rows(contacts), member_u64(properties, "LookupsTotal"),
                              member_u64(properties, "LookupFailuresTotal"));
        return EXIT_FINE;
}

int verb_directory(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(table_freep) Table *entries = NULL, *contacts = NULL;
        _cleanup_json_ json_object *kept = NULL, *known = NULL;
        _cleanup_(layer_view_done) LayerView view = {};
        int r;

        r = layer_view_open_member(ctl, argv[1], &view);
        if (r == 0)
                r = ask_directory(ctl, &view, &kept, &known);
        if (r > 0)
                return r;

        r = table_new(entry_columns, ELEMENTSOF(entry_columns), &entries);
        if (r >= 0)
                r = table_new(contact_columns, ELEMENTSOF(contact_columns), &contacts);
        if (r < 0)
                return bus_complain_message(r);

        for (size_t i = 0; i < json_object_array_length(kept); i++)
                add_entry(entries, json_object_array_get_idx(kept, i));
        for (size_t i = 0; i < json_object_array_length(known); i++)
                add_contact(contacts, json_object_array_get_idx(known, i));

        return print_directory(ctl, &view, entries, contacts);
}
