/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Pieces of messages from several senders, as a sequence of { sender, wait, length:u16, bytes } records. What must
 * hold: a message that is complete is the one that its id says, and consists of what its pieces brought; what is kept
 * stays within its bounds; and when time has passed, nothing is kept.
 */

#include "services/common/reassembly.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

/* Cut again with the same size of pieces, a message has the same pieces. */
static void check_whole(const Fragment *last, const uint8_t *whole, size_t size) {
        size_t room = last->piece + FRAGMENT_HEADER_BYTES;
        uint8_t bytes[FRAGMENT_HEADER_BYTES + UINT16_MAX];
        Writer w = writer_to(bytes, sizeof(bytes));
        Fragment again;
        uint64_t id;

        require(fragment_id(whole, size, &id) == 0 && id == last->id);
        require(size == last->size);
        require(fragment_count(size, room) == (int) fragment_pieces(last));
        fragment_write(&w, last->id, whole, size, room, last->number);
        require(!w.bad && fragment_parse(bytes, w.written, &again) == 0);
        require(again.id == last->id && again.number == last->number && again.content_size == last->content_size);
        require(memcmp(again.content, last->content, again.content_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t key[SIPHASH_KEY_BYTES] = "fuzz";
        Cursor c = cursor_from(data, size);
        Reassembly reassembly;
        usec_t now = USEC_PER_SEC;

        reassembly_init(&reassembly, key);
        while (c.left > 0) {
                uint8_t from = cursor_u8(&c), wait = cursor_u8(&c);
                size_t length = cursor_be16(&c);
                const uint8_t *bytes = cursor_bytes(&c, MIN(length, c.left));
                ReassemblySender sender = { .charged = &from, .charged_size = sizeof(from) };
                _cleanup_free_ uint8_t *whole = NULL;
                size_t whole_size = 0;
                Fragment fragment;

                if (!bytes)
                        break;
                sender.name[0] = from;
                now += wait * 20 * USEC_PER_MSEC;
                reassembly_expire(&reassembly, now);
                require(reassembly_next(&reassembly) > now);

                if (fragment_parse(bytes, (size_t) (c.p - bytes), &fragment) < 0)
                        continue;
                require(fragment.content_size > 0 && fragment.number < fragment_pieces(&fragment));
                if (reassembly_add(&reassembly, &sender, &fragment, now, &whole, &whole_size) > 0)
                        check_whole(&fragment, whole, whole_size);
                else
                        require(!whole);
                require(reassembly.bytes <= REASSEMBLY_BYTES_MAX && reassembly.n_messages <= REASSEMBLY_MESSAGES_MAX);
        }

        reassembly_expire(&reassembly, now + REASSEMBLY_KEEP_USEC);
        require(reassembly.bytes == 0 && reassembly.n_messages == 0 && reassembly_next(&reassembly) == USEC_INFINITY);
        reassembly_done(&reassembly);
        return 0;
}
