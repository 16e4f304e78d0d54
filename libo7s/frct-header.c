/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bytes of a header. What the 12-byte dialect says is taken as it stands, as the protocol does; an extended
 * header must make sense in itself, so that there is one way to say each thing and nobody behind this file looks
 * twice.
 */

#include "libo7s/frct-header.h"
#include "libo7s/frct.h"

#define ECHO_BYTES 12U
#define RANGE_BYTES 8U

#define FLAGS_PLAIN (FRCT_DATA | FRCT_RUN_START | FRCT_ACKNOWLEDGE | FRCT_WINDOW | FRCT_RENDEZVOUS)
#define EXTENSION_ALL (FRCT_X_ECHO | FRCT_X_PROBE | FRCT_X_PROBED | FRCT_X_PIECE | FRCT_X_LAST_PIECE)
/* Who gives the position its meaning: one of them at a time. */
#define EXTENSION_POSITION (FRCT_X_PROBE | FRCT_X_PROBED | FRCT_X_PIECE)

static bool extension_makes_sense(const FrctHeader *header) {
        uint8_t positioned = header->extension & EXTENSION_POSITION;

        if (header->extension & ~EXTENSION_ALL)
                return false;
        if (positioned & (positioned - 1))
                return false;
        if (!positioned && header->position != 0)
                return false;

        if (header->extension & FRCT_X_LAST_PIECE && !(header->extension & FRCT_X_PIECE))
                return false;
        if (header->extension & FRCT_X_PIECE && !(header->flags & FRCT_DATA))
                return false;
        if (header->extension & FRCT_X_PROBE && header->flags & (FRCT_DATA | FRCT_FINISH))
                return false;

        return header->flags & FRCT_DATA || !(header->flags & (FRCT_FIRST | FRCT_MORE));
}

static bool ranges_make_sense(const FrctHeader *header) {
        if (header->n_ranges > 0 && !(header->flags & FRCT_ACKNOWLEDGE))
                return false;

        /* What touches the acknowledgement would have moved it. */
        for (unsigned i = 0; i < header->n_ranges; i++)
                if (!frct_before(header->acknowledgement, header->ranges[i].begin) ||
                    !frct_before(header->acknowledgement, header->ranges[i].end) ||
                    !frct_before(header->ranges[i].begin, header->ranges[i].end))
                        return false;

        return true;
}

static int extension_read(Cursor *c, FrctHeader *header) {
        header->stamp = cursor_be32(c);
        header->n_ranges = cursor_u8(c);
        header->extension = cursor_u8(c);
        header->position = cursor_be16(c);
        if (c->bad || header->n_ranges > FRCT_RANGES_MAX || !extension_makes_sense(header))
                return -EBADMSG;

        if (header->extension & FRCT_X_ECHO) {
                header->echo = cursor_be32(c);
                header->hold_usec = cursor_be32(c);
                header->marked = cursor_be32(c);
        }

        for (unsigned i = 0; i < header->n_ranges; i++) {
                header->ranges[i].begin = cursor_be32(c);
                header->ranges[i].end = cursor_be32(c);
        }

        return c->bad || !ranges_make_sense(header) ? -EBADMSG : 0;
}

int frct_header_read(Cursor *c, bool extended, FrctHeader *ret) {
        FrctHeader header = {};
        int r;

        assert(c);
        assert(ret);

        header.flags = cursor_u8(c);
        header.window = (uint32_t) cursor_be(c, 3);
        header.sequence = cursor_be32(c);
        header.acknowledgement = cursor_be32(c);
        if (c->bad)
                return -EBADMSG;

        if (extended) {
                r = extension_read(c, &header);
                if (r < 0)
                        return r;
        } else
                header.flags &= FLAGS_PLAIN;

        *ret = header;
        return 0;
}

void frct_header_write(Writer *w, bool extended, const FrctHeader *header) {
        assert(w);
        assert(header);
        assert(header->n_ranges <= FRCT_RANGES_MAX);

        writer_u8(w, extended ? header->flags : header->flags & FLAGS_PLAIN);
        writer_be(w, header->window & FRCT_WINDOW_MASK, 3);
        writer_be32(w, header->sequence);
        writer_be32(w, header->acknowledgement);
        if (!extended)
                return;

        writer_be32(w, header->stamp);
        writer_u8(w, header->n_ranges);
        writer_u8(w, header->extension);
        writer_be16(w, header->position);

        if (header->extension & FRCT_X_ECHO) {
                writer_be32(w, header->echo);
                writer_be32(w, header->hold_usec);
                writer_be32(w, header->marked);
        }

        for (unsigned i = 0; i < header->n_ranges; i++) {
                writer_be32(w, header->ranges[i].begin);
                writer_be32(w, header->ranges[i].end);
        }
}

size_t frct_header_size(bool extended, const FrctHeader *header) {
        if (!extended)
                return FRCT_HEADER_BYTES;

        return FRCT_HEADER_EXTENDED_BYTES + (header->extension & FRCT_X_ECHO ? ECHO_BYTES : 0) +
               RANGE_BYTES * (size_t) header->n_ranges;
}
