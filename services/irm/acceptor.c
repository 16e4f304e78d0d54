/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Listeners as a name sees them, and the flows that wait for one. */

#include "services/irm/balance.h"
#include "services/irm/flow.h"

#define CANDIDATES_MAX 256U     /* listeners of one name that a flow is balanced over; more wait their turn */

static Acceptor *acceptor_find(const Name *n, const Client *c) {
        Acceptor *a;

        list_for_each(a, &c->acceptors, by_client)
                if (a->name == n)
                        return a;

        return NULL;
}

int acceptor_new(Name *n, Client *c, Acceptor **ret) {
        Acceptor *a;

        if (acceptor_find(n, c))
                return -EEXIST;

        a = malloc(sizeof(*a));
        if (!a)
                return -ENOMEM;

        *a = (Acceptor) { .client = c, .name = n };
        list_init(&a->offers);
        list_init(&a->by_client);
        list_init(&a->by_name);
        list_append(&c->acceptors, &a->by_client);
        list_append(&n->acceptors, &a->by_name);

        *ret = a;
        return 0;
}

/* Flows that it accepted go on without it: they belong to its process. */
Acceptor *acceptor_free(Acceptor *a) {
        Name *n;
        size_t position;
        Flow *f;

        if (!a)
                return NULL;

        n = a->name;
        list_unlink(&a->by_client);
        list_unlink(&a->by_name);

        while (!list_is_empty(&a->offers)) {
                f = list_first(&a->offers, Flow, by_offer);
                accept_withdraw(f, -ECANCELED);         /* its client may go on, with other names */
                (void) flow_handle(f, FLOW_EVENT_RETRACT);
        }

        if (a->n_flows > 0)
                map_for_each(f, n->manager->flows, position)
                        if (f->served_by == a)
                                f->served_by = NULL;

        free(a);
        name_dispatch(n);                       /* what other hosts had asked of it is in the queue again */
        return NULL;
}

Acceptor *name_choose_acceptor(Name *n) {
        BalanceCandidate candidates[CANDIDATES_MAX];
        Acceptor *acceptors[CANDIDATES_MAX];
        size_t count = 0;
        Acceptor *a;
        int chosen;

        if (name_is_full(n))
                return NULL;

        list_for_each(a, &n->acceptors, by_name) {
                if (count >= CANDIDATES_MAX)
                        break;
                if (a->client->doomed)
                        continue;

                candidates[count] = (BalanceCandidate) { .n_offers = a->n_offers, .n_flows = a->n_flows };
                acceptors[count++] = a;
        }

        chosen = balance_choose(n->balance, candidates, count, &n->rotor);
        return chosen >= 0 ? acceptors[chosen] : NULL;
}

/* Offers the oldest of the waiting flows. Returns whether it is waiting no more; else (a limit) it keeps its place. */
static bool name_offer_first(Name *n, Acceptor *a) {
        Flow *f = list_first(&n->waiting, Flow, by_name);
        uint64_t id = f->id;

        flow_wait_no_more(f);
        flow_set_offer(f, a);
        (void) flow_handle(f, FLOW_EVENT_ACCEPTOR);

        f = flow_find(n->manager, id);          /* it may be gone */
        if (!f || !list_is_linked(&f->by_name))
                return true;

        list_unlink(&f->by_name);
        list_prepend(&n->waiting, &f->by_name);
        return false;
}

/* Oldest first. The limits are those of who listens, and would stop the others too: so the queue, which other hosts can
 * make long, is left alone after as many failures as there are listeners. */
void name_dispatch(Name *n) {
        uint32_t tries = 0;
        Acceptor *a;

        list_for_each(a, &n->acceptors, by_name)
                tries++;

        while (tries > 0 && !list_is_empty(&n->waiting)) {
                a = name_choose_acceptor(n);
                if (!a)
                        return;

                if (!name_offer_first(n, a))
                        tries--;
        }
}
