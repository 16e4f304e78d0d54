/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hosts that call each other, and what is on its way between them. The handshakes are the real objects, and so is what
 * a host remembers of requests; a layer is its binding, which is made of the way that a message came; signing is done
 * here, by keys that live as long as the program. Each host has a clock, which may be set, and may start again. One of
 * the hosts is Mallory, who may do what she likes with messages, and has a certificate of her own.
 */

#include "tests/sim/dice.h"
#include "tests/sim/verdict.h"
#include "tests/support/handshake-side.h"

#define HANDSHAKE_NODES_MAX 4U
#define HANDSHAKE_MALLORY HANDSHAKE_NODES_MAX   /* her number among the hosts */
#define HANDSHAKE_CALLS_MAX 5U
#define HANDSHAKE_ANSWERS_MAX 16U
#define HANDSHAKE_MESSAGES_MAX 48U
#define HANDSHAKE_BYTES_MAX 2048U

/* What a host wants of its flows, both ways. */
typedef struct HandshakeProfile {
        const char *name;
        const char *settings[4];
        bool certified;                         /* shows a certificate, trusts the authority */
        bool mutual;                            /* wants to know who calls */
        bool required;                          /* Encryption=required */
        bool only_o7s;
        const char *protection;                 /* it takes no other, but a MAC; NULL: any */
        const char *key_exchange;               /* likewise */
} HandshakeProfile;

/* What a host knows besides: as services/irm/admission.c has it. */
typedef struct HandshakeHost {
        OapReplay *replay;                      /* NULL: not yet */
        uint64_t newest_stamp, stamp_of_before; /* of those who had proven themselves; before it started again */
        unsigned n_starts;
        int64_t clock_nsec;                     /* ahead of ours */
} HandshakeHost;

/* The way of a message, as the layer at its end sees it. */
typedef struct HandshakeWay {
        uint8_t from, to, call, answer;
} HandshakeWay;

typedef struct HandshakeMessage {
        bool response;
        HandshakeWay way;
        size_t size;
        uint8_t bytes[HANDSHAKE_BYTES_MAX];
} HandshakeMessage;

typedef struct HandshakeCall {
        uint8_t from, to;
        HandshakeMessage request;               /* as it left */
        TestSide side;
} HandshakeCall;

typedef struct HandshakeAnswer {
        uint8_t at;                             /* whose name it answers for; Mallory's too */
        bool mallory;
        unsigned n_starts;                      /* of its host, by then */
        HandshakeMessage request;               /* as it came */
        HandshakeMessage response;
        TestSide side;
} HandshakeAnswer;

/* Made once: certificates take time. */
typedef struct HandshakeIdentities {
        TestIdentity authority;
        TestIdentity nodes[HANDSHAKE_NODES_MAX + 1];    /* Mallory's last */
        Trust *trust;
} HandshakeIdentities;

/* cheating: Mallory's certificate is for the name of host 1. A checker that does not find that checks nothing.
 * Returns: 0; -EIO. */
int handshake_identities_init(HandshakeIdentities *identities, bool cheating);
void handshake_identities_done(HandshakeIdentities *identities);

/* What was done, for whoever asks whether it was enough. */
typedef enum HandshakeDeed {
        DEED_CALL,
        DEED_DELIVER,           /* as it was said, for the first time */
        DEED_REPEAT,            /* the same once more: duplicates, replays */
        DEED_DROP,              /* never delivered at all */
        DEED_REORDER,           /* before one that was said earlier */
        DEED_MUTATE,
        DEED_REFLECT,
        DEED_REDIRECT,          /* to another host, of another, or for another call */
        DEED_REPAIR,
        DEED_IMPERSONATE,
        DEED_WAIT,
        DEED_RESTART,
        DEED_SET_CLOCK,
        _DEED_MAX,
} HandshakeDeed;

const char *handshake_deed_to_string(HandshakeDeed deed);

typedef struct HandshakeWorld {
        const HandshakeIdentities *identities;
        Verdict *verdict;
        Dice dice;
        uint8_t n_nodes;
        const HandshakeProfile *profiles[HANDSHAKE_NODES_MAX];
        HandshakeHost hosts[HANDSHAKE_NODES_MAX];
        uint64_t now_nsec;
        HandshakeCall calls[HANDSHAKE_CALLS_MAX];
        unsigned n_calls;
        HandshakeAnswer answers[HANDSHAKE_ANSWERS_MAX];
        unsigned n_answers;
        HandshakeMessage messages[HANDSHAKE_MESSAGES_MAX];      /* all that was ever said: Mallory forgets nothing */
        unsigned n_messages;
        bool delivered[HANDSHAKE_MESSAGES_MAX]; /* as it was said, at least once */
        uint64_t deeds[_DEED_MAX];
        uint64_t step;
        uint64_t n_agreed, n_refused, n_unproven;
        uint64_t digest;
} HandshakeWorld;

void handshake_world_init(HandshakeWorld *w, const HandshakeIdentities *identities, uint64_t seed, Verdict *verdict);
void handshake_world_done(HandshakeWorld *w);

const char *handshake_world_name(uint8_t node);

/* A call goes out. by_mallory: in her own name. */
void handshake_world_call(HandshakeWorld *w, bool by_mallory);

/* Time passes; a host starts again, and has forgotten what it does not keep; its clock is set. */
void handshake_world_wait(HandshakeWorld *w, uint64_t nsec);
void handshake_world_restart(HandshakeWorld *w, uint8_t node);
void handshake_world_set_clock(HandshakeWorld *w, uint8_t node, int64_t by_nsec);

/* The message arrives on this way: at its host, or, for_mallory, at her, who answers in the host's name. */
void handshake_world_deliver(HandshakeWorld *w, const HandshakeMessage *m, bool for_mallory);

/* -- handshake-check.c: what must hold, and is looked at whenever an end accepts -- */

void handshake_check_call(HandshakeWorld *w, const HandshakeCall *call, const HandshakeMessage *response);
void handshake_check_answer(HandshakeWorld *w, const HandshakeAnswer *answer);
