/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps of operation-step.h. */

#include "basic/macro.h"
#include "services/irm/operation-step.h"

static const char *const operation_step_kind_table[_OPERATION_STEP_KIND_MAX] = {
        [OPERATION_STEP_RELOAD] = "reload-systemd",
        [OPERATION_STEP_QUEUE] = "queue-job",
        [OPERATION_STEP_UNIT] = "unit",
        [OPERATION_STEP_LAYER] = "layer-online",
        [OPERATION_STEP_ORDER] = "order",
};

DEFINE_ENUM_NAMES(operation_step_kind, OperationStepKind);

static const char *const operation_step_state_table[_OPERATION_STEP_STATE_MAX] = {
        [OPERATION_STEP_PENDING] = "pending",
        [OPERATION_STEP_RUNNING] = "running",
        [OPERATION_STEP_DONE] = "done",
        [OPERATION_STEP_FAILED] = "failed",
};

DEFINE_ENUM_NAMES(operation_step_state, OperationStepState);

void operation_steps_init(OperationSteps *s, OperationStepKind first, OperationStepKind last, usec_t now) {
        assert(first <= last && last < _OPERATION_STEP_KIND_MAX);

        *s = (OperationSteps) {};
        for (int kind = first; kind <= (int) last; kind++)
                s->items[s->n++].kind = (OperationStepKind) kind;

        s->items[0].state = OPERATION_STEP_RUNNING;
        s->items[0].begun = now;
}

static bool step_end(OperationStep *step, OperationStepState state, usec_t now) {
        if (step->state != OPERATION_STEP_PENDING && step->state != OPERATION_STEP_RUNNING)
                return false;

        if (step->state == OPERATION_STEP_PENDING)
                step->begun = now;              /* done with the one before it, without our seeing it begin */
        step->ended = now;
        step->state = state;
        return true;
}

bool operation_steps_reach(OperationSteps *s, OperationStepKind kind, usec_t now) {
        bool changed = false;

        for (unsigned i = 0; i < s->n && s->items[i].kind <= kind; i++) {
                OperationStep *step = &s->items[i];

                if (step->kind < kind)
                        changed = step_end(step, OPERATION_STEP_DONE, now) || changed;
                else if (step->state == OPERATION_STEP_PENDING) {
                        step->state = OPERATION_STEP_RUNNING;
                        step->begun = now;
                        changed = true;
                }
        }

        return changed;
}

void operation_steps_end(OperationSteps *s, bool well, usec_t now) {
        for (unsigned i = 0; i < s->n; i++) {
                if (well)
                        (void) step_end(&s->items[i], OPERATION_STEP_DONE, now);
                else if (s->items[i].state == OPERATION_STEP_RUNNING)
                        (void) step_end(&s->items[i], OPERATION_STEP_FAILED, now);
        }
}

double operation_steps_progress(const OperationSteps *s) {
        unsigned done = 0;

        for (unsigned i = 0; i < s->n; i++)
                done += s->items[i].state == OPERATION_STEP_DONE;

        return s->n > 0 ? (double) done / s->n : 0;
}

int64_t operation_step_usec(const OperationStep *step, usec_t now) {
        if (step->state == OPERATION_STEP_PENDING)
                return -1;

        return (int64_t) usec_sub(step->state == OPERATION_STEP_RUNNING ? now : step->ended, step->begun);
}
