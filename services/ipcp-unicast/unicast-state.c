/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state of the member, and its reason in words. */

#include <stdio.h>

#include "services/ipcp-unicast/unicast.h"

/* How many neighbours that somebody asked for by name are not there. */
static unsigned count_missing(const Unicast *u, const JoinTarget **ret_first) {
        const JoinTarget *target;
        unsigned n = 0;

        list_for_each(target, &u->join.targets, by_join) {
                if (target->implicit || (target->address != ADDRESS_NONE && neighbour_find(u, target->address)))
                        continue;
                if (n++ == 0)
                        *ret_first = target;
        }

        return n;
}

/* Those that are just becoming neighbours are neither. */
static unsigned count_up(const Unicast *u, unsigned *ret_n_lost) {
        const Neighbour *neighbour;
        unsigned n = 0;

        *ret_n_lost = 0;
        list_for_each(neighbour, &u->neighbours, by_unicast) {
                n += neighbour->state == NEIGHBOUR_UP;
                *ret_n_lost += neighbour_is_lost(neighbour);
        }

        return n;
}

static void report_state(Unicast *u, LayerState state, const char *text) {
        if (u->state == state && streq(u->state_text, text))
                return;

        u->state = state;
        (void) copy_string(u->state_text, sizeof(u->state_text), text);
        u->events->state(u->userdata, state, text);
}

void unicast_update_state(Unicast *u, usec_t now) {
        const JoinTarget *missing = NULL;
        char text[sizeof(u->state_text)];
        unsigned n_missing, n_up, n_lost;

        if (!u->is_member) {
                join_describe(&u->join, now, text, sizeof(text));
                return report_state(u, join_has_failed(&u->join)     ? LAYER_FAILED
                                       : u->config.bootstrap ? LAYER_BOOTSTRAPPING
                                                             : LAYER_ENROLLING, text);
        }

        n_missing = count_missing(u, &missing);
        if (n_missing > 0) {
                (void) snprintf(text, sizeof(text), "%u of its neighbours missing: %.100s (%.200s)", n_missing,
                                missing->name, missing->problem[0] ? missing->problem : "being connected");
                return report_state(u, LAYER_DEGRADED, text);
        }

        n_up = count_up(u, &n_lost);
        if (n_up + n_lost == 0 && !u->config.bootstrap) {
                join_describe(&u->join, now, text, sizeof(text));
                return report_state(u, LAYER_DEGRADED, text);
        }

        if (n_up + n_lost == 0)
                (void) snprintf(text, sizeof(text), "first member of %.63s, no neighbour yet", u->layer.layer);
        else if (n_up == 0)
                (void) snprintf(text, sizeof(text), "member of %.63s, out of reach of its neighbour%s", u->layer.layer,
                                n_lost == 1 ? "" : "s");
        else if (n_lost > 0)
                (void) snprintf(text, sizeof(text), "member of %.63s with %u neighbour%s, and %u out of reach",
                                u->layer.layer, n_up, n_up == 1 ? "" : "s", n_lost);
        else
                (void) snprintf(text, sizeof(text), "member of %.63s with %u neighbour%s", u->layer.layer, n_up,
                                n_up == 1 ? "" : "s");
        report_state(u, n_up == 0 && n_lost > 0 ? LAYER_DEGRADED : LAYER_ONLINE, text);
}
