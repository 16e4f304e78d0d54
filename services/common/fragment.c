/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/fragment.h"

_Static_assert(FRAGMENT_MESSAGE_BYTES_MAX <= UINT16_MAX, "the size of the whole has 16 bits");
_Static_assert(FRAGMENT_PIECES_MAX <= UINT8_MAX + 1U, "the number of a piece has 8 bits");

static unsigned pieces_of(size_t size, size_t piece) {
        return (unsigned) ((size + piece - 1) / piece);
}

unsigned fragment_pieces(const Fragment *fragment) {
        return pieces_of(fragment->size, fragment->piece);
}

int fragment_parse(const uint8_t *data, size_t size, Fragment *ret) {
        Cursor c = cursor_from(data, size);
        Fragment fragment = {};
        size_t begin;

        fragment.id = cursor_be64(&c);
        fragment.size = cursor_be16(&c);
        fragment.piece = cursor_be16(&c);
        fragment.number = cursor_u8(&c);
        fragment.content_size = c.left;
        fragment.content = cursor_bytes(&c, c.left);
        if (c.bad)
                return -EBADMSG;

        /* One piece alone is a message that fits. */
        if (fragment.size > FRAGMENT_MESSAGE_BYTES_MAX || fragment.piece < FRAGMENT_PIECE_BYTES_MIN ||
            fragment.piece >= fragment.size || fragment_pieces(&fragment) > FRAGMENT_PIECES_MAX ||
            fragment.number >= fragment_pieces(&fragment))
                return -EPROTO;

        begin = (size_t) fragment.number * fragment.piece;
        if (fragment.content_size != MIN((size_t) fragment.piece, fragment.size - begin))
                return -EBADMSG;

        *ret = fragment;
        return 0;
}

int fragment_id(const uint8_t *message, size_t size, uint64_t *ret) {
        uint8_t digest[HASH_BYTES_MAX];
        ssize_t n;
        Cursor c;

        n = hash_compute(HASH_SHA256, message, size, digest);
        if (n < 0)
                return (int) n;

        c = cursor_from(digest, sizeof(*ret));
        *ret = cursor_be64(&c);
        return 0;
}

static size_t piece_of(size_t room) {
        return MIN(room - FRAGMENT_HEADER_BYTES, (size_t) UINT16_MAX);
}

int fragment_count(size_t size, size_t room) {
        unsigned n;

        if (room < FRAGMENT_HEADER_BYTES + FRAGMENT_PIECE_BYTES_MIN || size > FRAGMENT_MESSAGE_BYTES_MAX)
                return -EMSGSIZE;

        n = pieces_of(size, piece_of(room));
        return n <= FRAGMENT_PIECES_MAX ? (int) n : -EMSGSIZE;
}

void fragment_write(Writer *w, uint64_t id, const uint8_t *message, size_t size, size_t room, unsigned number) {
        size_t piece = piece_of(room), begin = number * piece;

        assert(begin < size && number < FRAGMENT_PIECES_MAX);

        writer_be64(w, id);
        writer_be16(w, (uint16_t) size);
        writer_be16(w, (uint16_t) piece);
        writer_u8(w, (uint8_t) number);
        writer_bytes(w, message + begin, MIN(piece, size - begin));
}

void fragment_repeats_init(FragmentRepeats *repeats, usec_t now) {
        *repeats = (FragmentRepeats) {
                .n_left = FRAGMENT_REPEATS,
                .interval = FRAGMENT_REPEAT_USEC,
                .next = usec_add(now, FRAGMENT_REPEAT_USEC),
        };
}

bool fragment_repeats_due(FragmentRepeats *repeats, usec_t now) {
        if (repeats->n_left == 0 || now < repeats->next)
                return false;

        repeats->interval *= 2;
        repeats->next = --repeats->n_left > 0 ? usec_add(now, repeats->interval) : USEC_INFINITY;
        return true;
}

void fragmented_message_done(FragmentedMessage *message) {
        free(message->bytes);
        *message = (FragmentedMessage) {};
}
