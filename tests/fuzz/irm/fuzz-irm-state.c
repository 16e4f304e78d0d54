/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The state memfd in the hands of the input: it puts and removes records, scribbles over slots and the header, and
 * starts the IRM anew in between. What must hold: no access outside, no text without its end, no slot handed out
 * twice, and a record that nobody scribbled over is the one that was put.
 *
 *   operation u8, kind u8, then as the operation says
 */

#include <fcntl.h>
#include <stdlib.h>

#include "basic/cursor.h"
#include "services/common/state-store.h"
#include "services/irm/state.h"

#define OPERATIONS_MAX 256U
#define SLOTS_WATCHED 512U      /* more than the operations can fill */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum Operation {
        PUT,            /* u8 n, n bytes: the record, zeros behind them */
        UPDATE,         /* u8 slot, u8 n, n bytes */
        REMOVE,         /* u8 slot */
        SCRIBBLE,       /* u8 slot, u16 offset in the slot, u8 n, n bytes */
        HEADER,         /* u8 offset, u8 value */
        RESTART,
        _OPERATION_MAX,
} Operation;

typedef union AnyRecord {
        StateName name;
        StateBinding binding;
        StateRegistration registration;
        StateClient client;
        StateFlow flow;
        StateSetting setting;
} AnyRecord;

typedef struct Watched {
        bool used;
        bool clean;             /* nobody scribbled over it */
        AnyRecord record;
} Watched;

typedef struct Game {
        State *state;
        Watched slots[_STATE_KIND_MAX][SLOTS_WATCHED];
} Game;

static const size_t record_size[_STATE_KIND_MAX] = {
        [STATE_NAME] = sizeof(StateName),
        [STATE_BINDING] = sizeof(StateBinding),
        [STATE_REGISTRATION] = sizeof(StateRegistration),
        [STATE_CLIENT] = sizeof(StateClient),
        [STATE_FLOW] = sizeof(StateFlow),
        [STATE_SETTING] = sizeof(StateSetting),
        [STATE_STAMP] = sizeof(StateStamp),
};

static void require(bool condition) {
        if (!condition)
                abort();
}

static bool is_terminated(const char *text, size_t size) {
        return memchr(text, '\0', size) != NULL;
}

#define TERMINATED(field) is_terminated(field, sizeof(field))

static bool texts_are_terminated(StateKind kind, const AnyRecord *r) {
        switch (kind) {
        case STATE_NAME:
                return TERMINATED(r->name.name);
        case STATE_BINDING:
                return TERMINATED(r->binding.name) && TERMINATED(r->binding.id);
        case STATE_REGISTRATION:
                return TERMINATED(r->registration.name) && TERMINATED(r->registration.layer);
        case STATE_CLIENT:
                return TERMINATED(r->client.name) && TERMINATED(r->client.program);
        case STATE_FLOW:
                return TERMINATED(r->flow.name) && TERMINATED(r->flow.layer) && TERMINATED(r->flow.peer);
        case STATE_SETTING:
                return TERMINATED(r->setting.name) && TERMINATED(r->setting.key) && TERMINATED(r->setting.value);
        case STATE_STAMP:
                return true;
        case _STATE_KIND_MAX:
                break;
        }

        return false;
}

static size_t copy_bytes(StateKind kind) {
        return (STATE_STORE_COPY_BYTES + record_size[kind] + 7) & ~(size_t) 7;
}

/* Of the first copy. */
static off_t slot_offset(StateKind kind, uint32_t slot) {
        size_t offset = STATE_STORE_HEADER_BYTES;

        for (StateKind k = 0; k < kind; k++)
                offset += 2 * copy_bytes(k) * state_capacity(k);

        return (off_t) (offset + copy_bytes(kind) * slot);
}

/* At most 255 bytes of the input. */
static size_t take_bytes(Cursor *c, void *to, size_t size) {
        size_t n = MIN((size_t) cursor_u8(c), size);
        const uint8_t *bytes = cursor_bytes(c, n);

        if (!bytes)
                return 0;

        memcpy(to, bytes, n);
        return n;
}

static void take_record(Cursor *c, AnyRecord *record) {
        memset(record, 0, sizeof(*record));
        (void) take_bytes(c, record, sizeof(*record));
}

/* Reads a slot and compares it with what is known of it. */
static bool look(Game *g, StateKind kind, uint32_t slot) {
        Watched *w = &g->slots[kind][slot];
        AnyRecord record;

        if (slot >= state_capacity(kind))
                return false;

        memset(&record, 0, sizeof(record));
        if (state_get(g->state, kind, slot, &record) == 0) {
                require(!w->used || !w->clean || !texts_are_terminated(kind, &w->record));
                w->used = false;
                return false;
        }

        require(texts_are_terminated(kind, &record));
        require(!w->clean || memcmp(&record, &w->record, record_size[kind]) == 0);
        w->used = true;
        return true;
}

static void put(Game *g, StateKind kind, Cursor *c) {
        AnyRecord record;
        uint32_t slot;

        take_record(c, &record);
        slot = state_put(g->state, kind, &record);
        if (slot == STATE_NO_SLOT) {
                require(state_capacity(kind) < SLOTS_WATCHED);
                return;
        }
        require(slot < state_capacity(kind));
        if (slot >= SLOTS_WATCHED)
                return;

        require(!g->slots[kind][slot].used);
        g->slots[kind][slot] = (Watched) { .used = true, .clean = true, .record = record };
}

static void scribble(Game *g, StateKind kind, Cursor *c) {
        size_t room = STATE_STORE_COPY_BYTES + record_size[kind], offset, n;
        uint32_t slot = cursor_u8(c) % state_capacity(kind);
        uint8_t bytes[255];

        offset = cursor_be16(c) % room;
        n = MIN(take_bytes(c, bytes, sizeof(bytes)), room - offset);
        g->slots[kind][slot].clean = false;
        require(pwrite(state_fd(g->state), bytes, n, slot_offset(kind, slot) + (off_t) offset) == (ssize_t) n);
}

/* The next IRM: it takes the state as it is, or begins anew. */
static bool restart(Game *g) {
        State *next;
        int fd, r;

        fd = fcntl(state_fd(g->state), F_DUPFD_CLOEXEC, 3);
        require(fd >= 0);
        g->state = state_free(g->state);

        r = state_open(fd, &next);
        require(r == 0 || r == -EBADMSG);
        if (r < 0)
                return false;
        g->state = next;

        for (StateKind kind = 0; kind < _STATE_KIND_MAX; kind++)
                for (uint32_t slot = 0; slot < SLOTS_WATCHED; slot++)
                        (void) look(g, kind, slot);
        return true;
}

/* Returns: whether there is still a state. */
static bool play(Game *g, Operation operation, StateKind kind, Cursor *c) {
        AnyRecord record;
        uint32_t slot;
        uint8_t byte;

        switch (operation) {
        case PUT:
                put(g, kind, c);
                return true;
        case UPDATE:
                slot = cursor_u8(c);
                take_record(c, &record);
                if (look(g, kind, slot)) {
                        state_update(g->state, kind, slot, &record);
                        g->slots[kind][slot] = (Watched) { .used = true, .clean = true, .record = record };
                }
                return true;
        case REMOVE:
                slot = cursor_u8(c);
                if (look(g, kind, slot)) {
                        state_remove(g->state, kind, slot);
                        g->slots[kind][slot] = (Watched) {};
                        require(!look(g, kind, slot));
                }
                return true;
        case SCRIBBLE:
                scribble(g, kind, c);
                return true;
        case HEADER:
                slot = cursor_u8(c);
                byte = cursor_u8(c);
                require(pwrite(state_fd(g->state), &byte, 1, (off_t) slot) == 1);
                return true;
        case RESTART:
                return restart(g);
        case _OPERATION_MAX:
                break;
        }

        return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        bool alive = true;
        Game *g;

        g = calloc(1, sizeof(*g));
        if (!g || state_new(&g->state) < 0)
                abort();

        for (unsigned i = 0; alive && i < OPERATIONS_MAX && !c.bad && c.left > 0; i++) {
                Operation operation = cursor_u8(&c) % _OPERATION_MAX;
                StateKind kind = cursor_u8(&c) % _STATE_KIND_MAX;

                alive = play(g, operation, kind, &c);
        }
        if (alive)
                (void) restart(g);

        state_free(g->state);
        free(g);
        return 0;
}
