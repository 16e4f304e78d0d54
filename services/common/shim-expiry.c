/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The heap is 1-based, so that the parent of i is i / 2 and 0 can mean "not in it". */

#include "services/common/shim-expiry.h"

static void place(ShimExpiryHeap *heap, size_t index, ShimExpiry *entry) {
        heap->entries[index] = entry;
        entry->index = index;
}

static void sift_up(ShimExpiryHeap *heap, ShimExpiry *entry) {
        size_t i = entry->index;

        for (; i > 1 && heap->entries[i / 2]->when > entry->when; i /= 2)
                place(heap, i, heap->entries[i / 2]);

        place(heap, i, entry);
}

static void sift_down(ShimExpiryHeap *heap, ShimExpiry *entry) {
        size_t i = entry->index;

        for (;;) {
                size_t child = 2 * i;

                if (child > heap->n)
                        break;
                if (child < heap->n && heap->entries[child + 1]->when < heap->entries[child]->when)
                        child++;
                if (heap->entries[child]->when >= entry->when)
                        break;

                place(heap, i, heap->entries[child]);
                i = child;
        }

        place(heap, i, entry);
}

void shim_expiry_done(ShimExpiryHeap *heap) {
        for (size_t i = 1; i <= heap->n; i++)
                heap->entries[i]->index = 0;

        free(heap->entries);
        *heap = (ShimExpiryHeap) {};
}

void shim_expiry_remove(ShimExpiryHeap *heap, ShimExpiry *entry) {
        ShimExpiry *last;
        size_t index = entry->index;

        if (index == 0)
                return;

        last = heap->entries[heap->n--];
        entry->index = 0;
        if (last == entry)
                return;

        place(heap, index, last);
        sift_up(heap, last);
        sift_down(heap, last);
}

int shim_expiry_set(ShimExpiryHeap *heap, ShimExpiry *entry, usec_t when) {
        if (when == USEC_INFINITY) {
                shim_expiry_remove(heap, entry);
                return 0;
        }

        if (entry->index == 0) {
                if (heap->n + 1 >= heap->n_allocated) {
                        size_t n_allocated = MAX(2 * heap->n_allocated, (size_t) 64);
                        ShimExpiry **entries;

                        entries = reallocarray(heap->entries, n_allocated, sizeof(*entries));
                        if (!entries)
                                return -ENOMEM;

                        heap->entries = entries;
                        heap->n_allocated = n_allocated;
                }

                place(heap, ++heap->n, entry);
        }

        entry->when = when;
        sift_up(heap, entry);
        sift_down(heap, entry);
        return 0;
}

ShimExpiry *shim_expiry_pop(ShimExpiryHeap *heap, usec_t now) {
        ShimExpiry *first;

        if (heap->n == 0 || heap->entries[1]->when > now)
                return NULL;

        first = heap->entries[1];
        shim_expiry_remove(heap, first);
        return first;
}

usec_t shim_expiry_next(const ShimExpiryHeap *heap) {
        return heap->n > 0 ? heap->entries[1]->when : USEC_INFINITY;
}
