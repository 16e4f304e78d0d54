/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of neighbours, see neighbour-report.h. */

#include "services/ipcp-unicast/neighbour-report.h"

typedef struct Row {
        ListNode by_report;
        LayerNeighbour is;              /* its address tells neighbours apart */
        char target[FLOW_NAME_WIRE_BYTES_MAX + 1];      /* who is asked for below; "": it came to us by itself */
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char lower[LAYER_NAME_BYTES_MAX + 1];
        char text[LAYER_TEXT_BYTES_MAX];
        bool seen;
} Row;

static void row_free(Row *row) {
        list_unlink(&row->by_report);
        free(row);
}

void neighbour_report_init(NeighbourReport *report, void (*tell)(void *userdata, const LayerNeighbour *neighbour,
                           const char *name, const char *lower, const char *text), void *userdata) {
        *report = (NeighbourReport) { .tell = tell, .userdata = userdata };
        list_init(&report->rows);
}

void neighbour_report_forget(NeighbourReport *report) {
        while (!list_is_empty(&report->rows))
                row_free(list_first(&report->rows, Row, by_report));
}

void neighbour_report_done(NeighbourReport *report) {
        neighbour_report_forget(report);
}

/* -- telling -- */

/* A neighbour is known by its address; one that was tried only is known by whom we asked for, and where. */
static Row *find_row(NeighbourReport *report, const Row *now) {
        Row *row;

        list_for_each(row, &report->rows, by_report)
                if (row->is.address != ADDRESS_NONE && row->is.address == now->is.address)
                        return row;

        list_for_each(row, &report->rows, by_report)
                if (!row->seen && now->target[0] != '\0' && streq(row->target, now->target) &&
                    streq(row->lower, now->lower) &&
                    (row->is.address == ADDRESS_NONE || now->is.address == ADDRESS_NONE))
                        return row;

        return NULL;
}

static bool row_changed(const Row *before, const Row *now) {
        return before->is.state != now->is.state || before->is.components != now->is.components ||
               before->is.address != now->is.address || before->is.cost != now->is.cost ||
               !streq(before->name, now->name) || !streq(before->lower, now->lower) || !streq(before->text, now->text);
}

static bool counters_changed(const Row *before, const Row *now) {
        return before->is.tx_bytes != now->is.tx_bytes || before->is.rx_bytes != now->is.rx_bytes ||
               before->is.rtt_usec != now->is.rtt_usec;
}

static void tell(NeighbourReport *report, const Row *row) {
        report->tell(report->userdata, &row->is, row->name, row->lower, row->text);
}

static void row_is(NeighbourReport *report, const Row *now, bool counters) {
        Row *row = find_row(report, now);
        LayerNeighbour is = now->is;
        bool changed = !row || row_changed(row, now) || (counters && counters_changed(row, now));

        if (!row) {
                row = calloc(1, sizeof(*row));
                if (!row)
                        return;         /* the next report tries again */

                list_init(&row->by_report);
                row->is.key = ++report->last_key;
                list_append(&report->rows, &row->by_report);
        }

        row->seen = true;
        if (!changed)
                return;

        is.key = row->is.key;
        if (row->is.state == is.state && row->is.since_usec > 0)
                is.since_usec = row->is.since_usec;     /* clocks are set; that does not make it a newer one */

        row->is = is;
        (void) copy_string(row->target, sizeof(row->target), now->target);
        (void) copy_string(row->name, sizeof(row->name), now->name);
        (void) copy_string(row->lower, sizeof(row->lower), now->lower);
        (void) copy_string(row->text, sizeof(row->text), now->text);
        tell(report, row);
}

/* -- what is -- */

static uint64_t realtime_usec(const Unicast *u, usec_t when, usec_t now) {
        return usec_sub(u->events->realtime_nsec(u->userdata, now) / NSEC_PER_USEC, usec_sub(now, when));
}

static const char *lower_name(const Unicast *u, int lower) {
        return lower >= 0 && (unsigned) lower < u->config.n_lower ? u->config.lower[lower] : "";
}

static void add_flows(Row *row, const List *flows, uint32_t component, const LowerFlow **in_use) {
        const LowerFlow *flow;

        list_for_each(flow, flows, by_neighbour) {
                row->is.components |= component;
                row->is.tx_bytes += flow->counters.tx_bytes;
                row->is.rx_bytes += flow->counters.rx_bytes;
                if (!*in_use)
                        *in_use = flow;
        }
}

/* Who asked for this very member; the layer's own name asks for anybody. */
static const JoinTarget *target_of(const Unicast *u, const Neighbour *n) {
        const JoinTarget *target;

        list_for_each(target, &u->join.targets, by_join)
                if (target->address == n->address && !target->implicit)
                        return target;

        return NULL;
}

static void report_neighbour(NeighbourReport *report, const Unicast *u, const Neighbour *n, bool counters, usec_t now) {
        const JoinTarget *target = target_of(u, n);
        const LowerFlow *in_use = NULL;
        Row row = {
                .is = {
                        .state = n->state == NEIGHBOUR_UP ? LAYER_NEIGHBOUR_UP : LAYER_NEIGHBOUR_TRYING,
                        .address = n->address,
                        .rtt_usec = n->rtt_usec,
                        .since_usec = realtime_usec(u, n->since, now),
                        .cost = n->cost,
                },
        };

        /* Packets take data transfer flows, so these come first in saying where it is. */
        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                add_flows(&row, &n->data[cube], LAYER_COMPONENT_DATA, &in_use);
        add_flows(&row, &n->management, LAYER_COMPONENT_MANAGEMENT, &in_use);

        if (target)
                (void) copy_string(row.target, sizeof(row.target), target->name);
        (void) copy_string(row.lower, sizeof(row.lower), lower_name(u, target    ? target->lower
                                                                       : in_use ? (int) in_use->lower
                                                                                : -1));
        if (in_use && row.lower[0] == '\0')
                (void) copy_string(row.lower, sizeof(row.lower), lower_name(u, (int) in_use->lower));

        if (n->member[0] == '\0' && target)
                (void) copy_string(row.name, sizeof(row.name), target->name);
        else
                (void) neighbour_name(n, row.name, sizeof(row.name));
        if (n->state != NEIGHBOUR_UP)
                (void) copy_string(row.text, sizeof(row.text),
                                   target && target->problem[0] ? target->problem : "no flow takes packets to it now");

        row_is(report, &row, counters);
}

/* The layer's own name over a layer below asks for anybody there. */
static bool is_content(const Unicast *u, const JoinTarget *target) {
        return target->satisfied || (target->address != ADDRESS_NONE && neighbour_find(u, target->address));
}

static void report_target(NeighbourReport *report, const Unicast *u, const JoinTarget *target, usec_t now) {
        Row row = {
                .is = {
                        .state = LAYER_NEIGHBOUR_TRYING,
                        .since_usec = realtime_usec(u, now, now),
                        .cost = target->cost,
                },
        };

        (void) copy_string(row.target, sizeof(row.target), target->name);
        (void) copy_string(row.name, sizeof(row.name), target->name);
        (void) copy_string(row.lower, sizeof(row.lower), lower_name(u, target->lower));
        (void) copy_string(row.text, sizeof(row.text), target->problem);
        row_is(report, &row, false);
}

void neighbour_report_update(NeighbourReport *report, const Unicast *u, bool counters, usec_t now) {
        const JoinTarget *target;
        Row *row, *following;
        const Neighbour *n;

        list_for_each(row, &report->rows, by_report)
                row->seen = false;

        list_for_each(n, &u->neighbours, by_unicast)
                report_neighbour(report, u, n, counters, now);
        list_for_each(target, &u->join.targets, by_join)
                if (!is_content(u, target))
                        report_target(report, u, target, now);

        list_for_each_safe(row, following, &report->rows, by_report)
                if (!row->seen) {
                        row->is.state = LAYER_NEIGHBOUR_DOWN;
                        row->is.components = 0;
                        tell(report, row);
                        row_free(row);
                }
}
