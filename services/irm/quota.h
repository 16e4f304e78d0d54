/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What each user may have of this host's flows. A User counts; it exists while anything is counted to it.
 * Charges are taken and given back by flows, names and connections; a refusal is -EDQUOT with a sentence that
 * names the limit and its key in irm.conf. Pure: told the time.
 */

#include <sys/types.h>

#include "basic/map.h"
#include "basic/time.h"
#include "libo7s/lane.h"

/* The defaults of irm.conf, section [Quota]. */
#define QUOTA_FLOWS_PER_USER 4096U
#define QUOTA_LANE_BYTES_PER_USER (512ULL * 1024 * 1024)
#define QUOTA_PENDING_PER_USER 64U
#define QUOTA_RATE_PER_USER 1000U               /* allocations per second */
#define QUOTA_BURST_PER_USER 4000U
#define QUOTA_NAMES_PER_USER 64U
#define QUOTA_CONNECTIONS_PER_USER 1024U
#define QUOTA_FLOWS 65536U                      /* of the whole host */
#define QUOTA_LANE_BYTES_MEMORY_SHARE 4U        /* lanes of the whole host: one part in so many of its memory */

typedef struct QuotaLimits {
        uint32_t flows_per_user;
        uint64_t lane_bytes_per_user;
        uint32_t pending_per_user;
        uint32_t rate_per_user;
        uint32_t burst_per_user;
        uint32_t names_per_user;
        uint32_t connections_per_user;
        uint32_t flows;
        uint64_t lane_bytes;                    /* 0: a quarter of the memory */
} QuotaLimits;

#define QUOTA_LIMITS_DEFAULT                                                                                      \
        ((QuotaLimits) {                                                                                          \
                .flows_per_user = QUOTA_FLOWS_PER_USER,                                                           \
                .lane_bytes_per_user = QUOTA_LANE_BYTES_PER_USER,                                                 \
                .pending_per_user = QUOTA_PENDING_PER_USER,                                                       \
                .rate_per_user = QUOTA_RATE_PER_USER,                                                             \
                .burst_per_user = QUOTA_BURST_PER_USER,                                                           \
                .names_per_user = QUOTA_NAMES_PER_USER,                                                           \
                .connections_per_user = QUOTA_CONNECTIONS_PER_USER,                                               \
                .flows = QUOTA_FLOWS,                                                                             \
        })

typedef struct QuotaUser {
        uid_t uid;              /* key of the map */
        uint32_t n_flows;       /* pending and established */
        uint32_t n_pending;
        uint32_t n_names;
        uint32_t n_connections;
        uint64_t lane_bytes;
        uint64_t tokens;        /* of the rate, in millionths of an allocation */
        usec_t refilled;
} QuotaUser;

typedef struct Quota {
        QuotaLimits limits;     /* lane_bytes filled in by quota_init() */
        Map *users;             /* uid_t -> QuotaUser, owned */
        uint32_t n_flows;
        uint64_t lane_bytes;
} Quota;

/* What one flow was charged, so that exactly that is given back. */
typedef struct QuotaCharge {
        bool taken;
        bool pending;
        uid_t uid;
        uint64_t bytes;
} QuotaCharge;

#define QUOTA_TEXT_MAX 256U

/* memory_bytes: of the machine, for the default of lane_bytes. */
int quota_init(Quota *quota, const QuotaLimits *limits, uint64_t memory_bytes);
void quota_done(Quota *quota);

/* Replaces the limits; what is above a new one stays until it ends by itself. */
void quota_set_limits(Quota *quota, const QuotaLimits *limits, uint64_t memory_bytes);

/* A new allocation that both lanes of the class will be charged to. text has QUOTA_TEXT_MAX bytes.
 * Returns: 0; -EDQUOT with a sentence; -ENOMEM. */
int quota_take_flow(Quota *quota, uid_t uid, LaneClass class, usec_t now, QuotaCharge *ret, char *text);

/* A flow that a listener of this user is about to be offered: as quota_take_flow(), but the rate and the number
 * pending are those of whoever asks, not of whoever serves. */
int quota_take_accepted_flow(Quota *quota, uid_t uid, LaneClass class, QuotaCharge *ret, char *text);

/* A flow that is there already, taken over from before a restart: always succeeds but for -ENOMEM. */
int quota_adopt_flow(Quota *quota, uid_t uid, LaneClass class, QuotaCharge *ret);

void quota_flow_established(Quota *quota, QuotaCharge *charge);
void quota_return_flow(Quota *quota, QuotaCharge *charge);

int quota_take_name(Quota *quota, uid_t uid, char *text);
void quota_return_name(Quota *quota, uid_t uid);

int quota_take_connection(Quota *quota, uid_t uid, char *text);
void quota_return_connection(Quota *quota, uid_t uid);

/* The class for a new flow: what was asked for, but thin for everyone above half of a budget. */
LaneClass quota_lane_class(Quota *quota, uid_t uid, LaneClass wanted);
