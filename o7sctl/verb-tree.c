/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How layers are stacked: those that nobody lies over at the left, what they lie over below them. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/layer.h"
#include "o7sctl/table.h"

#define LAYERS_MAX 256U
#define DEPTH_MAX 16U           /* files could lie over each other in a circle */

enum { LAYER, TYPE, STATE, NEIGHBOURS, FLOWS, UNIT, DEPTH };

static const Column tree_columns[] = {
        [LAYER] = { "LAYER", "layer", 0 },
        [TYPE] = { "TYPE", "type", 0 },
        [STATE] = { "STATE", "state", 0 },
        [NEIGHBOURS] = { "NEIGHBOURS", "neighbours", COLUMN_RIGHT },
        [FLOWS] = { "FLOWS", "flows", COLUMN_RIGHT },
        [UNIT] = { "UNIT", "unit", COLUMN_SHORTEN },
        [DEPTH] = { "", "depth", COLUMN_JSON_ONLY },
};

typedef struct Tree {
        json_object *layers[LAYERS_MAX];        /* properties; owned */
        bool shown[LAYERS_MAX];
        size_t n;
        Table *table;           /* not owned */
} Tree;

static void tree_done(Tree *tree) {
        for (size_t i = 0; i < tree->n; i++)
                (void) json_object_put(tree->layers[i]);
}

static int find(const Tree *tree, const char *name) {
        for (size_t i = 0; i < tree->n; i++)
                if (streq(member_string(tree->layers[i], "Name"), name))
                        return (int) i;

        return -1;
}

/* branch: what stands before the name of this layer; trunk: before those below it. */
static void add_layer(Tree *tree, const char *name, const char *branch, const char *trunk, unsigned depth) {
        int i = find(tree, name);
        json_object *layer = i >= 0 ? tree->layers[i] : NULL, *over = layer ? member_array(layer, "Over") : NULL;
        _cleanup_free_ char *shown = NULL;
        size_t n = over ? json_object_array_length(over) : 0;
        bool again = i >= 0 && tree->shown[i];

        (void) format_string(&shown, "%s%s", branch, name);
        table_row(tree->table);
        table_set(tree->table, LAYER, strempty(shown), json_object_new_string(name), COLOR_NORMAL);
        table_set_u64(tree->table, DEPTH, depth);
        if (!layer) {
                table_set(tree->table, STATE, "(not there)", json_object_new_string("missing"), COLOR_RED);
                return;
        }

        table_set_string(tree->table, TYPE, member_string(layer, "Type"));
        if (again && n > 0)
                table_set(tree->table, STATE, "(see above)", json_object_new_string(member_string(layer, "State")),
                          COLOR_GREY);
        else
                table_set_state(tree->table, STATE, member_string(layer, "State"));
        if (streq(member_string(layer, "Type"), "unicast"))
                table_set_u64(tree->table, NEIGHBOURS, member_u64(layer, "NNeighbours"));
        table_set_u64(tree->table, FLOWS, member_u64(layer, "NFlows"));
        table_set_string(tree->table, UNIT, member_string(layer, "Unit"));
        tree->shown[i] = true;
        if (again || depth >= DEPTH_MAX)
                return;

        for (size_t k = 0; k < n; k++) {
                const char *const glyphs[2][2] = { { "|-", "| " }, { "├─", "│ " } }, *const lasts[2] = { "`-", "└─" };
                bool last = k + 1 == n, wide = terminal_unicode();
                _cleanup_free_ char *below = NULL, *beyond = NULL;

                (void) format_string(&below, "%s%s", trunk, last ? lasts[wide] : glyphs[wide][0]);
                (void) format_string(&beyond, "%s%s", trunk, last ? "  " : glyphs[wide][1]);
                add_layer(tree, json_object_get_string(json_object_array_get_idx(over, k)), strempty(below),
                          strempty(beyond), depth + 1);
        }
}

static bool is_below_others(json_object *layer) {
        json_object *used_by = member_array(layer, "UsedBy");

        return used_by && json_object_array_length(used_by) > 0;
}

static unsigned add_roots(Tree *tree) {
        unsigned n_roots = 0;

        for (size_t i = 0; i < tree->n; i++)
                if (!is_below_others(tree->layers[i])) {
                        add_layer(tree, member_string(tree->layers[i], "Name"), "", "", 0);
                        n_roots++;
                }

        /* What lies over itself has no root. */
        for (size_t i = 0; i < tree->n; i++)
                if (!tree->shown[i]) {
                        add_layer(tree, member_string(tree->layers[i], "Name"), "", "", 0);
                        n_roots++;
                }

        return n_roots;
}

static int collect(Ctl *ctl, Tree *tree) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_json_ json_object *rows = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "ListLayers", &call);
        if (r == 0)
                r = bus_send(ctl, call, &reply, "Cannot list layers");
        if (r > 0)
                return r;

        r = bus_json_read_rows(reply, &rows);
        if (r < 0)
                return bus_complain_message(r);

        for (size_t i = 0; i < json_object_array_length(rows) && tree->n < LAYERS_MAX; i++) {
                r = bus_properties(ctl, item_string(json_object_array_get_idx(rows, i), 5), BUS_INTERFACE_LAYER,
                                   &tree->layers[tree->n]);
                if (r > 0)
                        return r;
                tree->n++;
        }

        return 0;
}

int verb_tree(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(table_freep) Table *table = NULL;
        _cleanup_(tree_done) Tree tree = {};
        unsigned n_roots;
        int r;

        r = collect(ctl, &tree);
        if (r > 0)
                return r;

        r = table_new(tree_columns, ELEMENTSOF(tree_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        tree.table = table;
        n_roots = add_roots(&tree);

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        if (ctl->options.json == JSON_OFF && ctl->options.legend && !ctl->options.quiet)
                (void) printf("%zu layer%s, %u at the top.\n", tree.n, tree.n == 1 ? "" : "s", n_roots);
        return EXIT_FINE;
}
