/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Basic: what every folder above may use, and which itself uses nothing but libc.
 *
 *   macro.h                 cleanup attributes, TAKE_PTR: who owns what is said by the declaration
 *   list.h                  intrusive lists; an object takes itself off without knowing the head
 *   map.[ch] siphash.[ch]   hash map from bytes to objects, safe with keys that a stranger chose
 *   cursor.h                reading and writing packets with one check at the end; never a struct cast
 *   enum.h                  names of enumerators from one table
 *   string.[ch]             which names are names; numbers from text; "did you mean"
 *   time.[ch]               microseconds, saturating; the two clocks; "1h 5min" to a number and back
 *   random.[ch]             bytes from the kernel
 *   log.[ch] log-journal.*  the journal's own protocol, or standard error
 *   conf.[ch] conf-*.c      configuration files: text to assignments, files and drop-ins, schema, values
 *
 * Nothing here knows what a flow is, nothing waits, and nothing is global but the log level. Errors are
 * negative errno; outputs are untouched on failure. What is read from outside has a named limit in the
 * header.
 *
 * This file: open addressing with linear probing. The number of slots is a power of two and at most three
 * quarters of them are in use, so a probe always meets a free slot. A removed entry leaves a marker
 * (REMOVED) that probes walk over: moving later entries back instead would be tidier, but then a walk could
 * not remove the entry that it is at without missing another. A marker with nothing behind it is freed at
 * once; the others go when the table is rebuilt. map_remove() never allocates and thus never fails.
 */

#include "basic/map.h"
#include "basic/random.h"
#include "basic/siphash.h"

#define SLOTS_MIN 16U

typedef struct Slot {
        const void *key;        /* NULL: free; REMOVED: marker */
        size_t key_size;
        uint64_t hash;
        void *value;            /* not owned */
} Slot;

struct Map {
        uint8_t hash_key[SIPHASH_KEY_BYTES];
        Slot *slots;
        size_t n_slots;         /* a power of two, or 0 before the first entry */
        size_t n_entries;
        size_t n_removed;       /* markers */
};

static const char removed_marker[1];
#define REMOVED ((const void *) removed_marker)

static bool slot_is_taken(const Slot *slot) {
        return slot->key && slot->key != REMOVED;
}

int map_new(Map **ret) {
        _cleanup_(map_freep) Map *map = NULL;
        int r;

        assert(ret);

        map = calloc(1, sizeof(*map));
        if (!map)
                return -ENOMEM;

        r = random_bytes(map->hash_key, sizeof(map->hash_key));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(map);
        return 0;
}

Map *map_free(Map *map) {
        if (!map)
                return NULL;

        free(map->slots);
        return mfree(map);
}

static Slot *map_find(const Map *map, const void *key, size_t key_size) {
        uint64_t hash;

        if (map->n_entries == 0)
                return NULL;

        hash = siphash24(map->hash_key, key, key_size);

        for (size_t i = hash & (map->n_slots - 1);; i = (i + 1) & (map->n_slots - 1)) {
                Slot *slot = map->slots + i;

                if (!slot->key)
                        return NULL;
                if (slot_is_taken(slot) && slot->hash == hash && slot->key_size == key_size &&
                    memcmp(slot->key, key, key_size) == 0)
                        return slot;
        }
}

/* The slot for an entry that is known to be absent; a marker on the way is used again. */
static Slot *slots_vacancy(Slot *slots, size_t n_slots, uint64_t hash) {
        size_t i = hash & (n_slots - 1);

        while (slot_is_taken(slots + i))
                i = (i + 1) & (n_slots - 1);

        return slots + i;
}

/* Makes room for one more entry; a table that is mostly markers is rebuilt at its size, or smaller. */
static int map_reserve(Map *map) {
        size_t n_slots = SLOTS_MIN;
        Slot *slots;

        if ((map->n_entries + map->n_removed + 1) <= map->n_slots / 4 * 3)
                return 0;

        while (map->n_entries + 1 > n_slots / 2) {
                if (n_slots > SIZE_MAX / 2 / sizeof(*slots))
                        return -ENOMEM;
                n_slots *= 2;
        }

        slots = calloc(n_slots, sizeof(*slots));
        if (!slots)
                return -ENOMEM;

        for (size_t i = 0; i < map->n_slots; i++)
                if (slot_is_taken(map->slots + i))
                        *slots_vacancy(slots, n_slots, map->slots[i].hash) = map->slots[i];

        free(map->slots);
        map->slots = slots;
        map->n_slots = n_slots;
        map->n_removed = 0;
        return 0;
}

int map_put(Map *map, const void *key, size_t key_size, void *value) {
        Slot *slot;
        uint64_t hash;
        int r;

        assert(map);
        assert(key);
        assert(value);

        if (map_find(map, key, key_size))
                return -EEXIST;

        r = map_reserve(map);
        if (r < 0)
                return r;

        hash = siphash24(map->hash_key, key, key_size);
        slot = slots_vacancy(map->slots, map->n_slots, hash);
        if (slot->key == REMOVED)
                map->n_removed--;

        *slot = (Slot) { .key = key, .key_size = key_size, .hash = hash, .value = value };
        map->n_entries++;
        return 0;
}

void *map_get(const Map *map, const void *key, size_t key_size) {
        Slot *slot;

        assert(map);
        assert(key);

        slot = map_find(map, key, key_size);
        return slot ? slot->value : NULL;
}

void *map_remove(Map *map, const void *key, size_t key_size) {
        size_t i, mask;
        void *value;
        Slot *slot;

        assert(map);
        assert(key);

        slot = map_find(map, key, key_size);
        if (!slot)
                return NULL;

        value = slot->value;
        *slot = (Slot) { .key = REMOVED };
        map->n_entries--;
        map->n_removed++;

        /* Markers directly before a free slot serve no probe. */
        mask = map->n_slots - 1;
        i = (size_t) (slot - map->slots);
        if (!map->slots[(i + 1) & mask].key)
                for (; map->slots[i].key == REMOVED; i = (i - 1) & mask) {
                        map->slots[i].key = NULL;
                        map->n_removed--;
                }

        return value;
}

size_t map_size(const Map *map) {
        return map ? map->n_entries : 0;
}

void *map_next(const Map *map, size_t *position) {
        assert(map);
        assert(position);

        while (*position < map->n_slots) {
                const Slot *slot = map->slots + (*position)++;

                if (slot_is_taken(slot))
                        return slot->value;
        }

        return NULL;
}
