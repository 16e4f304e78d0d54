/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The way to a name, layer by layer: which members packets pass in the layer that reaches it, and below that how the
 * first of them is reached, and so on down to a network that is not ours. Also "o7s-trace". Each layer traces by
 * itself (TraceStatistics of its IPCP); here the layers are put together.
 */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/layer.h"
#include "o7sctl/table.h"

#define TRACE_DEPTH_MAX 8U
#define TRACE_PROBES_DEFAULT 5U

enum { LAYER, HOP, NODE, ADDRESS, LOSS, MEDIAN, NINETY_NINE, QUEUE, NOTE };

static const Column trace_columns[] = {
        [LAYER] = { "LAYER", "layer", 0 },
        [HOP] = { "HOP", "hop", COLUMN_RIGHT },
        [NODE] = { "NODE", "node", 0 },
        [ADDRESS] = { "", "address", COLUMN_JSON_ONLY },
        [LOSS] = { "LOSS", "loss", COLUMN_RIGHT },
        [MEDIAN] = { "P50", "p50_usec", COLUMN_RIGHT },
        [NINETY_NINE] = { "P99", "p99_usec", COLUMN_RIGHT },
        [QUEUE] = { "QUEUE", "queue", COLUMN_RIGHT },
        [NOTE] = { "NOTE", "note", COLUMN_SHORTEN },
};

typedef struct Trace {
        Ctl *ctl;
        Table *table;           /* not owned */
        int64_t slowest_usec;   /* of one hop more than the one before; -1: none */
        char slowest[512];      /* "home, from beta to gamma" */
        int64_t whole_usec;     /* to the last member of the first layer; -1: it did not answer */
        bool reached;
} Trace;

static void set_layer(Trace *trace, const char *layer, unsigned depth) {
        _cleanup_free_ char *text = NULL;

        (void) format_string(&text, "%*s%s%s", depth > 0 ? (int) (2 * (depth - 1)) : 0, "",
                             depth == 0          ? ""
                             : terminal_unicode() ? "└ "
                                                  : "` ", layer);
        table_set(trace->table, LAYER, strempty(text), json_object_new_string(layer), COLOR_NORMAL);
}

/* -- asking -- */

/* The layer that reaches the name soonest, among those that can be traced. Complains. */
static int choose_layer(Ctl *ctl, const char *name, char **ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_json_ json_object *rows = NULL;
        json_object *best = NULL, *other = NULL;
        int64_t best_rtt = 0;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Resolve", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "sa{sv}", name, 0);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_send(ctl, call, &reply, "Cannot find '%s'", name);
        if (r > 0)
                return r;

        r = bus_json_read(reply, &rows);
        if (r <= 0)
                return bus_complain_message(r ?: -ENODATA);

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                json_object *row = json_object_array_get_idx(rows, i);
                int64_t rtt = json_object_get_int64(json_object_array_get_idx(row, 2));

                if (!streq(item_string(row, 1), "found"))
                        continue;
                if (!streq(member_string(json_object_array_get_idx(row, 3), "Type"), "unicast"))
                        other = row;
                else if (!best || rtt < best_rtt) {
                        best = row;
                        best_rtt = rtt;
                }
        }

        if (!best) {
                (void) fprintf(stderr,
                               other ? "'%s' is reached through %s, which has no members on the way to show.\n"
                                     : "No layer of this host knows '%s'.\n",
                               name, other ? item_string(other, 0) : "");
                return other ? EXIT_FAILED : EXIT_NOT_ACTIVE;
        }

        r = format_string(ret, "%s", item_string(best, 0));
        return r < 0 ? bus_complain_message(r) : 0;
}

/* The address of the first member that serves the name. Complains. */
static int look_up(Ctl *ctl, const LayerView *view, const char *name, uint64_t *ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        _cleanup_json_ json_object *addresses = NULL;
        int r;

        r = layer_view_call(ctl, view, BUS_INTERFACE_DIRECTORY, "Lookup", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "sa{sv}", name, 0);
        if (r < 0)
                return bus_complain_message(r);

        r = layer_view_ask(ctl, view, call, "Cannot look the name up", &addresses);
        if (r > 0)
                return r;
        if (json_object_array_length(addresses) == 0) {
                (void) fprintf(stderr, "No member of layer %s serves '%s'.\n", view->name, name);
                return EXIT_NOT_ACTIVE;
        }

        *ret = item_u64(addresses, 0);
        return 0;
}

static int ask_hops(Ctl *ctl, const LayerView *view, uint64_t address, json_object **ret) {
        uint32_t probes = ctl->options.count > 0 ? ctl->options.count : TRACE_PROBES_DEFAULT;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = layer_view_call(ctl, view, BUS_INTERFACE_UNICAST, "TraceStatistics", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "ta{sv}", address, 1, "Probes", "u", probes);
        return r < 0 ? bus_complain_message(r) : layer_view_ask(ctl, view, call, "Cannot trace", ret);
}

/* -- showing -- */

static void note_slowest(Trace *trace, const char *layer, const char *from, const char *to, int64_t step) {
        if (step <= trace->slowest_usec)
                return;

        trace->slowest_usec = step;
        (void) snprintf(trace->slowest, sizeof(trace->slowest), "%s from %s to %s", layer, from, to);
}

static int64_t item_i64(json_object *row, size_t i) {
        return json_object_get_int64(json_object_array_get_idx(row, i));
}

/* Columns: hop address name sent answered min median 99% queue. */
static void add_hop(Trace *trace, const LayerView *view, unsigned depth, json_object *row, bool last) {
        uint64_t sent = item_u64(row, 3), answered = item_u64(row, 4), lost = sent - MIN(sent, answered);
        const char *name = item_string(row, 2);
        char text[32];

        table_row(trace->table);
        set_layer(trace, view->name, depth);
        table_set_u64(trace->table, HOP, item_u64(row, 0));
        table_set_string(trace->table, NODE, isempty(name) ? "?" : name);
        if (item_u64(row, 1) != 0)
                table_set_id(trace->table, ADDRESS, item_u64(row, 1));

        (void) snprintf(text, sizeof(text), "%" PRIu64 " %%", sent > 0 ? 100 * lost / sent : 0);
        table_set(trace->table, LOSS, text, json_object_new_double(sent > 0 ? (double) lost / (double) sent : 0),
                  lost > 0 ? COLOR_YELLOW : COLOR_NORMAL);
        table_set_rtt(trace->table, MEDIAN, item_i64(row, 6));
        table_set_rtt(trace->table, NINETY_NINE, item_i64(row, 7));
        if (answered > 0)
                table_set_u64(trace->table, QUEUE, item_u64(row, 8));
        if (answered == 0)
                table_set_string(trace->table, NOTE, "no answer");
        else if (!last)
                table_set_string(trace->table, NOTE, "forwards");
}

static void add_hops(Trace *trace, const LayerView *view, unsigned depth, json_object *rows) {
        size_t n = json_object_array_length(rows);
        const char *before = "this host";
        int64_t so_far = 0;

        for (size_t i = 0; i < n; i++) {
                json_object *row = json_object_array_get_idx(rows, i);
                int64_t median = item_i64(row, 6);

                add_hop(trace, view, depth, row, i + 1 == n);
                if (median < 0)
                        continue;

                note_slowest(trace, view->name, before, item_string(row, 2), median - so_far);
                before = item_string(row, 2);
                so_far = median;
        }

        if (depth == 0) {
                trace->whole_usec = n > 0 ? item_i64(json_object_array_get_idx(rows, n - 1), 6) : -1;
                trace->reached = trace->whole_usec >= 0;
        }
}

/* A layer that is not one of ours to look into. */
static void add_network(Trace *trace, const LayerView *view, unsigned depth) {
        _cleanup_json_ json_object *ethernet = NULL;
        char note[128];

        table_row(trace->table);
        set_layer(trace, view->name, depth);
        if (bus_try_properties(trace->ctl, view->service, BUS_PATH_IPCP, BUS_INTERFACE_ETHERNET, &ethernet) >= 0) {
                (void) snprintf(note, sizeof(note), "%s, packets of %" PRIu64 " B",
                                member_string(ethernet, "Interface"), member_u64(view->properties, "MaxPacketSize"));
                table_set_string(trace->table, NOTE, note);
        } else
                table_set_string(trace->table, NOTE, view->reason);
}

/* -- layer by layer -- */

/* The row of the neighbour that is the first on the way; NULL: it is not one any more. */
static json_object *first_neighbour(json_object *neighbours, json_object *hops) {
        uint64_t address = json_object_array_length(hops) > 0 ? item_u64(json_object_array_get_idx(hops, 0), 1) : 0;

        for (size_t i = 0; address != 0 && i < json_object_array_length(neighbours); i++)
                if (item_u64(json_object_array_get_idx(neighbours, i), 3) == address)
                        return json_object_array_get_idx(neighbours, i);

        return NULL;
}

static int trace_layer(Trace *trace, const char *layer, const char *name, unsigned depth);

/* How the first member on the way is reached: what it is called in this layer is its name in the one below. What
 * cannot be found out there takes nothing away from what was seen above. */
static void trace_below(Trace *trace, const LayerView *view, json_object *hops, unsigned depth) {
        _cleanup_(layer_view_done) LayerView below = {};
        _cleanup_json_ json_object *neighbours = NULL;
        json_object *row;
        const char *lower;

        if (depth + 1 >= TRACE_DEPTH_MAX || layer_view_neighbours(trace->ctl, view, &neighbours) > 0)
                return;

        row = first_neighbour(neighbours, hops);
        lower = row ? member_string(json_object_array_get_idx(row, 8), "Over") : "";
        if (isempty(lower) || layer_view_open(trace->ctl, lower, &below) > 0)
                return;

        if (streq(below.type, "unicast"))
                (void) trace_layer(trace, lower, item_string(row, 0), depth + 1);
        else
                add_network(trace, &below, depth + 1);
}

static int trace_layer(Trace *trace, const char *layer, const char *name, unsigned depth) {
        _cleanup_(layer_view_done) LayerView view = {};
        _cleanup_json_ json_object *hops = NULL;
        uint64_t address = 0;
        int r;

        r = layer_view_open_member(trace->ctl, layer, &view);
        if (r == 0)
                r = look_up(trace->ctl, &view, name, &address);
        if (r > 0)
                return r;
        if (address == view.address) {
                (void) fprintf(stderr, "'%s' is served by this host.\n", name);
                return EXIT_FAILED;
        }

        r = ask_hops(trace->ctl, &view, address, &hops);
        if (r > 0)
                return r;

        add_hops(trace, &view, depth, hops);
        trace_below(trace, &view, hops, depth);
        return 0;
}

static void print_summary(const Trace *trace) {
        char step[32], whole[32];

        if (!trace->reached)
                (void) printf("The last member did not answer.\n");
        if (trace->slowest_usec < 0)
                return;

        (void) printf("Slowest step: %s (%s", trace->slowest, rtt_format(step, sizeof(step), trace->slowest_usec));
        if (trace->whole_usec >= 0)
                (void) printf(" of %s", rtt_format(whole, sizeof(whole), trace->whole_usec));
        (void) printf(").\n");
}

int verb_trace(Ctl *ctl, int argc, char *argv[]) {
        Trace trace = { .ctl = ctl, .slowest_usec = -1, .whole_usec = -1 };
        _cleanup_(table_freep) Table *table = NULL;
        _cleanup_free_ char *layer = NULL;
        int r;

        r = table_new(trace_columns, ELEMENTSOF(trace_columns), &table);
        if (r < 0)
                return bus_complain_message(r);
        trace.table = table;

        if (ctl->options.n_layers == 0)
                r = choose_layer(ctl, argv[1], &layer);
        if (r == 0)
                r = trace_layer(&trace, layer ?: ctl->options.layers[0], argv[1], 0);
        if (r > 0)
                return r;

        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        if (ctl->options.json == JSON_OFF && ctl->options.legend && !ctl->options.quiet)
                print_summary(&trace);
        return trace.reached ? EXIT_FINE : EXIT_NOT_ACTIVE;
}
