/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading the log of changes on behalf of each neighbour; flood.h has the idea. */

#include "services/ipcp-unicast/flood.h"

#define MESSAGE_USEC (USEC_PER_SEC / FLOOD_RATE)

int flood_init(Flood *f) {
        assert(f);

        *f = (Flood) {};
        list_init(&f->peers);
        return map_new(&f->by_number);
}

void flood_done(Flood *f) {
        FloodPeer *p, *following;

        assert(f);

        if (f->by_number)
                list_for_each_safe(p, following, &f->peers, by_flood)
                        free(p);
        map_free(f->by_number);
        *f = (Flood) {};
}

int flood_add_peer(Flood *f, const Lsdb *db, uint64_t peer, bool extended, usec_t now) {
        _cleanup_free_ FloodPeer *p = NULL;
        int r;

        assert(f);

        if (f->n_peers >= FLOOD_PEERS_MAX)
                return -ENOSPC;

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;

        *p = (FloodPeer) {
                .number = peer,
                .extended = extended,
                .news = db->version,
                .dump_end = db->version,
                .repeats = { 0, db->version },  /* the first one takes the dump with it */
                .since = now,
                .tokens_usec = FLOOD_BURST * MESSAGE_USEC,
                .filled = now,
                .retry_usec = FLOOD_RETRY_MIN_USEC,
        };
        r = map_put(f->by_number, &p->number, sizeof(p->number), p);
        if (r < 0)
                return r;

        list_append(&f->peers, &p->by_flood);
        f->n_peers++;
        (void) TAKE_PTR(p);
        return 0;
}

void flood_remove_peer(Flood *f, uint64_t peer) {
        FloodPeer *p = map_remove(f->by_number, &peer, sizeof(peer));

        if (!p)
                return;

        list_unlink(&p->by_flood);
        f->n_peers--;
        free(p);
}

bool flood_has_peer(const Flood *f, uint64_t peer) {
        return map_get(f->by_number, &peer, sizeof(peer));
}

/* Whether there is something in the entry's last change that this peer, who was told up to mark, does not know. A
 * prototype that has got the dump is spared what only the longer form has news of. */
static bool concerns(const FloodPeer *p, const LsdbEntry *e, uint64_t mark, Lsa *ret) {
        if (e->learned_from == p->number)
                return false;
        if (!p->extended && p->dump >= p->dump_end && e->plain_version <= mark)
                return false;

        return lsdb_entry_lsa(e, p->extended, ret);
}

static bool transmit(Flood *f, const FloodPeer *p, const Lsa *lsa, FloodSend send, void *userdata) {
        uint8_t message[LSA_BYTES_MAX];
        size_t size = lsa_write(lsa, message);

        if (!send(userdata, p->number, message, size))
                return false;

        f->n_sent++;
        return true;
}

static void tokens_fill(FloodPeer *p, usec_t now) {
        p->tokens_usec = MIN(usec_add(p->tokens_usec, usec_sub(now, p->filled)), FLOOD_BURST * MESSAGE_USEC);
        p->filled = now;
}

/* Returns: 0: the mark went past the entry; 1: the peer's turn is over, for lack of tokens or room. */
static int send_entry(Flood *f, FloodPeer *p, const LsdbEntry *e, uint64_t *mark, FloodSend send, void *userdata,
                      usec_t now) {
        Lsa lsa;

        if (concerns(p, e, *mark, &lsa)) {
                if (p->tokens_usec < MESSAGE_USEC)
                        return 1;
                if (!transmit(f, p, &lsa, send, userdata)) {
                        p->retry = usec_add(now, p->retry_usec);
                        p->retry_usec = MIN(2 * p->retry_usec, FLOOD_RETRY_MAX_USEC);
                        return 1;
                }
                p->retry_usec = FLOOD_RETRY_MIN_USEC;
                p->tokens_usec -= MESSAGE_USEC;
        }

        *mark = e->version;
        return 0;
}

static int send_up_to(Flood *f, FloodPeer *p, const Lsdb *db, uint64_t *mark, uint64_t end, FloodSend send,
                      void *userdata, usec_t now) {
        LsdbEntry *e;

        if (*mark >= end)
                return 0;               /* what the log has behind the dump is not walked over for each message */

        while ((e = lsdb_changed_after(db, *mark)) && e->version <= end)
                if (send_entry(f, p, e, mark, send, userdata, now) > 0)
                        return 1;

        *mark = MAX(*mark, end);
        return 0;
}

/* When this entry is to be sent again to this peer; 0: not, for refreshes are not repeated. */
static usec_t repeat_due(const FloodPeer *p, const LsdbEntry *e, unsigned repeat) {
        usec_t delay = (2ULL * repeat + 1) * FLOOD_REPEAT_USEC;

        if (e->version <= p->dump_end)
                return usec_add(p->since, delay);
        return e->news ? usec_add(e->changed, delay) : 0;
}

/* Returns as send_entry(); lowers *due to when the next repetition is. */
static int send_repeats(Flood *f, FloodPeer *p, const Lsdb *db, unsigned repeat, FloodSend send, void *userdata,
                        usec_t now, usec_t *due) {
        uint64_t *mark = &p->repeats[repeat];
        LsdbEntry *e;

        if (now < p->repeats_due[repeat]) {
                *due = MIN(*due, p->repeats_due[repeat]);
                return 0;
        }

        while ((e = lsdb_changed_after(db, *mark)) && e->version <= p->news) {
                usec_t when = repeat_due(p, e, repeat);

                *mark = e->version - 1;         /* what left the log before it is not walked over again */
                if (when > now) {
                        p->repeats_due[repeat] = when;
                        *due = MIN(*due, when);
                        return 0;
                }
                if (when == 0)
                        *mark = e->version;
                else if (send_entry(f, p, e, mark, send, userdata, now) > 0)
                        return 1;
        }

        return 0;
}

static usec_t run_peer(Flood *f, FloodPeer *p, const Lsdb *db, FloodSend send, void *userdata, usec_t now) {
        usec_t due = USEC_INFINITY;

        if (p->retry > now)
                return p->retry;

        p->retry = 0;
        tokens_fill(p, now);

        if (send_up_to(f, p, db, &p->news, db->version, send, userdata, now) == 0 &&
            send_up_to(f, p, db, &p->dump, p->dump_end, send, userdata, now) == 0 &&
            send_repeats(f, p, db, 0, send, userdata, now, &due) == 0 &&
            send_repeats(f, p, db, 1, send, userdata, now, &due) == 0)
                return due;

        return p->retry > 0 ? p->retry : usec_add(now, FLOOD_BURST / 4 * MESSAGE_USEC);
}

usec_t flood_run(Flood *f, const Lsdb *db, FloodSend send, void *userdata, usec_t now) {
        usec_t due = USEC_INFINITY;
        FloodPeer *p;

        assert(f);
        assert(db);

        list_for_each(p, &f->peers, by_flood)
                due = MIN(due, run_peer(f, p, db, send, userdata, now));

        return due;
}

void flood_run_unpaced(Flood *f, const Lsdb *db, FloodSend send, void *userdata) {
        FloodPeer *p;
        LsdbEntry *e;

        list_for_each(p, &f->peers, by_flood)
                while ((e = lsdb_changed_after(db, p->news))) {
                        Lsa lsa;

                        if (concerns(p, e, p->news, &lsa) && !transmit(f, p, &lsa, send, userdata))
                                break;
                        p->news = e->version;
                }
}
