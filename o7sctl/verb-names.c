/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names: listing them, making one in a single step, removing them. */

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

/* -- name -- */

/* Returns: 0; the exit status. *ret_created: there was no such name before. */
static int name_create(Ctl *ctl, const char *name, bool *ret_created) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "CreateName", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", name);
        if (r >= 0)
                r = ctl->options.balance
                            ? sd_bus_message_append(call, "a{sv}", 1, "LoadBalance", "s", ctl->options.balance)
                            : sd_bus_message_append(call, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", (uint64_t) 0);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_try(ctl, call, &error, NULL);
        if (r < 0 && sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "NameExists"))
                return 0;               /* then this run adds bindings and layers to it */
        if (r < 0)
                return bus_complain(ctl, &error, r, "Cannot create '%s'", name);

        *ret_created = true;
        return 0;
}

/* Whether the step was done already: then there is nothing to complain about. */
static int send_step(Ctl *ctl, sd_bus_message *call, const char *name, const char *step, const char *what) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = bus_try(ctl, call, &error, NULL);
        if (r >= 0 || sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "NameExists"))
                return 0;

        return bus_complain(ctl, &error, r, "Cannot %s '%s' %s", step, name, what);
}

/* All four have the name first and flags last. */
static int name_bind(Ctl *ctl, const char *name, const char *member, const char *what) {
        const Options *o = &ctl->options;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, member, &call);
        if (r > 0)
                return r;

        if (streq(member, "BindUnit"))
                r = sd_bus_message_append(call, "ssa{sv}t", name, o->unit, 0, (uint64_t) 0);
        else if (streq(member, "BindProgram"))
                r = sd_bus_message_append(call, "ssasa{sv}t", name, o->program, 0, 0, (uint64_t) 0);
        else if (streq(member, "BindProcess"))
                r = sd_bus_message_append(call, "sut", name, o->pid, (uint64_t) 0);
        else
                r = sd_bus_message_append(call, "sst", name, o->user, (uint64_t) 0);
        if (r < 0)
                return bus_complain_message(r);

        return send_step(ctl, call, name, "bind", what);
}

static int name_register(Ctl *ctl, const char *name, const char *layer) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        _cleanup_free_ char *what = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Register", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "ssa{sv}t", name, layer, 0, (uint64_t) 0);
        if (r >= 0)
                r = format_string(&what, "in layer '%s'", layer);
        if (r < 0)
                return bus_complain_message(r);

        return send_step(ctl, call, name, "register", what);
}

static int name_remove(Ctl *ctl, const char *name) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "RemoveName", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "st", name, (uint64_t) 0);
        if (r < 0)
                return bus_complain_message(r);

        return bus_send(ctl, call, NULL, "Cannot remove '%s'", name);
}

static int name_bind_and_register(Ctl *ctl, const char *name) {
        const Options *o = &ctl->options;
        int r = 0;

        if (o->unit)
                r = name_bind(ctl, name, "BindUnit", "to the unit");
        if (r == 0 && o->user)
                r = name_bind(ctl, name, "BindUser", "to the user");
        if (r == 0 && o->pid)
                r = name_bind(ctl, name, "BindProcess", "to the process");
        if (r == 0 && o->program)
                r = name_bind(ctl, name, "BindProgram", "to the program");

        for (size_t i = 0; r == 0 && i < o->n_layers; i++)
                r = name_register(ctl, name, o->layers[i]);

        return r;
}

int verb_name(Ctl *ctl, int argc, char *argv[]) {
        const Options *o = &ctl->options;
        const char *name = argv[1];
        bool created = false;
        int r;

        if (!flow_name_is_valid(name)) {
                (void) fprintf(
                        stderr,
                        "'%s' cannot be a name: UTF-8 without control characters and '/', at most %u bytes.\n",
                        name, FLOW_NAME_BYTES_MAX);
                return EXIT_USAGE;
        }

        agent_open(ctl);
        r = name_create(ctl, name, &created);
        if (r > 0)
                return r;

        r = name_bind_and_register(ctl, name);
        if (r > 0) {
                /* All or nothing, for a name that did not exist before. */
                if (created)
                        (void) name_remove(ctl, name);
                return r;
        }

        if (o->quiet || o->json != JSON_OFF)
                return EXIT_FINE;

        (void) printf("%s '%s'", created ? "Created" : "Updated", name);
        for (size_t i = 0; i < o->n_layers; i++)
                (void) printf("%s%s", i == 0 ? ", registered in " : " and ", o->layers[i]);
        (void) printf(".\n");

        /* Whoever else creates a name is bound to it by that. */
        if (created && geteuid() == 0 && !o->unit && !o->user && !o->pid)
                (void) printf("  Only root may serve it yet: o7sctl name %s --user=USER or --unit=UNIT\n", name);
        if (created && o->n_layers == 0)
                (void) printf(
                        "  It can be reached from this host only; for others: o7sctl name %s --layer=LAYER\n",
                        name);

        return EXIT_FINE;
}

int verb_unname(Ctl *ctl, int argc, char *argv[]) {
        int status = EXIT_FINE;

        agent_open(ctl);
        for (int i = 1; i < argc; i++) {
                int r = name_remove(ctl, argv[i]);

                status = status ?: r;
        }

        return status;
}
