/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fetching flows. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/flows.h"

#define PAGE 1000U
#define ROW "tssssuutta{sv}"

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

/* Returns: 1; 0: there are no more; a negative errno. */
static int read_row(sd_bus_message *reply, void (*row)(void *userdata, const FlowRow *row), void *userdata) {
        _cleanup_json_ json_object *details = NULL;
        json_object *verified = NULL;
        FlowRow flow = {};
        int r;

        r = sd_bus_message_enter_container(reply, 'r', ROW);
        if (r <= 0)
                return r;

        r = sd_bus_message_read(reply, "tssssuutt", &flow.id, &flow.name, &flow.layer, &flow.peer, &flow.state,
                                &flow.uid, &flow.pid, &flow.since_usec, &flow.memory_bytes);
        if (r >= 0)
                r = bus_json_read(reply, &details);
        if (r < 0)
                return r;

        flow.details = details;
        flow.direction = member_string(details, "Direction");
        flow.verified =
                json_object_object_get_ex(details, "PeerVerified", &verified) && json_object_get_boolean(verified);
        flow.protection = member_string(details, "Protection");
        flow.key_exchange = member_string(details, "KeyExchange");
        row(userdata, &flow);

        r = sd_bus_message_exit_container(reply);
        return r < 0 ? r : 1;
}

/* *cursor: where the page begins, then where the next one does; 0 after the last. */
static int fetch_page(Ctl *ctl, uint64_t *cursor, void (*row)(void *userdata, const FlowRow *row), void *userdata) {
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

        r = sd_bus_message_enter_container(reply, 'a', "(" ROW ")");
        while (r > 0)
                r = read_row(reply, row, userdata);
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "t", cursor);

        return r < 0 ? bus_complain_message(r) : 0;
}

int flows_list(Ctl *ctl, void (*row)(void *userdata, const FlowRow *row), void *userdata) {
        uint64_t cursor = 0;

        do {
                uint64_t before = cursor;
                int r;

                r = fetch_page(ctl, &cursor, row, userdata);
                if (r > 0)
                        return r;

                if (cursor != 0 && cursor <= before) {  /* no progress: it would go on for ever */
                        (void) fprintf(stderr, "The list of flows does not end; this is the beginning of it.\n");
                        break;
                }
        } while (cursor != 0);

        return 0;
}

void flow_counts_add(void *userdata, const FlowRow *row) {
        FlowCounts *counts = userdata;

        if (isempty(row->layer))
                counts->n_local++;
        else if (isempty(row->protection) || streq(row->protection, "none"))
                counts->n_plain++;
        else if (streq(row->protection, "mac"))
                counts->n_sealed++;
        else if (row->verified)
                counts->n_proven++;
        else
                counts->n_encrypted++;
}
