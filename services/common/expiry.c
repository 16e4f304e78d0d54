/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The heap is 1-based, so that the parent of i is i / 2 and 0 can mean "not in it". */

#include "services/common/expiry.h"

static void place(ExpiryHeap *heap, size_t index, Expiry *entry) {
        heap->entries[index] = entry;
        entry->index = index;
}

static void sift_up(ExpiryHeap *heap, Expiry *entry) {
        size_t i = entry->index;

        for (; i > 1 && heap->entries[i / 2]->when > entry->when; i /= 2)
                place(heap, i, heap->entries[i / 2]);

        place(heap, i, entry);
}

static void sift_down(ExpiryHeap *heap, Expiry *entry) {
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

void expiry_done(ExpiryHeap *heap) {
        for (size_t i = 1; i <= heap->n; i++)
                heap->entries[i]->index = 0;

        free(heap->entries);
        *heap = (ExpiryHeap) {};
}

void expiry_remove(ExpiryHeap *heap, Expiry *entry) {
        Expiry *last;
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

int expiry_set(ExpiryHeap *heap, Expiry *entry, usec_t when) {
        if (when == USEC_INFINITY) {
                expiry_remove(heap, entry);
                return 0;
        }

        if (entry->index == 0) {
                if (heap->n + 1 >= heap->n_allocated) {
                        size_t n_allocated = MAX(2 * heap->n_allocated, (size_t) 64);
                        Expiry **entries;

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

Expiry *expiry_pop(ExpiryHeap *heap, usec_t now) {
        Expiry *first;

        if (heap->n == 0 || heap->entries[1]->when > now)
                return NULL;

        first = heap->entries[1];
        expiry_remove(heap, first);
        return first;
}

usec_t expiry_next(const ExpiryHeap *heap) {
        return heap->n > 0 ? heap->entries[1]->when : USEC_INFINITY;
}
