/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What was asked of whom: an answer counts where a request with its cookie is under way to its sender for its key.
 * How long to wait is learned from the answers. A request goes through three times:
 *
 *   slow     four deviations above the mean: it is likely lost, somebody else is asked besides
 *   failed   four times that: the member counts as not answering
 *   over     3 s: an answer until then still counts, and teaches us that things take longer here
 */

#include "basic/list.h"
#include "basic/map.h"
#include "services/common/expiry.h"
#include "services/ipcp-unicast/dht-message.h"

#define DHT_REQUESTS_MAX 4096U
#define DHT_SLOW_INITIAL_USEC (100 * USEC_PER_MSEC)
#define DHT_SLOW_MIN_USEC (25 * USEC_PER_MSEC)
#define DHT_SLOW_MAX_USEC (250 * USEC_PER_MSEC)
#define DHT_FAILED_MIN_USEC (250 * USEC_PER_MSEC)
#define DHT_OVER_USEC (3 * USEC_PER_SEC)

typedef struct DhtLookup DhtLookup;

typedef enum DhtRequestState {
        DHT_REQUEST_SENT,
        DHT_REQUEST_SLOW,
        DHT_REQUEST_FAILED,
        DHT_REQUEST_OVER,               /* to be freed */
        _DHT_REQUEST_STATE_MAX,
        _DHT_REQUEST_STATE_INVALID = -EINVAL,
} DhtRequestState;

typedef enum DhtRequestKind {
        DHT_REQUEST_LOOKUP,             /* a step of a lookup */
        DHT_REQUEST_PING,               /* is it there? */
        DHT_REQUEST_CONFIRM,            /* does it still serve the key? */
        _DHT_REQUEST_KIND_MAX,
        _DHT_REQUEST_KIND_INVALID = -EINVAL,
} DhtRequestKind;

typedef struct DhtRequest {
        Expiry expiry;                  /* the next change of state */
        ListNode by_lookup;
        DhtRequestKind kind;
        DhtRequestState state;
        DhtLookup *lookup;              /* not owned; NULL: none, or it ended */
        uint64_t cookie;
        uint64_t address;               /* asked */
        usec_t sent_usec;
        uint8_t key[HASH_BYTES_MAX];
} DhtRequest;

typedef struct DhtRequests {
        size_t id_size;
        Map *by_cookie;
        ExpiryHeap expiry;
        List all;                       /* DhtRequest.by_lookup of those without a lookup */
        usec_t mean_usec;               /* of the time until an answer; 0: none yet */
        usec_t deviation_usec;
} DhtRequests;

/* Returns: 0; -ENOMEM; an error of the source of randomness. */
int dht_requests_init(DhtRequests *requests, size_t id_size);

/* Lookups let go of their requests first. */
void dht_requests_done(DhtRequests *requests);

/* cookie: 64 random bits. Returns: 0; -EBUSY: too many; -EEXIST: that cookie is in use, or 0; -ENOMEM. */
int dht_request_new(DhtRequests *requests, DhtRequestKind kind, uint64_t cookie, uint64_t address, const uint8_t *key,
                    usec_t now, DhtRequest **ret);
void dht_request_free(DhtRequests *requests, DhtRequest *request);

/* Ties the request to a lookup's list, or (NULL) takes it off; it goes on. */
void dht_request_set_lookup(DhtRequests *requests, DhtRequest *request, DhtLookup *lookup, List *list);

/* The request that this response answers, and learns from the time it took. NULL: nobody asked that. The caller frees
 * it. */
DhtRequest *dht_requests_answered(DhtRequests *requests, const DhtMessage *response, usec_t now);

/* The next request whose state changed at now; one that is over is to be freed by the caller. NULL: no more. */
DhtRequest *dht_requests_expire(DhtRequests *requests, usec_t now);

usec_t dht_requests_next(const DhtRequests *requests);

/* The times as they are now. */
usec_t dht_requests_slow_usec(const DhtRequests *requests);
usec_t dht_requests_failed_usec(const DhtRequests *requests);
