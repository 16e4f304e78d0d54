/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One estimate for all members: lookups wait for several of them at a time, so what counts is when an answer from
 * anywhere is late. Mean and deviation are the usual ones (an eighth of each new sample, a quarter of its distance).
 */

#include "services/ipcp-unicast/dht-request.h"

int dht_requests_init(DhtRequests *requests, size_t id_size) {
        *requests = (DhtRequests) { .id_size = id_size };
        list_init(&requests->all);

        return map_new(&requests->by_cookie);
}

void dht_requests_done(DhtRequests *requests) {
        DhtRequest *request, *following;

        if (!requests->by_cookie)
                return;

        list_for_each_safe(request, following, &requests->all, by_lookup)
                dht_request_free(requests, request);

        expiry_done(&requests->expiry);
        requests->by_cookie = map_free(requests->by_cookie);
}

usec_t dht_requests_slow_usec(const DhtRequests *requests) {
        if (requests->mean_usec == 0)
                return DHT_SLOW_INITIAL_USEC;

        return CLAMP(requests->mean_usec + 4 * requests->deviation_usec, DHT_SLOW_MIN_USEC, DHT_SLOW_MAX_USEC);
}

usec_t dht_requests_failed_usec(const DhtRequests *requests) {
        return MAX(4 * dht_requests_slow_usec(requests), DHT_FAILED_MIN_USEC);
}

int dht_request_new(DhtRequests *requests, DhtRequestKind kind, uint64_t cookie, uint64_t address, const uint8_t *key,
                    usec_t now, DhtRequest **ret) {
        _cleanup_free_ DhtRequest *request = NULL;
        int r;

        if (cookie == 0)
                return -EEXIST;
        if (map_size(requests->by_cookie) >= DHT_REQUESTS_MAX)
                return -EBUSY;

        request = malloc(sizeof(*request));
        if (!request)
                return -ENOMEM;

        *request = (DhtRequest) {
                .kind = kind,
                .cookie = cookie,
                .address = address,
                .sent_usec = now,
        };
        memcpy(request->key, key, requests->id_size);

        r = map_put(requests->by_cookie, &request->cookie, sizeof(request->cookie), request);
        if (r < 0)
                return r;

        r = expiry_set(&requests->expiry, &request->expiry, usec_add(now, dht_requests_slow_usec(requests)));
        if (r < 0) {
                (void) map_remove(requests->by_cookie, &request->cookie, sizeof(request->cookie));
                return r;
        }

        list_append(&requests->all, &request->by_lookup);
        *ret = TAKE_PTR(request);
        return 0;
}

void dht_request_free(DhtRequests *requests, DhtRequest *request) {
        (void) map_remove(requests->by_cookie, &request->cookie, sizeof(request->cookie));
        expiry_remove(&requests->expiry, &request->expiry);
        list_unlink(&request->by_lookup);
        free(request);
}

void dht_request_set_lookup(DhtRequests *requests, DhtRequest *request, DhtLookup *lookup, List *list) {
        request->lookup = lookup;
        list_unlink(&request->by_lookup);
        list_append(lookup ? list : &requests->all, &request->by_lookup);
}

static void learn(DhtRequests *requests, usec_t took) {
        usec_t distance;

        if (requests->mean_usec == 0) {
                requests->mean_usec = MAX(took, (usec_t) 1);
                requests->deviation_usec = took / 2;
                return;
        }

        distance = took > requests->mean_usec ? took - requests->mean_usec : requests->mean_usec - took;
        requests->deviation_usec = (3 * requests->deviation_usec + distance) / 4;
        requests->mean_usec = MAX((7 * requests->mean_usec + took) / 8, (usec_t) 1);
}

DhtRequest *dht_requests_answered(DhtRequests *requests, const DhtMessage *response, usec_t now) {
        DhtRequest *request;

        request = map_get(requests->by_cookie, &response->cookie, sizeof(response->cookie));
        if (!request || request->address != response->source.address ||
            memcmp(request->key, response->key, requests->id_size) != 0)
                return NULL;

        learn(requests, usec_sub(now, request->sent_usec));
        return request;
}

DhtRequest *dht_requests_expire(DhtRequests *requests, usec_t now) {
        DhtRequest *request;
        Expiry *expiry;
        usec_t next = USEC_INFINITY;

        expiry = expiry_pop(&requests->expiry, now);
        if (!expiry)
                return NULL;

        request = container_of(expiry, DhtRequest, expiry);
        request->state++;

        switch (request->state) {
        case DHT_REQUEST_SENT:
        case _DHT_REQUEST_STATE_MAX:
        case _DHT_REQUEST_STATE_INVALID:
                assert(false);
                break;
        case DHT_REQUEST_SLOW:
                next = usec_add(request->sent_usec, dht_requests_failed_usec(requests));
                break;
        case DHT_REQUEST_FAILED:
                next = usec_add(request->sent_usec, DHT_OVER_USEC);
                break;
        case DHT_REQUEST_OVER:
                return request;
        }

        /* Its place in the heap has just become free, so this cannot fail. */
        (void) expiry_set(&requests->expiry, &request->expiry, next);
        return request;
}

usec_t dht_requests_next(const DhtRequests *requests) {
        return expiry_next(&requests->expiry);
}
