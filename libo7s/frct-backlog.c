/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was written and is not a segment yet. */

#include "libo7s/frct-backlog.h"
#include "libo7s/frct-header.h"

#define STREAM_CAPACITY ((size_t) 4096) /* of the piece of memory that a small write to a stream begins */

void frct_backlog_init(FrctBacklog *b, bool extended, bool stream) {
        *b = (FrctBacklog) { .extended = extended, .stream = stream };
        list_init(&b->written);
}

void frct_backlog_done(FrctBacklog *b) {
        FrctSegment *written, *following;

        list_for_each_safe(written, following, &b->written, by_stage)
                free(written);

        list_init(&b->written);
        b->n_bytes = 0;
}

/* Appends count bytes of the parts from *part and *offset on, which move. */
static void written_fill(FrctSegment *written, const struct iovec **part, size_t *offset, size_t count) {
        while (count > 0) {
                size_t n = MIN(count, (*part)->iov_len - *offset);

                if (n > 0)
                        memcpy(written->content + written->size, (const uint8_t *) (*part)->iov_base + *offset, n);
                written->size += (uint32_t) n;
                *offset += n;
                count -= n;

                if (*offset == (*part)->iov_len) {
                        (*part)++;
                        *offset = 0;
                }
        }
}

int frct_backlog_write(FrctBacklog *b, const struct iovec *parts, size_t size) {
        FrctSegment *last = NULL, *written = NULL;
        const struct iovec *part = parts;
        size_t offset = 0, spare = 0;

        if (b->stream && !list_is_empty(&b->written)) {
                last = container_of(b->written.previous, FrctSegment, by_stage);
                spare = MIN((size_t) last->capacity - last->size, size);
        }

        if (size > spare) {
                written = frct_segment_new(b->stream ? MAX(size - spare, STREAM_CAPACITY) : size);
                if (!written)
                        return -ENOMEM;
        }

        if (spare > 0)
                written_fill(last, &part, &offset, spare);
        if (written) {
                written_fill(written, &part, &offset, size - spare);
                list_append(&b->written, &written->by_stage);
        }

        b->n_bytes += size;
        return 0;
}

/* Moves up to count bytes from the head of what was written into the segment; what is used up is freed. */
static void backlog_move(FrctBacklog *b, FrctSegment *segment, size_t count) {
        while (count > 0) {
                FrctSegment *head = list_first(&b->written, FrctSegment, by_stage);
                size_t n = MIN(count, (size_t) head->size - head->position);

                memcpy(segment->content + segment->size, head->content + head->position, n);
                segment->size += (uint32_t) n;
                head->position += (uint32_t) n;
                count -= n;
                b->n_bytes -= n;

                if (head->position == head->size) {
                        list_unlink(&head->by_stage);
                        free(head);
                }
        }
}

/* It is a segment as it stands: no copy. Not where that would keep much memory for few bytes. */
static bool fits_as_it_is(const FrctBacklog *b, const FrctSegment *head, size_t content_max) {
        if (head->position > 0)
                return false;
        if (!b->extended)
                return true;
        if (head->size > content_max)
                return false;
        return !b->stream || (head->size == b->n_bytes && head->size >= head->capacity / 2);
}

int frct_backlog_cut(FrctBacklog *b, size_t content_max, FrctSegment **ret) {
        FrctSegment *head = list_first(&b->written, FrctSegment, by_stage);
        FrctSegment *segment;
        size_t left, count;
        uint8_t flags;

        if (!head)
                return 0;

        if (fits_as_it_is(b, head, content_max)) {
                list_unlink(&head->by_stage);
                b->n_bytes -= head->size;
                head->flags = FRCT_DATA | (b->extended && !b->stream ? FRCT_FIRST : 0);
                *ret = head;
                return 1;
        }

        left = b->stream ? b->n_bytes : (size_t) head->size - head->position;
        count = MIN(left, content_max);

        segment = frct_segment_new(count);
        if (!segment)
                return -ENOMEM;

        flags = FRCT_DATA;
        if (!b->stream && head->position == 0)
                flags |= FRCT_FIRST;
        if (!b->stream && count < left)
                flags |= FRCT_MORE;

        backlog_move(b, segment, count);        /* may free the head */
        segment->flags = flags;
        *ret = segment;
        return 1;
}
