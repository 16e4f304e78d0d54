/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The memfd of state-store.h. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "basic/siphash.h"
#include "services/common/state-store.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U         /* Linux 6.3 */
#endif

#define STORE_MAGIC 0x6f3773737461746cULL
#define STORE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define N_COPIES 2U

typedef struct StoreHeader {
        uint64_t magic;
        uint32_t version;
        uint32_t n_kinds;
        StateStoreKind kinds[STATE_STORE_KINDS_MAX];
} StoreHeader;

typedef struct Copy {
        uint64_t generation;            /* 0: nothing is in it */
        uint64_t checksum;
        uint8_t record[];
} Copy;

_Static_assert(sizeof(Copy) == STATE_STORE_COPY_BYTES, "the format is drawn in the header");

/* What we know of a slot without its page: asking the map itself would allocate the page that is asked. */
typedef enum SlotUse {
        SLOT_FREE,
        SLOT_FIRST,                     /* the current copy */
        SLOT_SECOND,
} SlotUse;

typedef struct StoreKind {
        size_t offset;                  /* of its first slot's first copy */
        size_t copy_bytes;
        uint8_t *use;                   /* SlotUse, by slot */
        uint8_t *written;               /* 1U << SlotUse, by slot: copies whose generation may not be 0 */
        uint32_t *free_slots;           /* a stack */
        uint32_t n_free;
} StoreKind;

struct StateStore {
        StateStoreFormat format;
        StoreKind kinds[STATE_STORE_KINDS_MAX];
        int fd;
        uint8_t *map;
        size_t size;
        uint64_t generation;            /* the last that was written */
};

/* The part of the file that is next known to have pages. */
typedef struct Extent {
        off_t start;
        off_t end;
} Extent;

static off_t copy_offset(const StateStore *store, uint32_t kind, uint32_t slot, SlotUse which) {
        const StoreKind *k = &store->kinds[kind];
        uint32_t capacity = store->format.kinds[kind].capacity;

        assert(slot < capacity && which != SLOT_FREE);

        return (off_t) (k->offset + k->copy_bytes * (slot + (which == SLOT_SECOND ? (size_t) capacity : 0)));
}

static Copy *copy_at(const StateStore *store, uint32_t kind, uint32_t slot, SlotUse which) {
        return (Copy *) (void *) (store->map + copy_offset(store, kind, slot, which));
}

/* Over the record and where it belongs: one that was moved is none. */
static uint64_t copy_checksum(uint64_t generation, uint32_t kind, uint32_t slot, const void *record, size_t size) {
        uint8_t key[SIPHASH_KEY_BYTES];
        const uint32_t place[2] = { kind, slot };

        memcpy(key, &generation, sizeof(generation));
        memcpy(key + sizeof(generation), place, sizeof(place));
        return siphash24(key, record, size);
}

static bool copy_is_valid(const StateStore *store, uint32_t kind, uint32_t slot, SlotUse which) {
        const Copy *c = copy_at(store, kind, slot, which);

        return c->generation != 0 && c->checksum == copy_checksum(c->generation, kind, slot, c->record,
                                                                  store->format.kinds[kind].record_bytes);
}

static void header_fill(const StateStoreFormat *format, StoreHeader *header) {
        memset(header, 0, sizeof(*header));
        header->magic = STORE_MAGIC;
        header->version = format->version;
        header->n_kinds = format->n_kinds;
        memcpy(header->kinds, format->kinds, format->n_kinds * sizeof(format->kinds[0]));
}

StateStore *state_store_free(StateStore *store) {
        if (!store)
                return NULL;

        for (uint32_t kind = 0; kind < STATE_STORE_KINDS_MAX; kind++) {
                free(store->kinds[kind].use);
                free(store->kinds[kind].written);
                free(store->kinds[kind].free_slots);
        }
        if (store->map)
                (void) munmap(store->map, store->size);

        store->fd = safe_close(store->fd);
        return mfree(store);
}

/* An object without a memfd. */
static int store_new(const StateStoreFormat *format, StateStore **ret) {
        _cleanup_(state_store_freep) StateStore *store = NULL;

        assert(format->n_kinds <= STATE_STORE_KINDS_MAX);

        store = calloc(1, sizeof(*store));
        if (!store)
                return -ENOMEM;

        store->format = *format;
        store->fd = -1;
        store->size = STATE_STORE_HEADER_BYTES;

        for (uint32_t kind = 0; kind < format->n_kinds; kind++) {
                StoreKind *k = &store->kinds[kind];
                size_t capacity = format->kinds[kind].capacity;

                k->offset = store->size;
                k->copy_bytes = (sizeof(Copy) + format->kinds[kind].record_bytes + 7) & ~(size_t) 7;
                store->size += N_COPIES * capacity * k->copy_bytes;

                k->use = calloc(capacity, sizeof(*k->use));
                k->written = calloc(capacity, sizeof(*k->written));
                k->free_slots = calloc(capacity, sizeof(*k->free_slots));
                if (!k->use || !k->written || !k->free_slots)
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(store);
        return 0;
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

/* A copy may begin on one page and end on the next: what is a hole there reads as zeros and fails the checksum. */
static void look_at_copies(StateStore *store, uint32_t kind, SlotUse which, Extent *extent) {
        StoreKind *k = &store->kinds[kind];

        for (uint32_t slot = 0; slot < store->format.kinds[kind].capacity; slot++) {
                uint64_t generation;

                if (!has_page(store->fd, copy_offset(store, kind, slot, which), extent))
                        continue;

                k->written[slot] |= (uint8_t) (1U << which);
                if (!copy_is_valid(store, kind, slot, which))
                        continue;

                generation = copy_at(store, kind, slot, which)->generation;
                store->generation = MAX(store->generation, generation);
                if (k->use[slot] == SLOT_FREE ||
                    generation > copy_at(store, kind, slot, (SlotUse) k->use[slot])->generation)
                        k->use[slot] = (uint8_t) which;
        }
}

/* Low numbers are handed out first: then few pages are touched. */
static void collect_slots(StateStore *store) {
        Extent extent = {};

        for (uint32_t kind = 0; kind < store->format.n_kinds; kind++) {
                StoreKind *k = &store->kinds[kind];

                look_at_copies(store, kind, SLOT_FIRST, &extent);
                look_at_copies(store, kind, SLOT_SECOND, &extent);

                for (uint32_t slot = store->format.kinds[kind].capacity; slot > 0; slot--)
                        if (k->use[slot - 1] == SLOT_FREE)
                                k->free_slots[k->n_free++] = slot - 1;
        }
}

static int store_map(StateStore *store) {
        void *map;

        map = mmap(NULL, store->size, PROT_READ | PROT_WRITE, MAP_SHARED, store->fd, 0);
        if (map == MAP_FAILED)
                return -errno;

        store->map = map;

        /* It may hold tokens; a core dump is read by more people than our memory. */
        (void) madvise(map, store->size, MADV_DONTDUMP);
        return 0;
}

static int make_memory(const char *name, size_t size, int *ret_fd) {
        _cleanup_close_ int fd = -1;

        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t) size) < 0)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS, STORE_SEALS) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

int state_store_new(const StateStoreFormat *format, StateStore **ret) {
        _cleanup_(state_store_freep) StateStore *store = NULL;
        int r;

        r = store_new(format, &store);
        if (r < 0)
                return r;

        r = make_memory(format->name, store->size, &store->fd);
        if (r < 0)
                return r;

        r = store_map(store);
        if (r < 0)
                return r;

        header_fill(format, (StoreHeader *) (void *) store->map);
        collect_slots(store);

        *ret = TAKE_PTR(store);
        return 0;
}

int state_store_open(const StateStoreFormat *format, int fd, StateStore **ret) {
        _cleanup_(state_store_freep) StateStore *store = NULL;
        _cleanup_close_ int owned = fd;
        StoreHeader expected;
        struct stat st;
        int seals, r;

        if (fstat(owned, &st) < 0)
                return -errno;

        r = store_new(format, &store);
        if (r < 0)
                return r;

        /* Without the seal somebody could cut it short under us, which would be a SIGBUS. */
        seals = fcntl(owned, F_GET_SEALS);
        if (seals < 0 || !(seals & F_SEAL_SHRINK) || st.st_size != (off_t) store->size)
                return -EBADMSG;

        store->fd = TAKE_FD(owned);
        r = store_map(store);
        if (r < 0)
                return r;

        header_fill(format, &expected);
        if (memcmp(store->map, &expected, sizeof(expected)) != 0)
                return -EBADMSG;

        collect_slots(store);
        *ret = TAKE_PTR(store);
        return 0;
}

int state_store_fd(const StateStore *store) {
        return store->fd;
}

/* Into the copy that does not count yet. Each fence keeps the compiler from moving stores across it: whoever kills us
 * does so between two instructions, and the kernel keeps what was stored until then. */
static void slot_write(StateStore *store, uint32_t kind, uint32_t slot, const void *record) {
        StoreKind *k = &store->kinds[kind];
        SlotUse which = k->use[slot] == SLOT_FIRST ? SLOT_SECOND : SLOT_FIRST;
        Copy *c = copy_at(store, kind, slot, which);
        size_t size = store->format.kinds[kind].record_bytes;
        uint64_t generation = ++store->generation;

        __atomic_store_n(&c->generation, UINT64_C(0), __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        memcpy(c->record, record, size);
        c->checksum = copy_checksum(generation, kind, slot, record, size);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n(&c->generation, generation, __ATOMIC_RELAXED);

        k->use[slot] = (uint8_t) which;
        k->written[slot] |= (uint8_t) (1U << which);
}

uint32_t state_store_put(StateStore *store, uint32_t kind, const void *record) {
        StoreKind *k;
        uint32_t slot;

        if (!store || store->kinds[kind].n_free == 0)
                return STATE_STORE_NO_SLOT;

        k = &store->kinds[kind];
        slot = k->free_slots[--k->n_free];
        slot_write(store, kind, slot, record);
        return slot;
}

void state_store_update(StateStore *store, uint32_t kind, uint32_t slot, const void *record) {
        if (store && slot != STATE_STORE_NO_SLOT)
                slot_write(store, kind, slot, record);
}

void state_store_remove(StateStore *store, uint32_t kind, uint32_t slot) {
        StoreKind *k;
        SlotUse current, other;

        if (!store || slot == STATE_STORE_NO_SLOT)
                return;

        k = &store->kinds[kind];
        current = (SlotUse) k->use[slot];
        other = current == SLOT_FIRST ? SLOT_SECOND : SLOT_FIRST;
        assert(current != SLOT_FREE);
        assert(k->n_free < store->format.kinds[kind].capacity);

        /* The older one first: a kill in between must not bring it back. One that was never written has no page yet,
         * and is to get none. */
        if (k->written[slot] & 1U << other)
                __atomic_store_n(&copy_at(store, kind, slot, other)->generation, 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&copy_at(store, kind, slot, current)->generation, 0, __ATOMIC_SEQ_CST);

        /* There may have been keys in it. */
        if (k->written[slot] & 1U << other)
                explicit_bzero(copy_at(store, kind, slot, other)->record, store->format.kinds[kind].record_bytes);
        explicit_bzero(copy_at(store, kind, slot, current)->record, store->format.kinds[kind].record_bytes);

        k->written[slot] = 0;
        k->use[slot] = SLOT_FREE;
        k->free_slots[k->n_free++] = slot;
}

int state_store_get(const StateStore *store, uint32_t kind, uint32_t slot, void *ret_record) {
        SlotUse current;

        assert(slot < store->format.kinds[kind].capacity);

        current = (SlotUse) store->kinds[kind].use[slot];
        if (current == SLOT_FREE)
                return 0;

        memcpy(ret_record, copy_at(store, kind, slot, current)->record, store->format.kinds[kind].record_bytes);
        return 1;
}
