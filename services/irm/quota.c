/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counting per user, see quota.h. */

#include <stdio.h>

#include "services/irm/quota.h"

#define TOKENS_PER_ALLOCATION USEC_PER_SEC      /* so that refilling is usec * rate, without a division */

static bool user_is_idle(const QuotaUser *u) {
        return u->n_flows == 0 && u->n_names == 0 && u->n_connections == 0;
}

static int user_get(Quota *quota, uid_t uid, QuotaUser **ret) {
        _cleanup_free_ QuotaUser *u = NULL;
        QuotaUser *known;
        int r;

        known = map_get(quota->users, &uid, sizeof(uid));
        if (known) {
                *ret = known;
                return 0;
        }

        u = malloc(sizeof(*u));
        if (!u)
                return -ENOMEM;

        *u = (QuotaUser) { .uid = uid, .tokens = quota->limits.burst_per_user * TOKENS_PER_ALLOCATION };

        r = map_put(quota->users, &u->uid, sizeof(u->uid), u);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(u);
        return 0;
}

/* Forgets a user without anything; only one with a full bucket, or reconnecting would refill it. */
static void user_settle(Quota *quota, QuotaUser *u) {
        if (!user_is_idle(u) || u->tokens < quota->limits.burst_per_user * TOKENS_PER_ALLOCATION)
                return;

        map_remove(quota->users, &u->uid, sizeof(u->uid));
        free(u);
}

static void user_refill(const Quota *quota, QuotaUser *u, usec_t now) {
        uint64_t full = quota->limits.burst_per_user * TOKENS_PER_ALLOCATION;
        usec_t passed = usec_sub(now, u->refilled);

        if (u->refilled == 0 || quota->limits.rate_per_user == 0 || passed > full / quota->limits.rate_per_user)
                u->tokens = full;
        else
                u->tokens = MIN(full, u->tokens + passed * quota->limits.rate_per_user);

        u->refilled = now;
}

int quota_init(Quota *quota, const QuotaLimits *limits, uint64_t memory_bytes) {
        *quota = (Quota) {};
        quota_set_limits(quota, limits, memory_bytes);
        return map_new(&quota->users);
}

void quota_done(Quota *quota) {
        QuotaUser *u;
        size_t position;

        map_for_each(u, quota->users, position)
                free(u);

        quota->users = map_free(quota->users);
}

void quota_set_limits(Quota *quota, const QuotaLimits *limits, uint64_t memory_bytes) {
        quota->limits = *limits;
        if (quota->limits.lane_bytes == 0)
                quota->limits.lane_bytes = memory_bytes / QUOTA_LANE_BYTES_MEMORY_SHARE;
}

static int refuse(char *text, const char *what, uint64_t limit, const char *key) {
        (void) snprintf(text, QUOTA_TEXT_MAX, "%s: the limit is %" PRIu64 " (%s= in irm.conf)", what, limit, key);
        return -EDQUOT;
}

/* How much there is of it. */
static int check_amount(const Quota *quota, const QuotaUser *u, uint64_t bytes, char *text) {
        const QuotaLimits *l = &quota->limits;

        if (u->n_flows >= l->flows_per_user)
                return refuse(text, "This user has as many flows as he may", l->flows_per_user, "FlowsPerUser");
        if (u->lane_bytes + bytes > l->lane_bytes_per_user)
                return refuse(text, "The flows of this user need more memory than he may have",
                              l->lane_bytes_per_user, "LaneBytesPerUser");
        if (quota->n_flows >= l->flows)
                return refuse(text, "This host has as many flows as it may", l->flows, "Flows");
        if (quota->lane_bytes + bytes > l->lane_bytes)
                return refuse(text, "The flows of this host need more memory than they may have", l->lane_bytes,
                              "LaneBytes");

        return 0;
}

/* How fast it comes. */
static int check_haste(const Quota *quota, const QuotaUser *u, char *text) {
        const QuotaLimits *l = &quota->limits;

        if (u->n_pending >= l->pending_per_user)
                return refuse(text, "This user has too many allocations pending", l->pending_per_user,
                              "PendingPerUser");
        if (u->tokens < TOKENS_PER_ALLOCATION)
                return refuse(text, "This user allocates too many flows per second", l->rate_per_user, "RatePerUser");

        return 0;
}

static void take(Quota *quota, QuotaUser *u, uint64_t bytes, bool pending, QuotaCharge *ret) {
        u->n_flows++;
        u->n_pending += pending;
        u->lane_bytes += bytes;
        quota->n_flows++;
        quota->lane_bytes += bytes;
        *ret = (QuotaCharge) { .taken = true, .pending = pending, .uid = u->uid, .bytes = bytes };
}

int quota_take_flow(Quota *quota, uid_t uid, LaneClass class, usec_t now, QuotaCharge *ret, char *text) {
        uint64_t bytes = 2 * lane_class_bytes(class);
        QuotaUser *u;
        int r;

        r = user_get(quota, uid, &u);
        if (r < 0)
                return r;

        user_refill(quota, u, now);
        r = check_amount(quota, u, bytes, text);
        if (r == 0)
                r = check_haste(quota, u, text);
        if (r < 0) {
                user_settle(quota, u);
                return r;
        }

        u->tokens -= TOKENS_PER_ALLOCATION;
        take(quota, u, bytes, true, ret);
        return 0;
}

int quota_take_accepted_flow(Quota *quota, uid_t uid, LaneClass class, QuotaCharge *ret, char *text) {
        uint64_t bytes = 2 * lane_class_bytes(class);
        QuotaUser *u;
        int r;

        r = user_get(quota, uid, &u);
        if (r < 0)
                return r;

        r = check_amount(quota, u, bytes, text);
        if (r < 0) {
                user_settle(quota, u);
                return r;
        }

        take(quota, u, bytes, false, ret);
        return 0;
}

int quota_adopt_flow(Quota *quota, uid_t uid, LaneClass class, QuotaCharge *ret) {
        QuotaUser *u;
        int r;

        r = user_get(quota, uid, &u);
        if (r < 0)
                return r;

        take(quota, u, 2 * lane_class_bytes(class), false, ret);
        return 0;
}

void quota_flow_established(Quota *quota, QuotaCharge *charge) {
        QuotaUser *u;

        if (!charge->taken || !charge->pending)
                return;

        u = map_get(quota->users, &charge->uid, sizeof(charge->uid));
        assert(u && u->n_pending > 0);
        u->n_pending--;
        charge->pending = false;
}

void quota_return_flow(Quota *quota, QuotaCharge *charge) {
        QuotaUser *u;

        if (!charge->taken)
                return;

        quota_flow_established(quota, charge);

        u = map_get(quota->users, &charge->uid, sizeof(charge->uid));
        assert(u && u->n_flows > 0 && u->lane_bytes >= charge->bytes);
        u->n_flows--;
        u->lane_bytes -= charge->bytes;
        quota->n_flows--;
        quota->lane_bytes -= charge->bytes;
        user_settle(quota, u);
        *charge = (QuotaCharge) {};
}

int quota_take_name(Quota *quota, uid_t uid, char *text) {
        QuotaUser *u;
        int r;

        r = user_get(quota, uid, &u);
        if (r < 0)
                return r;

        /* root writes the files of names, which know no limit either */
        if (uid != 0 && u->n_names >= quota->limits.names_per_user)
                return refuse(text, "This user has as many names as he may", quota->limits.names_per_user,
                              "NamesPerUser");

        u->n_names++;
        return 0;
}

void quota_return_name(Quota *quota, uid_t uid) {
        QuotaUser *u = map_get(quota->users, &uid, sizeof(uid));

        assert(u && u->n_names > 0);
        u->n_names--;
        user_settle(quota, u);
}

int quota_take_connection(Quota *quota, uid_t uid, char *text) {
        QuotaUser *u;
        int r;

        r = user_get(quota, uid, &u);
        if (r < 0)
                return r;
        if (u->n_connections >= quota->limits.connections_per_user)
                return refuse(text, "This user has too many connections", quota->limits.connections_per_user,
                              "ConnectionsPerUser");

        u->n_connections++;
        return 0;
}

void quota_return_connection(Quota *quota, uid_t uid) {
        QuotaUser *u = map_get(quota->users, &uid, sizeof(uid));

        assert(u && u->n_connections > 0);
        u->n_connections--;
        user_settle(quota, u);
}

LaneClass quota_lane_class(Quota *quota, uid_t uid, LaneClass wanted) {
        const QuotaUser *u = map_get(quota->users, &uid, sizeof(uid));
        const QuotaLimits *l = &quota->limits;

        if (!u)
                return wanted;
        if (u->n_flows > l->flows_per_user / 2 || u->lane_bytes > l->lane_bytes_per_user / 2)
                return LANE_THIN;

        return wanted;
}
