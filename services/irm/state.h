/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the IRM knows, in a memfd that systemd keeps for it (services/common/state-store.h): after a crash the next one
 * goes on with the same names, bindings, registrations, listeners and flows. A change costs the same however much is
 * kept. Same machine, same program: records are plain structs, and another version starts anew. Read back as carefully
 * as if a stranger had written it.
 */

#include "basic/cursor.h"
#include "basic/string.h"
#include "libo7s/o7s.h"

#define STATE_NO_SLOT UINT32_MAX
#define STATE_ID_BYTES_MAX 511U

typedef enum StateKind {
        STATE_NAME,
        STATE_BINDING,
        STATE_REGISTRATION,
        STATE_CLIENT,
        STATE_FLOW,
        STATE_SETTING,
        STATE_STAMP,
        _STATE_KIND_MAX,
} StateKind;

typedef struct StateName {
        uint32_t owner;
        uint32_t balance;
        uint8_t local;
        char name[FLOW_NAME_BYTES_MAX + 1];
} StateName;

typedef struct StateBinding {
        uint32_t kind;
        int32_t pid;            /* of a process; its pidfd is in the store under the slot's number */
        char name[FLOW_NAME_BYTES_MAX + 1];
        char id[STATE_ID_BYTES_MAX + 1];
} StateBinding;

typedef struct StateRegistration {
        char name[FLOW_NAME_BYTES_MAX + 1];
        char layer[LAYER_NAME_BYTES_MAX + 1];
} StateRegistration;

/* A connection whose socket is in the store under the slot's number. */
typedef struct StateClient {
        uint32_t flow_flags;    /* O7S_THIN, O7S_BULK: what it wants for the flows that it accepts */
        uint8_t listening;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char program[FLOW_NAME_WIRE_BYTES_MAX + 1];
} StateClient;

/* An established flow. */
typedef struct StateFlow {
        uint64_t id;
        uint32_t caller_uid;
        int32_t caller_pid;     /* 0: at another host */
        uint32_t acceptor_uid;
        int32_t acceptor_pid;   /* 0: at another host */
        uint32_t lane_class;
        uint32_t charged_uid;
        uint64_t since_usec;    /* CLOCK_REALTIME */
        o7s_qos qos;            /* as asked for */
        o7s_qos granted;
        uint32_t transfer;      /* IRM_TRANSFER_ */
        uint8_t verified;       /* peer was proven */
        char protection[32];    /* as in IrmFlowInfo; secrets are never here */
        char key_exchange[32];
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char layer[LAYER_NAME_BYTES_MAX + 1];   /* "": between two programs of this host */
        char peer[FLOW_NAME_WIRE_BYTES_MAX + 1];
} StateFlow;

/* What was said at run time of the security of a name, see name-security.h. */
typedef struct StateSetting {
        uint32_t side;          /* SecuritySide */
        char name[FLOW_NAME_BYTES_MAX + 1];
        char key[32];
        char value[1024];
} StateSetting;

/* The newest time stamp of a request whose sender had proven himself, see admission.c. There is one. */
typedef struct StateStamp {
        uint64_t nsec;
} StateStamp;

typedef struct State State;

int state_new(State **ret);

/* Takes fd, also on failure. Returns: 0; -EBADMSG: not a state of this version; -ENOMEM and errors of mmap(). */
int state_open(int fd, State **ret);
State *state_free(State *state);
static inline void state_freep(State **state) {
        *state = state_free(*state);
}

/* Stays the state's. */
int state_fd(const State *state);

/* Writing to a state that is NULL does nothing: the IRM lets go of it before it takes everything else down.
 * Returns: the slot; STATE_NO_SLOT: this kind is full, the object will not survive a restart. */
uint32_t state_put(State *state, StateKind kind, const void *record);
void state_update(State *state, StateKind kind, uint32_t slot, const void *record);
void state_remove(State *state, StateKind kind, uint32_t slot);

/* A copy of a used slot, every string in it terminated. Returns: 1; 0: not used, or not sane (then freed). */
int state_get(State *state, StateKind kind, uint32_t slot, void *ret_record);
uint32_t state_capacity(StateKind kind);
