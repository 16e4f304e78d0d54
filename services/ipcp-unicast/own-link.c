/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Own links; own-link.h says what matters. Each is an entry of the database too, by which it is flooded and counts in
 * the graph like any other. */

#include "services/ipcp-unicast/own-link.h"

void own_links_init(OwnLinks *o, Lsdb *db, uint64_t address, uint64_t first) {
        assert(o);
        assert(db);

        *o = (OwnLinks) { .db = db, .address = address, .first = MIN(first, LSA_SEQUENCE_MAX) };
        list_init(&o->links);
}

void own_links_done(OwnLinks *o) {
        OwnLink *link, *following;

        assert(o);

        if (!o->db)
                return;

        list_for_each_safe(link, following, &o->links, by_links)
                free(link);
        *o = (OwnLinks) {};
}

static OwnLink *link_find(const OwnLinks *o, uint64_t to) {
        OwnLink *link;

        list_for_each(link, &o->links, by_links)
                if (lsdb_entry_to(link->entry) == to)
                        return link;

        return NULL;
}

static bool link_is_there(const OwnLink *link) {
        return link->gone == USEC_INFINITY;
}

/* One more, unless that is beyond what anybody believes: then from the beginning, see own-link.h. */
static uint64_t sequence_after(const OwnLinks *o, uint64_t sequence) {
        return sequence < LSA_SEQUENCE_MAX ? sequence + 1 : o->first;
}

static int announce(OwnLinks *o, uint64_t to, uint64_t sequence, uint32_t cost, usec_t now, LsdbEntry **ret) {
        int r;

        r = lsdb_set_own(o->db, o->address, to, sequence, cost, now, ret);
        if (r < 0)
                return r;

        o->highest = o->used ? MAX(o->highest, sequence) : sequence;
        o->used = true;
        return 0;
}

/* Says it once more, with the next number. */
static int link_announce(OwnLinks *o, OwnLink *link, uint64_t after, uint32_t cost, usec_t now) {
        return announce(o, lsdb_entry_to(link->entry), sequence_after(o, after), cost, now, &link->entry);
}

static uint32_t link_cost(const OwnLink *link) {
        return link_is_there(link) ? link->entry->cost : 0;
}

static int link_new(OwnLinks *o, uint64_t to, uint64_t sequence, uint32_t cost, usec_t now) {
        _cleanup_free_ OwnLink *link = NULL;
        int r;

        link = malloc(sizeof(*link));
        if (!link)
                return -ENOMEM;

        *link = (OwnLink) { .gone = cost > 0 ? USEC_INFINITY : now, .denied = cost == 0 };
        r = announce(o, to, sequence, cost, now, &link->entry);
        if (r < 0)
                return r;

        o->n_links++;
        o->n_denied += link->denied;
        list_append(&o->links, &link->by_links);
        (void) TAKE_PTR(link);
        return 0;
}

static void link_forget(OwnLinks *o, OwnLink *link) {
        o->n_links--;
        o->n_denied -= link->denied;
        list_unlink(&link->by_links);
        lsdb_forget(o->db, link->entry);
        free(link);
}

int own_links_set(OwnLinks *o, uint64_t to, uint32_t cost, usec_t now) {
        OwnLink *link = link_find(o, to);
        int r;

        if (!link) {
                if (cost == 0)
                        return 0;
                if (o->n_links - o->n_denied >= OWN_LINKS_MAX)
                        return -ENOSPC;

                /* What we know nothing of any more used smaller numbers. */
                r = link_new(o, to, o->used ? sequence_after(o, o->highest) : o->first, cost, now);
                return r < 0 ? r : 1;
        }

        if (link_cost(link) == cost)
                return 0;

        r = link_announce(o, link, link->entry->sequence, cost, now);
        if (r < 0)
                return r;

        if (link->denied) {
                link->denied = false;
                o->n_denied--;
        }
        link->gone = cost > 0 ? USEC_INFINITY : now;
        return 1;
}

void own_links_refresh(OwnLinks *o, usec_t now) {
        usec_t keep = usec_add(o->db->timeout_usec, o->db->timeout_usec);
        OwnLink *link, *following;

        list_for_each_safe(link, following, &o->links, by_links)
                if (!link_is_there(link) && usec_sub(now, link->gone) >= keep)
                        link_forget(o, link);
                else
                        (void) link_announce(o, link, link->entry->sequence, link_cost(link), now);
}

void own_links_withdraw(OwnLinks *o, usec_t now) {
        OwnLink *link;

        list_for_each(link, &o->links, by_links)
                if (link_is_there(link) && link_announce(o, link, link->entry->sequence, 0, now) >= 0)
                        link->gone = now;
}

/* -- claims -- */

static bool is_news(const OwnLink *link, const Lsa *lsa) {
        if (lsa->sequence != link->entry->sequence)
                return lsa->sequence > link->entry->sequence;

        /* Our own message comes back in either form. But what has our number and says something else is not ours. */
        return lsa->extended &&
               (lsa->withdrawn == link_is_there(link) || (!lsa->withdrawn && lsa->cost != link->entry->cost));
}

static void link_answer(OwnLinks *o, OwnLink *link, usec_t now) {
        link->contested = false;
        link->answer = usec_add(now, OWN_LINK_ANSWER_USEC);
        if (link->claimed < LSA_SEQUENCE_MAX)
                (void) link_announce(o, link, link->claimed, link_cost(link), now);
}

/* Each answer gives one claim the chance to come back. Returns whether it did so too often. */
static bool link_count_claim(OwnLink *link, usec_t now) {
        if (link->contested)
                return false;

        if (link->n_claims == 0 || usec_sub(now, link->claims_since) > OWN_LINK_CLAIMS_USEC) {
                link->n_claims = 0;
                link->claims_since = now;
        }

        return ++link->n_claims > OWN_LINK_CLAIMS_MAX;
}

int own_links_claimed(OwnLinks *o, const Lsa *lsa, usec_t now) {
        OwnLink *link;
        bool conflict;
        int r;

        assert(lsa->from == o->address);

        link = link_find(o, lsa->to);
        if (!link) {
                if (lsa->withdrawn)
                        return 0;
                if (o->n_denied >= OWN_LINKS_CLAIMED_MAX)
                        return -ENOSPC;

                r = link_new(o, lsa->to, sequence_after(o, lsa->sequence), 0, now);
                if (r < 0)
                        return r;

                link = link_find(o, lsa->to);
                link->answer = usec_add(now, OWN_LINK_ANSWER_USEC);
                (void) link_count_claim(link, now);
                return 1;
        }

        if (!is_news(link, lsa))
                return 0;

        conflict = link_count_claim(link, now);
        link->claimed = link->contested ? MAX(link->claimed, lsa->sequence) : lsa->sequence;
        link->contested = true;
        if (link->answer <= now)
                link_answer(o, link, now);

        return conflict ? 2 : 1;
}

usec_t own_links_answer(OwnLinks *o, usec_t now) {
        usec_t next = USEC_INFINITY;
        OwnLink *link;

        list_for_each(link, &o->links, by_links) {
                if (link->contested && link->answer <= now)
                        link_answer(o, link, now);
                if (link->contested)
                        next = MIN(next, link->answer);
        }

        return next;
}
