/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of neighbours, see neighbour.h. */

#include "services/irm/announce.h"
#include "services/irm/neighbour.h"

const char *neighbour_components_to_string(uint32_t components) {
        switch (components & LAYER_COMPONENTS_ALL) {
        case LAYER_COMPONENTS_ALL:
                return "mgmt dt";
        case LAYER_COMPONENT_MANAGEMENT:
                return "mgmt";
        case LAYER_COMPONENT_DATA:
                return "dt";
        default:
                return "";
        }
}

static void row_free(NeighbourRow *row) {
        row->layer->n_neighbours--;
        row->layer->n_neighbours_up -= row->is.state == LAYER_NEIGHBOUR_UP;
        list_unlink(&row->by_layer);
        free(row->name);
        free(row->lower);
        free(row->reason);
        free(row);
}

static NeighbourRow *find_row(const Layer *l, uint64_t key) {
        NeighbourRow *row;

        list_for_each(row, &l->neighbours, by_layer)
                if (row->is.key == key)
                        return row;

        return NULL;
}

static int row_new(Layer *l, NeighbourRow **ret) {
        NeighbourRow *row;

        if (l->n_neighbours >= LAYER_NEIGHBOURS_MAX)
                return -E2BIG;

        row = calloc(1, sizeof(*row));
        if (!row)
                return -ENOMEM;

        row->layer = l;
        row->is.state = LAYER_NEIGHBOUR_DOWN;
        list_init(&row->by_layer);
        list_append(&l->neighbours, &row->by_layer);
        l->n_neighbours++;
        *ret = row;
        return 0;
}

static int row_set(NeighbourRow *row, const LayerMessage *message) {
        char *name = strdup(message->name), *lower = strdup(message->lower), *reason = strdup(message->text);

        if (!name || !lower || !reason) {
                free(name);
                free(lower);
                free(reason);
                return -ENOMEM;
        }

        free(row->name);
        free(row->lower);
        free(row->reason);
        row->name = name;
        row->lower = lower;
        row->reason = reason;
        row->layer->n_neighbours_up += message->neighbour.state == LAYER_NEIGHBOUR_UP;
        row->layer->n_neighbours_up -= row->is.state == LAYER_NEIGHBOUR_UP;
        row->is = message->neighbour;
        return 0;
}

int neighbour_reported(Layer *l, const LayerMessage *message) {
        NeighbourRow *row = find_row(l, message->neighbour.key);
        LayerNeighbourState before = row ? row->is.state : LAYER_NEIGHBOUR_DOWN;
        int r;

        if (!row && message->neighbour.state == LAYER_NEIGHBOUR_DOWN)
                return 0;
        if (!row) {
                r = row_new(l, &row);
                if (r < 0)
                        return r;
        }

        r = row_set(row, message);
        if (r >= 0 && before != message->neighbour.state)
                announce_neighbour(l, message->name, before, message->neighbour.state, message->text);
        if (r < 0 || message->neighbour.state == LAYER_NEIGHBOUR_DOWN)
                row_free(row);

        return r;
}

void neighbours_forget(Layer *l, const char *reason) {
        while (!list_is_empty(&l->neighbours)) {
                NeighbourRow *row = list_first(&l->neighbours, NeighbourRow, by_layer);

                if (reason)
                        announce_neighbour(l, row->name, row->is.state, LAYER_NEIGHBOUR_DOWN, reason);
                row_free(row);
        }
}
