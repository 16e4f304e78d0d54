/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The search of allocation.h. */

#include <stdarg.h>
#include <stdio.h>

#include "services/irm/allocation.h"

static AllocationLayer *find_layer(Allocation *a, uint64_t key, int *ret_index) {
        for (unsigned i = 0; i < a->n_layers; i++)
                if (a->layers[i].key == key) {
                        *ret_index = (int) i;
                        return &a->layers[i];
                }

        return NULL;
}

static int find_verdict(const Allocation *a, AllocationVerdict verdict) {
        for (unsigned i = 0; i < a->n_layers; i++)
                if (a->layers[i].verdict == verdict)
                        return (int) i;

        return -ENOENT;
}

static usec_t query_deadline(const Allocation *a) {
        return usec_add(a->asked, ALLOCATION_QUERY_USEC);
}

/* The time in which we could not run is not the layers': all since the last look; who was stopped knows no better. */
static void look_at_clock(Allocation *a, usec_t now) {
        if (now < a->look_at)
                return;

        if (now - a->look_at >= ALLOCATION_LATE_USEC) {
                usec_t lost = MIN(now - a->look_at + ALLOCATION_LOOK_USEC, ALLOCATION_LOST_USEC_MAX - a->lost);

                a->lost += lost;
                a->asked = usec_add(a->asked, lost);
        }
        a->look_at = usec_add(now, ALLOCATION_LOOK_USEC);
}

static AllocationStep fail(Allocation *a, int error) {
        a->error = error;
        return ALLOCATION_FAIL;
}

/* Why everybody's no is a no: a request that failed says more than a name that is not known. */
static int final_error(const Allocation *a) {
        int error = -ENOENT;

        for (unsigned i = 0; i < a->n_layers; i++)
                if (a->layers[i].verdict == ALLOCATION_TRIED && a->layers[i].error < 0)
                        error = a->layers[i].error;

        return error;
}

static AllocationStep carry(Allocation *a, int index, uint32_t attempt, usec_t now) {
        a->held = false;
        a->current = index;
        a->attempt = attempt;
        a->answer_by = usec_add(now, ALLOCATION_KEPT_USEC);
        a->retry_at = attempt + 1 < ALLOCATION_ATTEMPTS_MAX ? usec_add(now, ALLOCATION_RETRY_USEC) : USEC_INFINITY;
        return ALLOCATION_REQUEST;
}

static void carry_no_more(Allocation *a, AllocationVerdict verdict, int error) {
        a->layers[a->current].verdict = verdict;
        a->layers[a->current].error = error;
        a->current = -1;
        a->answer_by = USEC_INFINITY;
        a->retry_at = USEC_INFINITY;
}

/* What to do when nothing is under way: the next layer that can, or wait for answers, or for a listener. */
static AllocationStep next_step(Allocation *a, usec_t now) {
        int index;

        if (now >= a->deadline)
                return fail(a, -ETIMEDOUT);
        if ((a->held && !a->impatient) || a->current >= 0)
                return ALLOCATION_WAIT;

        index = find_verdict(a, ALLOCATION_HAS);
        if (index >= 0)
                return carry(a, index, 0, now);

        if (find_verdict(a, ALLOCATION_ASKED) >= 0 || a->known_here)
                return ALLOCATION_WAIT;

        return fail(a, final_error(a));
}

void allocation_init(Allocation *a, usec_t now, usec_t timeout_usec, bool known_here) {
        *a = (Allocation) {
                .started = now,
                .asked = now,
                .deadline = usec_add(now, timeout_usec),
                .answer_by = USEC_INFINITY,
                .retry_at = USEC_INFINITY,
                .patient_until = USEC_INFINITY,
                .known_here = known_here,
                .current = -1,
        };
}

int allocation_add_layer(Allocation *a, uint64_t key, const char *name, usec_t now) {
        int index;

        if (find_layer(a, key, &index))
                return -EEXIST;
        if (a->n_layers >= ALLOCATION_LAYERS_MAX)
                return -ENOSPC;

        if (!allocation_is_asking(a))
                a->look_at = usec_add(now, ALLOCATION_LOOK_USEC);
        a->layers[a->n_layers] = (AllocationLayer) {
                .key = key,
                .verdict = ALLOCATION_ASKED,
                .asked = now,
                .answered = USEC_INFINITY,
        };
        (void) copy_string(a->layers[a->n_layers].name, sizeof(a->layers[a->n_layers].name), name);

        /* Layers that come and go must not put off for ever that a name is unknown: later ones get what is left of the
         * time, unless there is something else to wait for. */
        if (a->n_layers == 0 || a->known_here || a->current >= 0)
                a->asked = now;
        a->n_layers++;
        return 0;
}

uint64_t allocation_carrier(const Allocation *a) {
        return a->current >= 0 ? a->layers[a->current].key : 0;
}

AllocationStep allocation_answered(Allocation *a, uint64_t key, int result, usec_t now) {
        AllocationLayer *l;
        int index;

        l = find_layer(a, key, &index);
        if (!l || (l->verdict != ALLOCATION_ASKED && l->verdict != ALLOCATION_SILENT))
                return ALLOCATION_WAIT;

        l->verdict = result < 0 ? ALLOCATION_HAS_NOT : ALLOCATION_HAS;
        l->answered = now;
        l->error = MIN(result, 0);
        return next_step(a, now);
}

AllocationStep allocation_refused(Allocation *a, uint64_t key, int result, usec_t now) {
        return allocation_refused_because(a, key, result, "", now);
}

AllocationStep allocation_refused_because(Allocation *a, uint64_t key, int result, const char *reason, usec_t now) {
        int index;

        if (!find_layer(a, key, &index) || index != a->current)
                return ALLOCATION_WAIT;

        (void) snprintf(a->reason, sizeof(a->reason), "%s", reason);
        carry_no_more(a, ALLOCATION_TRIED, result);
        return next_step(a, now);
}

AllocationStep allocation_again(Allocation *a, usec_t now) {
        if (a->current < 0 || a->attempt + 1 >= ALLOCATION_ATTEMPTS_MAX)
                return ALLOCATION_WAIT;

        return carry(a, a->current, a->attempt + 1, now);
}

AllocationStep allocation_layer_gone(Allocation *a, uint64_t key, usec_t now) {
        AllocationLayer *l;
        int index;

        l = find_layer(a, key, &index);
        if (!l)
                return ALLOCATION_WAIT;

        if (index == a->current)
                carry_no_more(a, ALLOCATION_TRIED, -ENETDOWN);
        else if (l->verdict != ALLOCATION_TRIED) {
                l->verdict = ALLOCATION_GONE;
                l->error = -ENETDOWN;
        }

        return next_step(a, now);
}

void allocation_hold(Allocation *a, usec_t patient_until) {
        a->held = true;
        a->impatient = false;
        a->patient_until = patient_until;

        /* The layer can still do it, should the listener not. */
        if (a->current >= 0)
                carry_no_more(a, ALLOCATION_HAS, 0);
}

AllocationStep allocation_proceed(Allocation *a, usec_t now) {
        a->held = false;
        a->patient_until = USEC_INFINITY;
        return next_step(a, now);
}

AllocationStep allocation_elapsed(Allocation *a, usec_t now) {
        if (now >= a->deadline)
                return fail(a, -ETIMEDOUT);

        if (now >= a->patient_until) {
                a->impatient = a->held;
                a->patient_until = USEC_INFINITY;
        }

        look_at_clock(a, now);
        if (now >= query_deadline(a))
                for (unsigned i = 0; i < a->n_layers; i++)
                        if (a->layers[i].verdict == ALLOCATION_ASKED)
                                a->layers[i].verdict = ALLOCATION_SILENT;

        if (a->current >= 0 && now >= a->retry_at)
                return carry(a, a->current, a->attempt + 1, now);

        if (a->current >= 0 && now >= a->answer_by)
                carry_no_more(a, ALLOCATION_TRIED, -ETIMEDOUT);

        return next_step(a, now);
}

bool allocation_is_asking(const Allocation *a) {
        return find_verdict(a, ALLOCATION_ASKED) >= 0;
}

usec_t allocation_next(const Allocation *a) {
        usec_t next = MIN(MIN(a->deadline, a->patient_until), MIN(a->answer_by, a->retry_at));

        if (allocation_is_asking(a))
                next = MIN(next, MIN(query_deadline(a), a->look_at));

        return next;
}

/* Appends to text, which stays terminated when it is full. */
static void append(char *text, const char *format, ...) _printf_(2, 3);
static void append(char *text, const char *format, ...) {
        size_t used = strlen(text);
        va_list list;

        va_start(list, format);
        (void) vsnprintf(text + used, ALLOCATION_TEXT_MAX - used, format, list);
        va_end(list);
}

/* What came of asking at the other host. */
static const char *tried_words(int error) {
        switch (error) {
        case -ETIMEDOUT:
                return "nobody accepted";
        case -EKEYREJECTED:
                return "not authenticated";
        default:
                return strerror(-error);
        }
}

static const char *verdict_words(const AllocationLayer *l) {
        switch (l->verdict) {
        case ALLOCATION_ASKED:
        case ALLOCATION_SILENT:
                return "no answer";
        case ALLOCATION_HAS:
                return "knows it";
        case ALLOCATION_HAS_NOT:
                return l->error == -ENOENT ? "unknown" : strerror(-l->error);
        case ALLOCATION_TRIED:
                return tried_words(l->error);
        case ALLOCATION_GONE:
                return "went down";
        }

        return "?";
}

void allocation_explain(const Allocation *a, const char *name, usec_t now, char text[ALLOCATION_TEXT_MAX]) {
        char took[32];

        text[0] = '\0';

        if (a->error == -ETIMEDOUT && a->held)
                append(text, "A listener of this host has not accepted the flow to '%.100s'", name);
        else if (a->error == -ETIMEDOUT && a->known_here && a->current < 0)
                append(text, "Nobody accepts flows to '%.100s' on this host", name);
        else if (a->error == -ETIMEDOUT && a->current >= 0)
                append(text, "Layer %s carried the request for '%.100s', but nobody there has accepted",
                       a->layers[a->current].name, name);
        else if (a->error == -ENOENT && a->n_layers > 0)
                append(text, "No layer on this host knows '%.100s'", name);
        else if (a->error == -ENOENT)
                append(text, "'%.100s' is not a name of this host, and no layer is online", name);
        else
                append(text, "The flow to '%.100s' could not be allocated%s%s", name, a->reason[0] ? ": " : "",
                       a->reason);

        for (unsigned i = 0; i < a->n_layers; i++)
                append(text, "%s%s (%s)", i == 0 ? "; asked " : ", ", a->layers[i].name, verdict_words(&a->layers[i]));

        append(text, "; it took %s", usec_format(took, sizeof(took), usec_sub(now, a->started)));
}
