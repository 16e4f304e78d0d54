/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The search for a way to a name: which layers were asked, what they said, which of them carries the request
 * and when to try again or give up. Pure: told events and the time, it returns the next step; connect.c
 * speaks to the layers.
 *
 * A listener of this host that accepts at once wins. One that takes its time does not hold up the layers: they are
 * asked meanwhile, and the first that says yes takes the request over.
 *
 * All layers are asked at once. The first that says yes gets the request. A request without an answer is
 * repeated after 3 s, at most twice; one that failed goes on to the next layer that said yes. A name that is
 * known on this host (somebody may listen on it yet) waits as long as the caller does; any other fails as
 * soon as everybody has said no, in any case before a second has gone.
 *
 * That second is one in which we ran. A host that stands still, as one of several on the same processors does now and
 * then, stops the layers with us, and the answer that they had no time for is no answer that nobody knows the name. So
 * the clock is looked at a few times while layers are asked: a look that comes late tells what was lost.
 */

#include "basic/string.h"
#include "basic/time.h"

#define ALLOCATION_LAYERS_MAX 32U
#define ALLOCATION_ATTEMPTS_MAX 3U
#define ALLOCATION_QUERY_USEC (900 * USEC_PER_MSEC)     /* a layer that has said nothing by then does not know */
#define ALLOCATION_LOOK_USEC (100 * USEC_PER_MSEC)      /* at the clock, meanwhile */
#define ALLOCATION_LATE_USEC (20 * USEC_PER_MSEC)       /* so late a look comes only where we were stopped */
#define ALLOCATION_LOST_USEC_MAX (5 * USEC_PER_SEC)     /* in all: a host that is always late has to fail, too */
#define ALLOCATION_PATIENCE_USEC (100 * USEC_PER_MSEC)  /* with a listener, before layers are asked too */
#define ALLOCATION_RETRY_USEC (3 * USEC_PER_SEC)
/* how long the other host keeps a request that nobody accepts */
#define ALLOCATION_KEPT_USEC (20 * USEC_PER_SEC)
#define ALLOCATION_TEXT_MAX 512U
#define ALLOCATION_REASON_MAX 320U

typedef enum AllocationVerdict {
        ALLOCATION_ASKED,
        ALLOCATION_HAS,         /* reaches the name, not tried yet */
        ALLOCATION_HAS_NOT,
        ALLOCATION_SILENT,      /* did not answer in time */
        ALLOCATION_TRIED,       /* carried a request that failed */
        ALLOCATION_GONE,        /* the layer went away */
} AllocationVerdict;

typedef struct AllocationLayer {
        uint64_t key;           /* of the connection of the layer: a new one is a new layer */
        char name[LAYER_NAME_BYTES_MAX + 1];
        AllocationVerdict verdict;
        int error;              /* why it has not, or failed */
        usec_t asked;
        usec_t answered;        /* USEC_INFINITY: not, or not yet */
} AllocationLayer;

typedef enum AllocationStep {
        ALLOCATION_WAIT,
        ALLOCATION_REQUEST,     /* send the request number "attempt" through layers[current] */
        ALLOCATION_FAIL,        /* with "error"; allocation_explain() has the sentence */
} AllocationStep;

typedef struct Allocation {
        usec_t started;
        usec_t asked;           /* since when the layers have time to answer, later by what was lost of it */
        usec_t look_at;         /* when to look whether some was lost */
        usec_t lost;            /* so far */
        usec_t deadline;        /* of the caller */
        usec_t answer_by;       /* no answer to a request will come after this; USEC_INFINITY: none is out */
        usec_t retry_at;        /* USEC_INFINITY: no (further) attempt */
        bool known_here;        /* a name of this host */
        usec_t patient_until;   /* with the listener that holds it; USEC_INFINITY: for ever, or it has been long
                                 * enough */
        bool held;              /* a listener of this host has the offer */
        bool impatient;         /* for too long: a layer that can may have it instead */
        unsigned n_layers;
        AllocationLayer layers[ALLOCATION_LAYERS_MAX];
        int current;            /* index of the layer that carries the request, or -1 */
        uint32_t attempt;       /* of that request, from 0 */
        int error;
        char reason[ALLOCATION_REASON_MAX];     /* why the last request failed, a sentence; "": its errno says it all */
} Allocation;

/* timeout_usec is relative, USEC_INFINITY: none. */
void allocation_init(Allocation *a, usec_t now, usec_t timeout_usec, bool known_here);

/* One more layer to ask, at the start or when it comes up later. Returns: 0: ask it; -EEXIST; -ENOSPC: not asked. */
int allocation_add_layer(Allocation *a, uint64_t key, const char *name, usec_t now);

/* The key of the layer that carries the request; 0: none does, or not any more, whatever comes of it still. */
uint64_t allocation_carrier(const Allocation *a);

/* What happened. */
AllocationStep allocation_answered(Allocation *a, uint64_t key, int result, usec_t now);
AllocationStep allocation_refused(Allocation *a, uint64_t key, int result, usec_t now);
AllocationStep allocation_refused_because(Allocation *a, uint64_t key, int result, const char *reason, usec_t now);
/* The answer to the request cannot be used, and not for a fault of the other host: the next one, at once. Returns:
 * ALLOCATION_REQUEST; ALLOCATION_WAIT: there were as many as there may be. */
AllocationStep allocation_again(Allocation *a, usec_t now);
AllocationStep allocation_layer_gone(Allocation *a, uint64_t key, usec_t now);
void allocation_hold(Allocation *a, usec_t patient_until);      /* a listener of this host has the offer now, or
                                                                 * (never impatient) accepts */
AllocationStep allocation_proceed(Allocation *a, usec_t now);   /* no listener has it (any more): also the start,
                                                                 * after asking */
AllocationStep allocation_elapsed(Allocation *a, usec_t now);

/* Whether an answer may still come that has not. */
bool allocation_is_asking(const Allocation *a);

/* When to call allocation_elapsed(); USEC_INFINITY: never. */
usec_t allocation_next(const Allocation *a);

/* Whom was asked, what they said and how long it took, in one sentence. */
void allocation_explain(const Allocation *a, const char *name, usec_t now, char text[ALLOCATION_TEXT_MAX]);
