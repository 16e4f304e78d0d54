/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a name is: what this host and each of its layers said, as org.o7s.irm1 gathered it. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/bus.h"
#include "o7sctl/table.h"

#define HASH_SHOWN 8            /* digits: enough to compare two hosts by */

static const struct {
        const char *state;
        Color color;
        Glyph glyph;
} looks[] = {
        { "found", COLOR_GREEN, GLYPH_DONE },
        { "waiting", COLOR_YELLOW, GLYPH_CHANGING },
        { "not-found", COLOR_RED, GLYPH_MISSING },
        { "no-answer", COLOR_RED, GLYPH_MISSING },
};

/* "  ✓ lan      3.0 ms  reached through this layer, hash a41cff00…" */
static void print_row(json_object *row, int width) {
        const char *layer = item_string(row, 0), *state = item_string(row, 1), *hash, *rtt;
        json_object *extra = json_object_array_get_idx(row, 3);
        Color color = COLOR_GREY;
        Glyph glyph = GLYPH_DASH;
        char buffer[32];

        for (size_t i = 0; i < ELEMENTSOF(looks); i++)
                if (streq(looks[i].state, state)) {
                        color = looks[i].color;
                        glyph = looks[i].glyph;
                }

        hash = member_string(extra, "Hash");
        rtt = rtt_format(buffer, sizeof(buffer), json_object_get_int64(json_object_array_get_idx(row, 2)));
        (void) printf("  %s%s%s %-*s  ", terminal_sequence(color), terminal_glyph(glyph),
                      terminal_sequence(COLOR_NORMAL), width, layer);
        if (streq(state, "skipped"))
                (void) printf("skipped: ");
        else if (!streq(member_string(extra, "Type"), "local"))
                (void) printf("%6s  ", rtt);
        (void) printf("%s", member_string(extra, "Reason"));
        if (!isempty(hash))
                (void) printf("%s, hash %.*s%s", terminal_sequence(COLOR_GREY), HASH_SHOWN, hash,
                              terminal_sequence(COLOR_NORMAL));
        (void) printf("\n");
}

/* The row by which a flow would go: this host before others, else the first of those that answered soonest. */
static json_object *find_best(json_object *rows) {
        json_object *best = NULL;
        int64_t best_rtt = 0;

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                json_object *row = json_object_array_get_idx(rows, i);
                int64_t rtt = json_object_get_int64(json_object_array_get_idx(row, 2));

                if (!streq(item_string(row, 1), "found") || (best && rtt >= best_rtt))
                        continue;

                best = row;
                best_rtt = rtt;
        }

        return best;
}

static void print_rows(const char *name, json_object *rows, json_object *best) {
        int width = 0;

        for (size_t i = 0; i < json_object_array_length(rows); i++)
                width = MAX(width, (int) strlen(item_string(json_object_array_get_idx(rows, i), 0)));

        (void) printf("%s\n", name);
        for (size_t i = 0; i < json_object_array_length(rows); i++)
                print_row(json_object_array_get_idx(rows, i), width);

        if (!best)
                (void) printf("It cannot be reached from here.\n");
        else if (streq(member_string(json_object_array_get_idx(best, 3), "Type"), "local"))
                (void) printf("Best: on this host, without a layer.\n");
        else
                (void) printf("Best: through %s.\n", item_string(best, 0));
}

/* One object for each row, with names for its columns. */
static json_object *rows_as_objects(json_object *rows) {
        static const char *const keys[] = { "layer", "state", "rtt_usec", "extra" };
        json_object *objects = json_object_new_array();

        for (size_t i = 0; objects && i < json_object_array_length(rows); i++) {
                json_object *row = json_object_array_get_idx(rows, i), *object = json_object_new_object();

                for (size_t k = 0; object && k < ELEMENTSOF(keys); k++)
                        (void) json_object_object_add(object, keys[k],
                                                      json_object_get(json_object_array_get_idx(row, k)));
                (void) json_object_array_add(objects, object);
        }

        return objects;
}

int verb_resolve(Ctl *ctl, int argc, char *argv[]) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_json_ json_object *rows = NULL, *objects = NULL;
        json_object *best;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Resolve", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "sa{sv}", argv[1], 0);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_send(ctl, call, &reply, "Cannot resolve '%s'", argv[1]);
        if (r > 0)
                return r;

        r = bus_json_read(reply, &rows);        /* in the order of the daemon: this host first */
        if (r <= 0)
                return bus_complain_message(r ?: -ENODATA);

        best = find_best(rows);
        if (ctl->options.json != JSON_OFF) {
                objects = rows_as_objects(rows);
                if (!objects)
                        return bus_complain_message(-ENOMEM);
                json_print(objects, ctl->options.json);
        } else if (!ctl->options.quiet)
                print_rows(argv[1], rows, best);

        return best ? EXIT_FINE : EXIT_NOT_ACTIVE;
}
