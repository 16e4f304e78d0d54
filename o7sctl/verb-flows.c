/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "flows": all of them, with who is at the other end. */

#include <pwd.h>
#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/flows.h"
#include "o7sctl/table.h"

enum { ID, NAME, LAYER, PEER, VERIFIED, PROTECTION, STATE, SINCE, MEMORY, USER, PID, KEY_EXCHANGE, MORE };

static const Column flow_columns[] = {
        [ID] = { "ID", "id", COLUMN_RIGHT },
        [NAME] = { "NAME", "name", COLUMN_SHORTEN },
        [LAYER] = { "LAYER", "layer", 0 },
        [PEER] = { "PEER", "peer", COLUMN_SHORTEN },
        [VERIFIED] = { "VERIFIED", "peer_verified", 0 },
        [PROTECTION] = { "PROTECTION", "protection", 0 },
        [STATE] = { "STATE", "state", 0 },
        [SINCE] = { "SINCE", "since_usec", COLUMN_RIGHT },
        [MEMORY] = { "MEMORY", "memory_bytes", COLUMN_RIGHT },
        [USER] = { "USER", "uid", 0 },
        [PID] = { "PID", "pid", COLUMN_RIGHT },
        [KEY_EXCHANGE] = { "KEY EXCHANGE", "key_exchange", COLUMN_JSON_ONLY },
        [MORE] = { "DETAILS", "details", COLUMN_JSON_ONLY },
};

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
static void set_peer(Table *table, const FlowRow *row) {
        _cleanup_free_ char *text = NULL;

        (void) format_string(&text, "%s%s%s",
                             streq(row->direction, "incoming")   ? terminal_glyph(GLYPH_DOWN)
                             : streq(row->direction, "outgoing") ? terminal_glyph(GLYPH_UP)
                                                                 : "",
                             isempty(row->direction) || streq(row->direction, "local") ? "" : " ", row->peer);
        table_set(table, PEER, text, json_object_new_string(row->peer), COLOR_NORMAL);
}

/* Between two programs of this host there is no network to be protected against, and the kernel says who they are. */
static void set_protection(Table *table, const FlowRow *row) {
        bool local = streq(row->direction, "local"), plain = isempty(row->protection) || streq(row->protection, "none");

        table_set(table, VERIFIED, row->verified ? "yes" : "no", json_object_new_boolean(row->verified),
                  row->verified ? COLOR_GREEN : local ? COLOR_NORMAL : COLOR_YELLOW);
        if (!isempty(row->protection))
                table_set(table, PROTECTION, row->protection, json_object_new_string(row->protection),
                          !plain ? COLOR_GREEN : local ? COLOR_NORMAL : COLOR_YELLOW);
        if (!isempty(row->key_exchange))
                table_set_string(table, KEY_EXCHANGE, row->key_exchange);
}

static void add_flow(void *userdata, const FlowRow *row) {
        Table *table = userdata;

        table_row(table);
        table_set_id(table, ID, row->id);
        table_set_string(table, NAME, row->name);
        table_set(table, LAYER, isempty(row->layer) ? "(this host)" : row->layer, json_object_new_string(row->layer),
                  COLOR_NORMAL);
        set_peer(table, row);
        set_protection(table, row);
        table_set_state(table, STATE, row->state);
        set_since(table, row->since_usec);
        table_set_bytes(table, MEMORY, row->memory_bytes);
        set_user(table, row->uid);
        if (row->pid != 0)
                table_set_u64(table, PID, row->pid);
        table_set(table, MORE, NULL, json_object_get(row->details), COLOR_NORMAL);
}

int verb_flows(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(table_freep) Table *table = NULL;
        int r;

        if (ctl->options.n_layers > 1) {
                (void) fprintf(stderr, "One --layer= at a time.\n");
                return EXIT_USAGE;
        }

        r = table_new(flow_columns, ELEMENTSOF(flow_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        r = flows_list(ctl, add_flow, table);
        if (r > 0)
                return r;

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        if (ctl->options.json == JSON_OFF && ctl->options.legend && !ctl->options.quiet)
                (void) printf("%zu flow%s.\n", table_rows(table), table_rows(table) == 1 ? "" : "s");

        return EXIT_FINE;
}
