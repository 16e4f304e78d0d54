/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The memfd of state.h. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "services/irm/state.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define STATE_MAGIC 0x6f3773697263330aULL
#define STATE_VERSION 1U
#define STATE_HEADER_BYTES 4096U
#define STATE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

typedef struct StateHeader {
        uint64_t magic;
        uint32_t version;
        uint32_t record_size[_STATE_KIND_MAX];
        uint32_t capacity[_STATE_KIND_MAX];
} StateHeader;

typedef struct Slot {
        uint32_t used;
        uint32_t reserved;
        uint8_t record[] __attribute__((aligned(8)));
} Slot;

/* A string in a record that must be terminated. */
typedef struct Text {
        size_t offset;
        size_t size;
} Text;

#define TEXT(type, field)                                                                                         \
        { offsetof(type, field), sizeof(((type *) NULL)->field) }
#define TEXTS_MAX 3U            /* in one record */

static const struct {
        uint32_t size;
        uint32_t capacity;
        Text texts[TEXTS_MAX];
} kinds[_STATE_KIND_MAX] = {
        [STATE_NAME] = { sizeof(StateName), 16384, { TEXT(StateName, name) } },
        [STATE_BINDING] = { sizeof(StateBinding), 16384, { TEXT(StateBinding, name), TEXT(StateBinding, id) } },
        [STATE_REGISTRATION] = { sizeof(StateRegistration), 16384,
                                 { TEXT(StateRegistration, name), TEXT(StateRegistration, layer) } },
        [STATE_CLIENT] = { sizeof(StateClient), 512, { TEXT(StateClient, name), TEXT(StateClient, program) } },
        [STATE_FLOW] = { sizeof(StateFlow), 65536,
                         { TEXT(StateFlow, name), TEXT(StateFlow, layer), TEXT(StateFlow, peer) } },
};

struct State {
        int fd;
        uint8_t *map;
        size_t size;
        uint32_t *free_slots[_STATE_KIND_MAX];  /* a stack per kind */
        uint32_t n_free[_STATE_KIND_MAX];
        bool *in_use[_STATE_KIND_MAX];          /* asking the map itself would allocate the page that is asked */
};

/* The part of the file that is next known to have pages. */
typedef struct Extent {
        off_t start;
        off_t end;
} Extent;

static size_t slot_size(StateKind kind) {
        return (sizeof(Slot) + kinds[kind].size + 7) & ~(size_t) 7;
}

static size_t state_size(void) {
        size_t size = STATE_HEADER_BYTES;

        for (StateKind kind = 0; kind < _STATE_KIND_MAX; kind++)
                size += slot_size(kind) * kinds[kind].capacity;

        return size;
}

static size_t slot_offset(StateKind kind, uint32_t slot) {
        size_t offset = STATE_HEADER_BYTES;

        assert(slot < kinds[kind].capacity);

        for (StateKind before = 0; before < kind; before++)
                offset += slot_size(before) * kinds[before].capacity;

        return offset + slot_size(kind) * slot;
}

static Slot *slot_at(const State *state, StateKind kind, uint32_t slot) {
        return (Slot *) (void *) (state->map + slot_offset(kind, slot));
}

static void header_fill(StateHeader *header) {
        memset(header, 0, sizeof(*header));
        header->magic = STATE_MAGIC;
        header->version = STATE_VERSION;

        for (StateKind kind = 0; kind < _STATE_KIND_MAX; kind++) {
                header->record_size[kind] = kinds[kind].size;
                header->capacity[kind] = kinds[kind].capacity;
        }
}

State *state_free(State *state) {
        if (!state)
                return NULL;

        for (StateKind kind = 0; kind < _STATE_KIND_MAX; kind++) {
                free(state->free_slots[kind]);
                free(state->in_use[kind]);
        }
        if (state->map)
                (void) munmap(state->map, state->size);

        state->fd = safe_close(state->fd);
        return mfree(state);
}

/* Whether the file has a page at this offset; offsets ascend from call to call. Even a read through the map would
 * give a hole its page, and looking at every slot that way would make the whole file memory. */
static bool has_page(int fd, off_t offset, Extent *extent) {
        if (offset >= extent->end) {
                extent->start = lseek(fd, offset, SEEK_DATA);
                if (extent->start < 0)          /* ENXIO: only a hole follows; else we cannot know and have to look */
                        *extent = errno == ENXIO ? (Extent) { INT64_MAX, INT64_MAX } : (Extent) { 0, INT64_MAX };
                else
                        extent->end = lseek(fd, extent->start, SEEK_HOLE);
        }

        return offset >= extent->start;
}

/* Low numbers are handed out first: then few pages are touched. */
static int collect_slots(State *state) {
        Extent extent = {};

        for (StateKind kind = 0; kind < _STATE_KIND_MAX; kind++) {
                uint32_t capacity = kinds[kind].capacity;

                state->free_slots[kind] = calloc(capacity, sizeof(uint32_t));
                state->in_use[kind] = calloc(capacity, sizeof(bool));
                if (!state->free_slots[kind] || !state->in_use[kind])
                        return -ENOMEM;

                for (uint32_t i = 0; i < capacity; i++)
                        state->in_use[kind][i] = has_page(state->fd, (off_t) slot_offset(kind, i), &extent) &&
                                                 slot_at(state, kind, i)->used != 0;

                for (uint32_t i = capacity; i > 0; i--)
                        if (!state->in_use[kind][i - 1])
                                state->free_slots[kind][state->n_free[kind]++] = i - 1;
        }

        return 0;
}

/* Takes fd, also on failure. */
static int state_map(int fd, State **ret) {
        _cleanup_(state_freep) State *state = NULL;
        void *map;

        state = malloc(sizeof(*state));
        if (!state) {
                (void) safe_close(fd);
                return -ENOMEM;
        }
        *state = (State) { .fd = fd, .size = state_size() };

        map = mmap(NULL, state->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
                return -errno;

        state->map = map;
        *ret = TAKE_PTR(state);
        return 0;
}

int state_new(State **ret) {
        _cleanup_(state_freep) State *state = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        fd = memfd_create("o7s-irm-state", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("o7s-irm-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t) state_size()) < 0)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS, STATE_SEALS) < 0)
                return -errno;

        r = state_map(TAKE_FD(fd), &state);
        if (r < 0)
                return r;

        header_fill((StateHeader *) (void *) state->map);

        r = collect_slots(state);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(state);
        return 0;
}

int state_open(int fd, State **ret) {
        _cleanup_(state_freep) State *state = NULL;
        _cleanup_close_ int owned = fd;
        StateHeader expected;
        struct stat st;
        int seals, r;

        if (fstat(owned, &st) < 0)
                return -errno;

        /* Without the seal somebody could cut it short under us, which would be a SIGBUS. */
        seals = fcntl(owned, F_GET_SEALS);
        if (seals < 0 || !(seals & F_SEAL_SHRINK) || st.st_size != (off_t) state_size())
                return -EBADMSG;

        r = state_map(TAKE_FD(owned), &state);
        if (r < 0)
                return r;

        header_fill(&expected);
        if (memcmp(state->map, &expected, sizeof(expected)) != 0)
                return -EBADMSG;

        r = collect_slots(state);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(state);
        return 0;
}

int state_fd(const State *state) {
        return state->fd;
}

static void slot_write(Slot *s, StateKind kind, const void *record) {
        __atomic_store_n(&s->used, 0, __ATOMIC_RELEASE);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        memcpy(s->record, record, kinds[kind].size);
        __atomic_store_n(&s->used, 1, __ATOMIC_RELEASE);
}

uint32_t state_put(State *state, StateKind kind, const void *record) {
        uint32_t slot;

        if (!state || state->n_free[kind] == 0)
                return STATE_NO_SLOT;

        slot = state->free_slots[kind][--state->n_free[kind]];
        state->in_use[kind][slot] = true;
        slot_write(slot_at(state, kind, slot), kind, record);
        return slot;
}

void state_update(State *state, StateKind kind, uint32_t slot, const void *record) {
        if (state && slot != STATE_NO_SLOT)
                slot_write(slot_at(state, kind, slot), kind, record);
}

void state_remove(State *state, StateKind kind, uint32_t slot) {
        if (!state || slot == STATE_NO_SLOT)
                return;

        assert(state->in_use[kind][slot]);
        assert(state->n_free[kind] < kinds[kind].capacity);

        __atomic_store_n(&slot_at(state, kind, slot)->used, 0, __ATOMIC_RELEASE);
        state->in_use[kind][slot] = false;
        state->free_slots[kind][state->n_free[kind]++] = slot;
}

int state_get(State *state, StateKind kind, uint32_t slot, void *ret_record) {
        const Slot *s;

        assert(slot < kinds[kind].capacity);

        if (!state->in_use[kind][slot])
                return 0;

        s = slot_at(state, kind, slot);

        for (unsigned i = 0; i < TEXTS_MAX; i++) {
                const Text *t = &kinds[kind].texts[i];

                if (t->size > 0 && !memchr(s->record + t->offset, '\0', t->size)) {
                        state_remove(state, kind, slot);
                        return 0;
                }
        }

        memcpy(ret_record, s->record, kinds[kind].size);
        return 1;
}

uint32_t state_capacity(StateKind kind) {
        return kinds[kind].capacity;
}
