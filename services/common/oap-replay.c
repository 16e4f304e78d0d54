/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which requests have been seen. An entry is needed until its time stamp leaves the window, since an older
 * request is refused for its age; so entries hang, besides in their hash chain, in a wheel of ticks by the
 * time they expire, and a check first empties the ticks that have passed. The work of that is paid by the
 * entries' arrival.
 *
 *   heads[hash]  ─► entry ─► entry     by keyed hash of stamp and id: a sender cannot aim at a chain
 *   wheel[tick]  ─► entry ─► entry     by expiry: 134 ms each, 34 s around, so that the window always fits
 *
 * Where the clock is set back, what was forgotten by then would be timely again: nothing as old as that is taken. Set
 * back by more than OAP_REPLAY_STEP_NSEC it had been wrong, hardly anybody agreed with it, and waiting until it shows
 * that time again would take too long: then it is what is as old as the step.
 *
 * Who has not proven who he is gets three quarters of the entries at most, whoever has the others.
 *
 * Memory is taken once. Links are numbers of entries, from 1, so that memory of zeroes is an empty cache.
 */

#include "basic/siphash.h"
#include "services/common/oap.h"

#define HEADS OAP_REPLAY_ENTRIES_MAX    /* a power of two */
#define WHEEL_TICKS 256U                /* a power of two */
#define TICK_SHIFT 27U                  /* of a tick in nanoseconds */

typedef struct ReplayEntry {
        uint64_t stamp;
        uint8_t id[OAP_ID_BYTES];
        uint32_t next_in_chain;         /* also links entries that are free */
        uint32_t next_in_tick;
} ReplayEntry;

struct OapReplay {
        uint8_t hash_key[SIPHASH_KEY_BYTES];
        uint64_t tick;                  /* everything before it has been emptied */
        uint64_t latest;                /* that the clock showed, unless it was wrong */
        uint64_t newest_forgotten;      /* stamp */
        uint32_t n_used;
        uint32_t n_entries;             /* ever taken from the end of the array */
        uint32_t free;                  /* entries given back */
        uint32_t wheel[WHEEL_TICKS];
        uint32_t heads[HEADS];
        ReplayEntry entries[OAP_REPLAY_ENTRIES_MAX];
};

int oap_replay_new(const uint8_t key[SIPHASH_KEY_BYTES], OapReplay **ret) {
        OapReplay *replay;

        assert(ret);

        replay = calloc(1, sizeof(*replay));
        if (!replay)
                return -ENOMEM;

        memcpy(replay->hash_key, key, sizeof(replay->hash_key));

        *ret = replay;
        return 0;
}

OapReplay *oap_replay_free(OapReplay *replay) {
        return mfree(replay);
}

static ReplayEntry *entry_at(OapReplay *replay, uint32_t number) {
        return replay->entries + number - 1;
}

static uint64_t entry_expiry(uint64_t stamp) {
        return stamp + OAP_WINDOW_PAST_NSEC;    /* cannot wrap: the stamp was near the present */
}

static uint32_t *chain_of(OapReplay *replay, uint64_t stamp, const uint8_t id[OAP_ID_BYTES]) {
        uint8_t bytes[sizeof(stamp) + OAP_ID_BYTES];
        Writer w = writer_to(bytes, sizeof(bytes));

        writer_be64(&w, stamp);
        writer_bytes(&w, id, OAP_ID_BYTES);

        return replay->heads + (siphash24(replay->hash_key, bytes, sizeof(bytes)) & (HEADS - 1));
}

/* Takes an entry out of its chain, which is short, and gives it back. */
static void entry_release(OapReplay *replay, uint32_t number) {
        ReplayEntry *entry = entry_at(replay, number);
        uint32_t *link = chain_of(replay, entry->stamp, entry->id);

        while (*link != number)
                link = &entry_at(replay, *link)->next_in_chain;

        *link = entry->next_in_chain;
        entry->next_in_chain = replay->free;
        replay->free = number;
        replay->n_used--;
}

/* Entries of a tick that have not expired stay: they were put there before the clock was set back. */
static void empty_tick(OapReplay *replay, uint64_t tick, uint64_t now) {
        uint32_t *link = replay->wheel + (tick & (WHEEL_TICKS - 1));

        while (*link != 0) {
                uint32_t number = *link;
                ReplayEntry *entry = entry_at(replay, number);

                if (entry_expiry(entry->stamp) >= now) {
                        link = &entry->next_in_tick;
                        continue;
                }

                *link = entry->next_in_tick;
                replay->newest_forgotten = MAX(replay->newest_forgotten, entry->stamp);
                entry_release(replay, number);
        }
}

static void advance(OapReplay *replay, uint64_t now) {
        uint64_t tick = now >> TICK_SHIFT;

        /* Once around visits every entry, however long the silence was. */
        if (tick > replay->tick + WHEEL_TICKS)
                replay->tick = tick - WHEEL_TICKS;

        for (; replay->tick < tick; replay->tick++)
                empty_tick(replay, replay->tick, now);

        replay->tick = tick;
}

/* Returns: its number; 0: there is none for the likes of him. */
static uint32_t entry_take(OapReplay *replay, bool proven) {
        uint32_t number = replay->free;

        if (replay->n_used >= (proven ? OAP_REPLAY_ENTRIES_MAX : OAP_REPLAY_UNPROVEN_MAX))
                return 0;

        if (number != 0)
                replay->free = entry_at(replay, number)->next_in_chain;
        else
                number = ++replay->n_entries;
        replay->n_used++;

        return number;
}

static void see_clock(OapReplay *replay, uint64_t now) {
        if (now < replay->latest && replay->latest - now > OAP_REPLAY_STEP_NSEC) {
                replay->latest = now;
                replay->newest_forgotten = MIN(replay->newest_forgotten, now);
        }

        replay->latest = MAX(replay->latest, now);
}

int oap_replay_check(OapReplay *replay, const OapHeader *header, bool proven, uint64_t now_realtime_nsec) {
        uint32_t *chain, *tick, number;

        assert(replay);
        assert(header);

        if (!oap_stamp_is_timely(header->timestamp, now_realtime_nsec))
                return -ETIME;

        see_clock(replay, now_realtime_nsec);
        advance(replay, now_realtime_nsec);
        if (header->timestamp <= replay->newest_forgotten)
                return -EEXIST;

        chain = chain_of(replay, header->timestamp, header->id);
        for (number = *chain; number != 0; number = entry_at(replay, number)->next_in_chain)
                if (entry_at(replay, number)->stamp == header->timestamp &&
                    memcmp(entry_at(replay, number)->id, header->id, OAP_ID_BYTES) == 0)
                        return -EEXIST;

        number = entry_take(replay, proven);
        if (number == 0)
                return -EBUSY;

        tick = replay->wheel + (entry_expiry(header->timestamp) >> TICK_SHIFT & (WHEEL_TICKS - 1));
        *entry_at(replay, number) = (ReplayEntry) {
                .stamp = header->timestamp,
                .next_in_chain = *chain,
                .next_in_tick = *tick,
        };
        memcpy(entry_at(replay, number)->id, header->id, OAP_ID_BYTES);
        *chain = *tick = number;
        return 0;
}
