/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Members of a layer: who our neighbours are, and having others. */

#include <stdio.h>
#include <time.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/layer.h"
#include "o7sctl/table.h"

#define LOOK_EVERY_USEC (100 * USEC_PER_MSEC)

enum { NEIGHBOUR, STATE, PART, ADDRESS, RTT, OVER, SENT, RECEIVED, SINCE, REASON };

static const Column neighbour_columns[] = {
        [NEIGHBOUR] = { "NEIGHBOUR", "neighbour", 0 },
        [STATE] = { "STATE", "state", 0 },
        [PART] = { "PART", "components", 0 },
        [ADDRESS] = { "ADDRESS", "address", COLUMN_RIGHT },
        [RTT] = { "RTT", "rtt_usec", COLUMN_RIGHT },
        [OVER] = { "OVER", "over", 0 },
        [SENT] = { "TX", "tx_bytes", COLUMN_RIGHT },
        [RECEIVED] = { "RX", "rx_bytes", COLUMN_RIGHT },
        [SINCE] = { "SINCE", "since_usec", COLUMN_RIGHT },
        [REASON] = { "REASON", "reason", COLUMN_SHORTEN },
};

static Color neighbour_color(const char *state) {
        return streq(state, "up") ? COLOR_GREEN : streq(state, "trying") ? COLOR_YELLOW : COLOR_RED;
}

static void set_since(Table *table, uint64_t since) {
        usec_t now = time_realtime_nsec() / NSEC_PER_USEC;
        char text[32];

        /* To the second: the rest is noise. */
        (void) usec_format(text, sizeof(text), usec_sub(now, since) / USEC_PER_SEC * USEC_PER_SEC);
        table_set(table, SINCE, text, json_object_new_uint64(since), COLOR_NORMAL);
}

static void add_neighbour(Table *table, json_object *row) {
        const char *state = item_string(row, 1), *reason;
        json_object *extra = json_object_array_get_idx(row, 8);
        bool up = streq(state, "up");

        table_row(table);
        table_set_string(table, NEIGHBOUR, item_string(row, 0));
        table_set(table, STATE, state, json_object_new_string(state), neighbour_color(state));
        table_set_string(table, PART, item_string(row, 2));
        if (item_u64(row, 3) != 0)
                table_set_id(table, ADDRESS, item_u64(row, 3));
        table_set_rtt(table, RTT, json_object_get_int64(json_object_array_get_idx(row, 4)));
        table_set_string(table, OVER, member_string(extra, "Over"));
        if (up) {
                table_set_bytes(table, SENT, item_u64(row, 6));
                table_set_bytes(table, RECEIVED, item_u64(row, 7));
        }
        set_since(table, item_u64(row, 5));

        reason = member_string(extra, "Reason");
        if (!isempty(reason))
                table_set_string(table, REASON, reason);
}

static void print_count(const Ctl *ctl, const LayerView *view, const Table *table) {
        size_t n = table_rows(table);

        if (ctl->options.json != JSON_OFF || !ctl->options.legend || ctl->options.quiet)
                return;

        if (n == 0)
                (void) printf("Layer %s has no neighbours; it is %s: %s\n", view->name, view->state, view->reason);
        else
                (void) printf("%zu neighbour%s.\n", n, n == 1 ? "" : "s");
}

int verb_neighbours(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(layer_view_done) LayerView view = {};
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(table_freep) Table *table = NULL;
        int r;

        r = layer_view_open_member(ctl, argv[1], &view);
        if (r == 0)
                r = layer_view_neighbours(ctl, &view, &rows);
        if (r > 0)
                return r;

        r = table_new(neighbour_columns, ELEMENTSOF(neighbour_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        for (size_t i = 0; i < json_object_array_length(rows); i++)
                add_neighbour(table, json_object_array_get_idx(rows, i));

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        print_count(ctl, &view, table);
        return EXIT_FINE;
}

/* -- orders -- */

/* Says how an operation ended. Returns: the exit status; -EAGAIN: it has not. */
static int look(Ctl *ctl, const char *operation, const char *what) {
        _cleanup_json_ json_object *properties = NULL;
        const char *state, *message, *error = "";
        json_object *pair;
        int r;

        r = bus_properties(ctl, operation, BUS_INTERFACE_OPERATION, &properties);
        if (r > 0)
                return r;

        state = member_string(properties, "State");
        message = member_string(properties, "Message");
        if (streq(state, "running"))
                return -EAGAIN;

        if (streq(state, "done")) {
                if (!ctl->options.quiet)
                        (void) printf("%s.\n", message);
                return EXIT_FINE;
        }

        pair = member_array(properties, "Error");
        if (pair && json_object_array_length(pair) == 2)
                error = json_object_get_string(json_object_array_get_idx(pair, 0));

        (void) fprintf(stderr, "%s: %s.\n", what, message);
        return bus_exit_status(error);
}

static int wait_for(Ctl *ctl, const char *layer, const char *operation, const char *what) {
        const struct timespec pause = { .tv_nsec = (long) (LOOK_EVERY_USEC * NSEC_PER_USEC) };
        usec_t deadline = usec_add(time_now(), usec_add(ctl->options.timeout, USEC_PER_SEC));
        int r;

        while ((r = look(ctl, operation, what)) == -EAGAIN) {
                if (time_now() >= deadline) {
                        (void) fprintf(stderr, "%s: it is not so yet, and is tried on. See: o7sctl neighbours %s\n",
                                       what, layer);
                        return EXIT_TIMEOUT;
                }
                (void) nanosleep(&pause, NULL);
        }

        return r;
}

static int send_order(Ctl *ctl, const char *layer, sd_bus_message *call, const char *what) {
        BUS_REPLY_FREE sd_bus_message *reply = NULL;
        const char *operation;
        int r;

        agent_open(ctl);
        r = bus_send(ctl, call, &reply, "%s", what);
        if (r > 0)
                return r;

        r = sd_bus_message_read(reply, "o", &operation);
        if (r < 0)
                return bus_complain_message(r);

        return ctl->options.block ? wait_for(ctl, layer, operation, what) : EXIT_FINE;
}

static int connect_or_not(Ctl *ctl, char *argv[], bool connect) {
        uint64_t flags = ctl->options.block ? 0 : BUS_FLAG_NO_WAIT;
        _cleanup_(layer_view_done) LayerView view = {};
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        _cleanup_free_ char *what = NULL;
        int r;

        r = layer_view_open_member(ctl, argv[1], &view);
        if (r == 0)
                r = bus_prepare(ctl, view.path, BUS_INTERFACE_LAYER, connect ? "Connect" : "Disconnect", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "sas", argv[2], 0);
        if (r >= 0 && connect)
                r = sd_bus_message_append(call, "a{sv}", ctl->options.n_over > 0 ? 1 : 0, "Over", "s",
                                          ctl->options.over[0]);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", flags);
        if (r >= 0)
                r = format_string(&what, "Cannot %s layer '%s' %s '%s'", connect ? "connect" : "disconnect", argv[1],
                                  connect ? "to" : "from", argv[2]);
        if (r < 0)
                return bus_complain_message(r);

        return send_order(ctl, argv[1], call, what);
}

int verb_connect(Ctl *ctl, int argc, char *argv[]) {
        if (ctl->options.n_over > 1) {
                (void) fprintf(stderr, "A neighbour is connected to over one layer; say it once for each.\n");
                return EXIT_USAGE;
        }

        return connect_or_not(ctl, argv, true);
}

int verb_disconnect(Ctl *ctl, int argc, char *argv[]) {
        return connect_or_not(ctl, argv, false);
}
