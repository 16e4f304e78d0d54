/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The steps of an operation, so that whoever waits sees where it is and what took how long. They go one after the other
 * and never back; what is told late or twice changes nothing. Pure: told the time.
 */

#include "basic/enum.h"
#include "basic/time.h"

typedef enum OperationStepKind {
        OPERATION_STEP_RELOAD,          /* systemd reads unit files anew */
        OPERATION_STEP_QUEUE,           /* systemd takes the job */
        OPERATION_STEP_UNIT,            /* systemd does it */
        OPERATION_STEP_LAYER,           /* the layer is online */
        OPERATION_STEP_ORDER,           /* the member does what it was told */
        _OPERATION_STEP_KIND_MAX,
        _OPERATION_STEP_KIND_INVALID = -EINVAL,
} OperationStepKind;

DECLARE_ENUM_NAMES(operation_step_kind, OperationStepKind);

typedef enum OperationStepState {
        OPERATION_STEP_PENDING,
        OPERATION_STEP_RUNNING,
        OPERATION_STEP_DONE,
        OPERATION_STEP_FAILED,          /* also where it was given up */
        _OPERATION_STEP_STATE_MAX,
        _OPERATION_STEP_STATE_INVALID = -EINVAL,
} OperationStepState;

DECLARE_ENUM_NAMES(operation_step_state, OperationStepState);

typedef struct OperationStep {
        OperationStepKind kind;
        OperationStepState state;
        usec_t begun;
        usec_t ended;
} OperationStep;

typedef struct OperationSteps {
        OperationStep items[_OPERATION_STEP_KIND_MAX];
        unsigned n;
} OperationSteps;

/* The steps from first to last; the first begins. */
void operation_steps_init(OperationSteps *s, OperationStepKind first, OperationStepKind last, usec_t now);

/* That step is under way, so those before it are done. Returns: whether anything changed. */
bool operation_steps_reach(OperationSteps *s, OperationStepKind kind, usec_t now);

/* All are done, or the one that was under way is the one that failed. */
void operation_steps_end(OperationSteps *s, bool well, usec_t now);

/* Done ones, as a part of all: 0 to 1. */
double operation_steps_progress(const OperationSteps *s);

/* How long a step took, or has taken so far; < 0: it has not begun. */
int64_t operation_step_usec(const OperationStep *step, usec_t now);
