/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two arrays without order, walked whole: a slot is reused once it does not count any more, or is the nearest to
 * that. */

#include "services/ipcp-unicast/dht-cache.h"

#define CACHE_STEP 8U

void dht_cache_init(DhtCache *cache, size_t id_size) {
        *cache = (DhtCache) { .id_size = id_size };
}

void dht_cache_done(DhtCache *cache) {
        free(cache->results);
        free(cache->doubts);
        *cache = (DhtCache) {};
}

static DhtResult *get(const DhtCache *cache, const uint8_t *key) {
        for (size_t i = 0; i < cache->n_results; i++)
                if (cache->results[i].until > 0 && memcmp(cache->results[i].key, key, cache->id_size) == 0)
                        return &cache->results[i];

        return NULL;
}

const DhtResult *dht_cache_get(const DhtCache *cache, const uint8_t *key, usec_t now) {
        const DhtResult *result = get(cache, key);

        return result && result->until > now ? result : NULL;
}

void dht_cache_forget(DhtCache *cache, const uint8_t *key) {
        DhtResult *result = get(cache, key);

        if (result)
                result->until = 0;
}

/* CACHE_STEP more entries, all zeroes, which says that they count no more; no more of them where there is no memory. */
static void *grow(void *array, size_t size, size_t *n, size_t max) {
        uint8_t *larger;

        if (*n >= max)
                return array;

        larger = reallocarray(array, *n + CACHE_STEP, size);
        if (!larger)
                return array;

        memset(larger + *n * size, 0, CACHE_STEP * size);
        *n += CACHE_STEP;
        return larger;
}

static DhtResult *result_slot(DhtCache *cache, usec_t now) {
        DhtResult *first = NULL;
        size_t n = cache->n_results;

        for (size_t i = 0; i < n; i++)
                if (!first || cache->results[i].until < first->until)
                        first = &cache->results[i];
        if (first && first->until <= now)
                return first;

        cache->results = grow(cache->results, sizeof(*cache->results), &cache->n_results, DHT_CACHE_RESULTS_MAX);
        return cache->n_results > n ? &cache->results[n] : first;
}

void dht_cache_put(DhtCache *cache, const uint8_t *key, const uint64_t *addresses, size_t n_addresses, usec_t now) {
        DhtResult *result;

        result = get(cache, key);
        if (!result)
                result = result_slot(cache, now);
        if (!result)
                return;

        *result = (DhtResult) {
                .until = usec_add(now, n_addresses > 0 ? DHT_CACHE_FOUND_USEC : DHT_CACHE_MISSING_USEC),
                .n_addresses = MIN(n_addresses, ELEMENTSOF(result->addresses)),
        };
        memcpy(result->key, key, cache->id_size);
        if (result->n_addresses > 0)
                memcpy(result->addresses, addresses, result->n_addresses * sizeof(*addresses));
}

static bool is_doubted(const DhtCache *cache, const uint8_t *key, uint64_t address, usec_t now) {
        for (size_t i = 0; i < cache->n_doubts; i++) {
                const DhtDoubt *doubt = &cache->doubts[i];

                if (doubt->address == address && doubt->until > now && memcmp(doubt->key, key, cache->id_size) == 0)
                        return true;
        }

        return false;
}

static DhtDoubt *doubt_slot(DhtCache *cache, usec_t now) {
        DhtDoubt *first = NULL;
        size_t n = cache->n_doubts;

        for (size_t i = 0; i < n; i++)
                if (!first || cache->doubts[i].until < first->until)
                        first = &cache->doubts[i];
        if (first && first->until <= now)
                return first;

        cache->doubts = grow(cache->doubts, sizeof(*cache->doubts), &cache->n_doubts, DHT_CACHE_DOUBTS_MAX);
        return cache->n_doubts > n ? &cache->doubts[n] : first;
}

void dht_cache_doubt(DhtCache *cache, const uint8_t *key, uint64_t address, usec_t now) {
        DhtDoubt *doubt;

        dht_cache_forget(cache, key);
        if (is_doubted(cache, key, address, now))
                return;

        doubt = doubt_slot(cache, now);
        if (!doubt)
                return;

        *doubt = (DhtDoubt) { .address = address, .until = usec_add(now, DHT_CACHE_DOUBT_USEC) };
        memcpy(doubt->key, key, cache->id_size);
}

size_t dht_cache_order(const DhtCache *cache, const uint8_t *key, uint64_t *addresses, size_t n, usec_t now) {
        size_t n_fine = 0;

        for (size_t i = 0; i < n; i++) {
                uint64_t address = addresses[i];

                if (is_doubted(cache, key, address, now))
                        continue;

                memmove(&addresses[n_fine + 1], &addresses[n_fine], (i - n_fine) * sizeof(*addresses));
                addresses[n_fine++] = address;
        }

        return n_fine;
}
