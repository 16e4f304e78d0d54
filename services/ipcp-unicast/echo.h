/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The component that o7s-trace asks, between o7s members only. A probe is a packet for EID_ECHO with a small TTL: the
 * member where that ends answers, and so does the destination. So a trace learns who is on the way to it, how long the
 * way to each of them takes, and how many packets wait there.
 *
 * Answers are as large as probes, and limited in rate per address that they go to: nobody is flooded through us. A
 * member that does not know this component is silent, and shows as lost.
 */

#include "services/ipcp-unicast/echo-message.h"
#include "services/ipcp-unicast/unicast.h"

#define ECHO_HOPS_MAX 64U
#define ECHO_PROBES_MAX 20U                     /* per hop */
#define ECHO_PROBES_DEFAULT 3U
#define ECHO_INTERVAL_USEC (50 * USEC_PER_MSEC)  /* between two probes for the same hop; those for others in between */
#define ECHO_TIMEOUT_USEC USEC_PER_SEC          /* after the last probe */
#define ECHO_TRACES_MAX 8U                      /* at once: whoever may see our bus name may trace */

/* Answers per second, to one address and in all. */
#define ECHO_SENDER_RATE 200U
#define ECHO_SENDER_BURST 400U
#define ECHO_TOTAL_RATE 1000U
#define ECHO_TOTAL_BURST 2000U

typedef struct EchoHop {
        uint64_t address;                       /* who answered; 0: nobody did */
        char member[CEP_MEMBER_BYTES_MAX + 1];  /* its name; "": not known */
        unsigned n_sent;
        unsigned n_answered;
        uint32_t queue;                         /* the longest that it told */
        usec_t sent[ECHO_PROBES_MAX];
        usec_t rtt_usec[ECHO_PROBES_MAX];       /* sorted when the trace is over; n_answered of them */
} EchoHop;

typedef struct EchoTrace EchoTrace;

/* The trace is over, and gone when this returns. May not start another one. */
typedef void (*echo_traced_t)(void *userdata, const EchoTrace *trace);

struct EchoTrace {
        Unicast *unicast;                       /* not owned */
        ListNode by_echo;
        uint64_t destination;
        uint64_t cookie;
        unsigned n_hops;
        unsigned n_probes;
        unsigned n_rounds;                      /* that are complete: each sends one probe per hop */
        unsigned next_hop;                      /* of the round that is under way */
        bool reached;                           /* the destination answered */
        usec_t next;                            /* probe, or end */
        echo_traced_t done;
        void *userdata;
        EchoHop hops[ECHO_HOPS_MAX];            /* hops[0]: the first one that is not ourselves */
};

/* Made when it is first needed. */
typedef struct Echo {
        Limit limit;
        List traces;                            /* EchoTrace.by_echo */
        unsigned n_traces;
} Echo;

Echo *echo_free(Echo *echo);

/* A packet for EID_ECHO. */
void echo_receive(Unicast *u, const uint8_t *data, size_t size, const LowerFlow *from, usec_t now);

/* receive.c: a packet for EID_ECHO of another member, whose TTL ended here. */
void echo_expired(Unicast *u, const uint8_t *data, size_t size, const LowerFlow *from, usec_t now);

void echo_expire(Unicast *u, usec_t now);
usec_t echo_next(const Unicast *u);

/* Begins to trace the way to another member, with that many probes (0: the default) for each hop. The first is sent
 * from within, the end is told later. Returns: 0; -ENOTCONN: we are no member; -EINVAL: that is ourselves, or too
 * many probes; -EHOSTUNREACH: routing knows no way; -EBUSY: too many traces; -ENOMEM; an error of the source of
 * randomness. */
int echo_trace_start(Unicast *u, uint64_t destination, unsigned n_probes, echo_traced_t done, void *userdata,
                     usec_t now, EchoTrace **ret);

/* Gives it up, without a word. */
EchoTrace *echo_trace_free(EchoTrace *trace);

/* The share of n in a hundred of the answers came within; 0: nobody answered. */
usec_t echo_hop_quantile(const EchoHop *hop, unsigned n);
