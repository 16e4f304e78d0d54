/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Requests and replies of any size: what fits no frame is cut into pieces (services/common/fragment.h). A piece says
 * nothing in its fixed part but its code; the message that comes of them is treated as one that came as a whole, from
 * the station that sent the last of them.
 */

#include "services/ipcp-eth/flow.h"

static size_t room_for_piece(const Ethernet *e) {
        uint32_t payload_max = MIN(e->payload_max, MANAGEMENT_BYTES_MAX);

        return payload_max > e->framing->management_bytes ? payload_max - e->framing->management_bytes : 0;
}

static size_t size_of(const Ethernet *e, const ManagementMessage *message) {
        return e->framing->management_bytes + (message->hash ? e->hash_size : 0) + message->oap_size;
}

static bool fits(const Ethernet *e, size_t size) {
        return size <= MIN(e->payload_max, MANAGEMENT_BYTES_MAX);
}

bool eth_can_send_oap(const Ethernet *e, size_t oap_size) {
        size_t size = e->framing->management_bytes + e->hash_size + oap_size;

        return oap_size <= LAYER_OAP_BYTES_MAX && (fits(e, size) || fragment_count(size, room_for_piece(e)) > 0);
}

void eth_send_pieces(Ethernet *e, const FrameAddress *to, const FrameAddress *from, const FragmentedMessage *message) {
        size_t room = room_for_piece(e);
        int n = fragment_count(message->size, room);

        for (int i = 0; i < n; i++) {
                uint8_t bytes[MANAGEMENT_BYTES_MAX];
                Writer w = writer_to(bytes, sizeof(bytes));
                ManagementMessage piece = { .code = MANAGEMENT_PIECE, .piece = bytes };

                fragment_write(&w, message->id, message->bytes, message->size, room, (unsigned) i);
                piece.piece_size = w.written;
                (void) eth_send_message(e, to, from, &piece);   /* one that does not go out is repeated */
        }
}

bool eth_send_allocation(Ethernet *e, const FrameAddress *to, const FrameAddress *from,
                         const ManagementMessage *message, usec_t now, FragmentedMessage *ret) {
        FragmentedMessage whole = { .size = size_of(e, message) };

        if (fits(e, whole.size))
                return eth_send_message(e, to, from, message);
        if (!e->link.up || fragment_count(whole.size, room_for_piece(e)) < 0) {
                counters_drop(&e->counters, e->link.up ? DROP_TOO_LARGE : DROP_LINK_DOWN);
                return false;
        }

        whole.bytes = malloc(whole.size);
        if (!whole.bytes) {
                counters_drop(&e->counters, DROP_NO_MEMORY);
                return false;
        }

        (void) management_pack(e->framing, e->hash_size, message, whole.bytes, whole.size);
        if (fragment_id(whole.bytes, whole.size, &whole.id) < 0) {
                fragmented_message_done(&whole);
                return false;
        }
        fragment_repeats_init(&whole.repeats, now);
        eth_send_pieces(e, to, from, &whole);

        if (ret)
                *ret = whole;
        else
                fragmented_message_done(&whole);
        return true;
}

void eth_piece_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        ReassemblySender sender = { .charged = frame->source.bytes, .charged_size = FRAME_ADDRESS_BYTES };
        _cleanup_free_ uint8_t *bytes = NULL;
        ManagementMessage whole;
        Fragment fragment;
        size_t size;
        int r;

        memcpy(sender.name, frame->source.bytes, FRAME_ADDRESS_BYTES);

        r = fragment_parse(message->piece, message->piece_size, &fragment);
        if (r >= 0)
                r = reassembly_add(&e->reassembly, &sender, &fragment, now, &bytes, &size);
        if (r == 0)
                return;
        if (r > 0)
                r = management_parse_whole(e->framing, e->hash_size, bytes, size, &whole);
        if (r < 0)
                return counters_drop(&e->counters, reassembly_drop_reason(r));

        eth_management_received(e, frame, &whole, now);
}
