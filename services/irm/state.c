/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The IRM's kinds of records in a store of services/common/state-store.h. */

#include "services/common/state-store.h"
#include "services/irm/state.h"

#define STATE_VERSION 5U

/* A string in a record that must be terminated. */
typedef struct Text {
        size_t offset;
        size_t size;
} Text;

#define TEXT(type, field)                                                                                         \
        { offsetof(type, field), sizeof(((type *) NULL)->field) }
#define TEXTS_MAX 5U            /* in one record */

static const StateStoreFormat state_format = {
        .name = "o7s-irm-state",
        .version = STATE_VERSION,
        .n_kinds = _STATE_KIND_MAX,
        .kinds = {
                [STATE_NAME] = { sizeof(StateName), 16384 },
                [STATE_BINDING] = { sizeof(StateBinding), 16384 },
                [STATE_REGISTRATION] = { sizeof(StateRegistration), 16384 },
                [STATE_CLIENT] = { sizeof(StateClient), 512 },
                [STATE_FLOW] = { sizeof(StateFlow), 65536 },
                [STATE_SETTING] = { sizeof(StateSetting), 16384 },
                [STATE_STAMP] = { sizeof(StateStamp), 1 },
        },
};

static const Text state_texts[_STATE_KIND_MAX][TEXTS_MAX] = {
        [STATE_NAME] = { TEXT(StateName, name) },
        [STATE_BINDING] = { TEXT(StateBinding, name), TEXT(StateBinding, id) },
        [STATE_REGISTRATION] = { TEXT(StateRegistration, name), TEXT(StateRegistration, layer) },
        [STATE_CLIENT] = { TEXT(StateClient, name), TEXT(StateClient, program) },
        [STATE_FLOW] = { TEXT(StateFlow, name), TEXT(StateFlow, layer), TEXT(StateFlow, peer),
                         TEXT(StateFlow, protection),
                         TEXT(StateFlow, key_exchange) },
        [STATE_SETTING] = { TEXT(StateSetting, name), TEXT(StateSetting, key), TEXT(StateSetting, value) },
};

_Static_assert(_STATE_KIND_MAX <= STATE_STORE_KINDS_MAX, "kinds");
_Static_assert(STATE_NO_SLOT == STATE_STORE_NO_SLOT, "no slot");

struct State {
        StateStore *store;
};

State *state_free(State *state) {
        if (!state)
                return NULL;

        state_store_free(state->store);
        return mfree(state);
}

/* Takes the store, also on failure. */
static int state_wrap(StateStore *taken, State **ret) {
        State *state;

        state = malloc(sizeof(*state));
        if (!state) {
                state_store_free(taken);
                return -ENOMEM;
        }

        *state = (State) { .store = taken };
        *ret = state;
        return 0;
}

int state_new(State **ret) {
        StateStore *store;
        int r;

        r = state_store_new(&state_format, &store);
        return r < 0 ? r : state_wrap(store, ret);
}

int state_open(int fd, State **ret) {
        StateStore *store;
        int r;

        r = state_store_open(&state_format, fd, &store);
        return r < 0 ? r : state_wrap(store, ret);
}

int state_fd(const State *state) {
        return state_store_fd(state->store);
}

uint32_t state_put(State *state, StateKind kind, const void *record) {
        return state ? state_store_put(state->store, kind, record) : STATE_NO_SLOT;
}

void state_update(State *state, StateKind kind, uint32_t slot, const void *record) {
        if (state)
                state_store_update(state->store, kind, slot, record);
}

void state_remove(State *state, StateKind kind, uint32_t slot) {
        if (state)
                state_store_remove(state->store, kind, slot);
}

int state_get(State *state, StateKind kind, uint32_t slot, void *ret_record) {
        _cleanup_free_ uint8_t *record = NULL;
        size_t size = state_format.kinds[kind].record_bytes;

        record = malloc(size);
        if (!record || state_store_get(state->store, kind, slot, record) == 0)
                return 0;

        for (unsigned i = 0; i < TEXTS_MAX; i++) {
                const Text *t = &state_texts[kind][i];

                if (t->size > 0 && !memchr(record + t->offset, '\0', t->size)) {
                        state_remove(state, kind, slot);
                        return 0;
                }
        }

        memcpy(ret_record, record, size);
        return 1;
}

uint32_t state_capacity(StateKind kind) {
        return state_format.kinds[kind].capacity;
}
