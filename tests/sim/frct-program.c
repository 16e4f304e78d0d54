/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/frct-program.h"

#define NUMBER_BYTES 4U                 /* in front of each message that has room for it */
#define STREAM UINT64_MAX

/* -- what is written, byte by byte -- */

static uint64_t mix(uint64_t seed, uint64_t i) {
        uint64_t z = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        return z ^ z >> 29;
}

static size_t message_size(const FrctEnd *writer, uint64_t number) {
        const FrctEndOptions *o = &writer->options;

        return o->message_min + mix(~writer->seed, number) % (o->message_max - o->message_min + 1);
}

static void make_content(const FrctEnd *writer, uint64_t number, uint64_t offset, uint8_t *ret, size_t size) {
        uint64_t id = mix(writer->seed, number);

        for (size_t i = 0; i < size;) {
                uint64_t at = offset + i, word = mix(id, at / 8) >> at % 8 * 8;
                size_t n = MIN(8 - at % 8, size - i);

                if (n == sizeof(word)) {
                        memcpy(ret + i, &word, sizeof(word));
                        i += sizeof(word);
                } else
                        for (; n > 0; n--, word >>= 8)
                                ret[i++] = (uint8_t) word;
        }
        for (uint64_t at = offset; number != STREAM && at < NUMBER_BYTES && at < offset + size; at++)
                ret[at - offset] = (uint8_t) (number >> (24 - at * 8));
}

static bool content_is(const FrctEnd *writer, uint64_t number, uint64_t offset, const uint8_t *content, size_t size) {
        uint8_t expected[512];

        for (size_t done = 0; done < size;) {
                size_t n = MIN(size - done, sizeof(expected));

                make_content(writer, number, offset + done, expected, n);
                if (memcmp(content + done, expected, n) != 0)
                        return false;
                done += n;
        }

        return true;
}

/* -- writing -- */

static bool wants_to_write(const FrctEnd *e) {
        return !e->refused && (e->n_written < e->options.n_messages || e->unwritten > 0);
}

/* Sometimes in one part, sometimes in three. */
static ssize_t write_parts(FrctEnd *e, uint8_t *content, size_t size, nsec_t now) {
        size_t a = dice_below(&e->dice, size + 1), b = dice_below(&e->dice, size - a + 1);
        const struct iovec parts[] = {
                { .iov_base = content, .iov_len = a },
                { .iov_base = content + a, .iov_len = b },
                { .iov_base = content + a + b, .iov_len = size - a - b },
        };

        return frct_write(e->frct, parts, ELEMENTSOF(parts), now);
}

/* Returns: 1: it was taken; 0: not now; < 0. */
static int write_one(FrctEnd *e, nsec_t now) {
        bool stream = e->options.config.stream, room;
        uint64_t number = stream ? STREAM : e->n_written;
        size_t size = e->unwritten > 0 ? e->unwritten : message_size(e, e->n_written);
        _cleanup_free_ uint8_t *content = NULL;
        ssize_t n;

        /* Mostly it asks first; but no room must mean none. */
        room = frct_writable(e->frct, stream ? 1 : size);
        if (!room && dice_below(&e->dice, 32) > 0)
                return 0;

        content = malloc(size);
        if (!content)
                return -ENOMEM;

        make_content(e, number, stream ? e->bytes_written : 0, content, size);
        n = write_parts(e, content, size, now);
        verdict_checked(e->verdict);
        if (room ? n == -EAGAIN : n >= 0)
                verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u: said there was %s room, but took %zd of %zu",
                             e->index, room ? "some" : "no", n, size);
        if (n == -EAGAIN)
                return 0;
        if (n == -EPIPE && frct_ended(e->frct) < 0) {   /* the peer has gone: what was not taken never will be */
                e->refused = true;
                e->unwritten = 0;
                return 0;
        }
        if (n <= 0 || (size_t) n > size || (!stream && (size_t) n != size)) {
                verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u: took %zd of %zu bytes", e->index, n, size);
                return 0;
        }

        e->bytes_written += (uint64_t) n;
        e->n_written += e->unwritten == 0;
        e->unwritten = size - (size_t) n;
        e->write_at = now + e->options.gap;
        return e->unwritten == 0;
}

static bool has_everything(const FrctEnd *e) {
        return e->ended || (!wants_to_write(e->peer) && e->bytes_read == e->peer->bytes_written);
}

static int write_all(FrctEnd *e, nsec_t now) {
        while (wants_to_write(e) && now >= e->write_at) {
                int r = write_one(e, now);

                if (r <= 0)
                        return r;
        }

        if (!wants_to_write(e) && e->options.finish && !e->finished && (e->options.impatient || has_everything(e))) {
                frct_finish(e->frct, now);
                e->finished = true;
        }

        return 0;
}

/* -- reading -- */

static uint64_t number_of(const uint8_t *message) {
        return (uint64_t) message[0] << 24 | (uint64_t) message[1] << 16 | (uint64_t) message[2] << 8 | message[3];
}

static void got_message(FrctEnd *e, nsec_t now) {
        const FrctEnd *writer = e->peer;
        size_t size = e->message_size;
        uint64_t number = e->n_read;

        if (!e->options.config.reliable && size >= NUMBER_BYTES)
                number = number_of(e->message);

        verdict_checked(e->verdict);
        if (number < e->n_read || number >= writer->n_written)
                verdict_fail(e->verdict, now / NSEC_PER_USEC,
                             "end %u reads message %" PRIu64 " after %" PRIu64 ", of %" PRIu64, e->index, number,
                             e->n_read, writer->n_written);
        else if (size != message_size(writer, number))
                verdict_fail(e->verdict, now / NSEC_PER_USEC,
                             "end %u reads %zu bytes of message %" PRIu64 ", which has %zu", e->index, size, number,
                             message_size(writer, number));
        else if (!content_is(writer, number, 0, e->message, size))
                verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u reads something else in message %" PRIu64,
                             e->index, number);

        e->n_read = number + 1;
        e->n_got++;
        e->bytes_read += size;
        e->message_size = 0;
}

static void got_stream(FrctEnd *e, size_t size, nsec_t now) {
        verdict_checked(e->verdict);
        if (!content_is(e->peer, STREAM, e->bytes_read, e->message, size))
                verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u reads something else after byte %" PRIu64,
                             e->index, e->bytes_read);
        e->bytes_read += size;
}

/* The next message is looked at, or dropped; only where it is known which one it is. Returns whether it was dropped. */
static bool look(FrctEnd *e, nsec_t now) {
        bool stream = e->options.config.stream, whole;
        const uint8_t *data;
        size_t size;

        if (!e->options.look || !e->options.config.reliable || !frct_readable(e->frct))
                return false;

        if (dice_below(&e->dice, 8) == 0 && frct_peek(e->frct, &data, &size, &whole) >= 0) {
                verdict_checked(e->verdict);
                if (!content_is(e->peer, stream ? STREAM : e->n_read, stream ? e->bytes_read : e->message_size, data,
                                size))
                        verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u sees something else", e->index);
        }

        if (stream || dice_below(&e->dice, 16) != 0)
                return false;

        frct_skip(e->frct, now);
        e->bytes_read += message_size(e->peer, e->n_read);
        e->n_read++;
        e->n_got++;
        e->message_size = 0;
        return true;
}

static int have_buffer(FrctEnd *e) {
        size_t n = MAX(e->peer->options.message_max, e->options.read_max) + 64;
        uint8_t *message;

        if (e->n_allocated >= n)
                return 0;

        message = realloc(e->message, n);
        if (!message)
                return -ENOMEM;

        e->message = message;
        e->n_allocated = n;
        return 0;
}

/* Returns: 1: something; 0: nothing more; < 0. */
static int read_one(FrctEnd *e, nsec_t now) {
        bool stream = e->options.config.stream, more = false;
        size_t room;
        ssize_t n;
        int r;

        r = have_buffer(e);
        if (r < 0)
                return r;
        if (look(e, now))
                return 1;

        room = e->n_allocated - e->message_size;
        if (e->options.read_max > 0)
                room = MIN(room, 1 + dice_below(&e->dice, e->options.read_max));
        if (room == 0) {
                verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u reads a message that does not end", e->index);
                e->message_size = 0;
                return 0;
        }

        n = frct_read(e->frct, e->message + e->message_size, room, &more, now);
        if (n == -ENOTCONN && !e->ended) {
                e->ended = true;
                verdict_checked(e->verdict);
                if (e->options.config.reliable && (e->bytes_read != e->peer->bytes_written || e->message_size > 0))
                        verdict_fail(e->verdict, now / NSEC_PER_USEC,
                                     "end %u: the end after %" PRIu64 " of %" PRIu64 " bytes", e->index, e->bytes_read,
                                     e->peer->bytes_written);
        }
        if (n <= 0)
                return 0;

        if (stream)
                got_stream(e, (size_t) n, now);
        else {
                e->message_size += (size_t) n;
                if (!more)
                        got_message(e, now);
        }

        return 1;
}

static int read_all(FrctEnd *e, nsec_t now) {
        int r;

        if (e->options.never_reads || now < e->read_at)
                return 0;

        do {
                r = read_one(e, now);
                if (r > 0 && e->options.read_gap > 0)
                        e->read_at = now + e->options.read_gap;
        } while (r > 0 && e->options.read_gap == 0);

        return MIN(r, 0);
}

/* -- from outside -- */

bool frct_program_wrote_all(const FrctEnd *e) {
        return !wants_to_write(e) && (e->finished || !e->options.finish);
}

int frct_program_run(FrctEnd *e, nsec_t now) {
        int r;

        r = read_all(e, now);
        if (r < 0)
                return r;

        return write_all(e, now);
}

nsec_t frct_program_next(const FrctEnd *e, nsec_t now) {
        nsec_t next = NSEC_INFINITY;

        if (wants_to_write(e) && e->write_at > now)             /* else it waits for room */
                next = e->write_at;
        if (!e->options.never_reads && e->read_at > now)
                next = MIN(next, e->read_at);

        return next;
}
