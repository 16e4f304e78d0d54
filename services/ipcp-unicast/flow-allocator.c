/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages of the flow allocator, both ways, whole and in pieces. Nothing on the wire says who sent a packet: an
 * endpoint id, a token or a proof is what lets a message in.
 *
 * A message that is too large for a reference member, or for the way, goes out in pieces
 * (services/common/fragment.h). What of them comes back together is treated as a message that came as a whole, from
 * the neighbour that brought the last one.
 */

#include <syslog.h>

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

/* -- what goes out -- */

bool flow_send_message(Unicast *u, uint64_t address, const FlowMessage *message, usec_t now) {
        uint8_t buffer[FLOW_MESSAGE_BYTES_MAX];
        ssize_t n;

        n = flow_message_pack(message, buffer, sizeof(buffer));
        if (n < 0) {
                counters_drop(&u->counters, DROP_TOO_LARGE);
                return false;
        }

        return unicast_send_message(u, address, EID_FLOW_ALLOCATOR, buffer, (size_t) n, now);
}

static uint32_t message_max(const Unicast *u) {
        return u->packet_max > 0 ? MIN(u->packet_max, FLOW_MESSAGE_BYTES_MAX) : FLOW_MESSAGE_BYTES_MAX;
}

uint32_t unicast_oap_max(const Unicast *u) {
        uint32_t fixed = FLOW_MESSAGE_HEADER_BYTES + (uint32_t) u->hash_size;

        return message_max(u) > fixed ? message_max(u) - fixed : 0;
}

static size_t room_for_piece(const Unicast *u) {
        return message_max(u) > FLOW_MESSAGE_HEADER_BYTES ? message_max(u) - FLOW_MESSAGE_HEADER_BYTES : 0;
}

bool flow_can_send_oap(const Unicast *u, size_t oap_size) {
        if (oap_size <= unicast_oap_max(u))
                return true;

        return oap_size <= LAYER_OAP_BYTES_MAX &&
               fragment_count(FLOW_MESSAGE_HEADER_BYTES + u->hash_size + oap_size, room_for_piece(u)) > 0;
}

bool flow_send_pieces(Unicast *u, uint64_t address, const FragmentedMessage *message, usec_t now) {
        int n = fragment_count(message->size, room_for_piece(u));
        bool sent = n > 0;

        for (int i = 0; i < n; i++) {
                uint8_t bytes[FLOW_MESSAGE_BYTES_MAX];
                Writer w = writer_to(bytes, sizeof(bytes));
                FlowMessage piece = { .code = FLOW_MESSAGE_PIECE, .sender = u->address, .piece = bytes };

                fragment_write(&w, message->id, message->bytes, message->size, room_for_piece(u), (unsigned) i);
                piece.piece_size = w.written;
                sent = flow_send_message(u, address, &piece, now) && sent;
        }

        return sent;
}

bool flow_send_allocation(Unicast *u, uint64_t address, const FlowMessage *message, usec_t now,
                          FragmentedMessage *ret) {
        FragmentedMessage whole = { .size = FLOW_MESSAGE_HEADER_BYTES + message->hash_size + message->oap_size };
        bool sent;

        if (whole.size <= message_max(u))
                return flow_send_message(u, address, message, now);

        whole.bytes = malloc(whole.size);
        if (!whole.bytes) {
                counters_drop(&u->counters, DROP_NO_MEMORY);
                return false;
        }

        (void) flow_message_pack_whole(message, whole.bytes, whole.size);
        if (fragment_id(whole.bytes, whole.size, &whole.id) < 0) {
                fragmented_message_done(&whole);
                return false;
        }
        fragment_repeats_init(&whole.repeats, now);
        sent = flow_send_pieces(u, address, &whole, now);

        if (sent && ret)
                *ret = whole;
        else
                fragmented_message_done(&whole);
        return sent;
}

void unicast_binding(const Unicast *u, const FlowEnds *addresses, const FlowMessage *message,
                     const uint8_t *hash, const o7s_qos *qos, const uint8_t header[], FlowBinding *ret) {
        bool is_request = message->code == FLOW_MESSAGE_REQUEST;
        uint8_t asking[sizeof(uint64_t)], answering[sizeof(uint64_t)];
        Writer first = writer_to(asking, sizeof(asking)), second = writer_to(answering, sizeof(answering));
        const FlowBindingParts parts = {
                .layer = LAYER_UNICAST,
                .address_size = sizeof(uint64_t),
                .asking_address = asking,
                .answering_address = answering,
                .asking_endpoint = is_request ? message->sender_eid : message->receiver_eid,
                .answering_endpoint = is_request ? 0 : message->sender_eid,
                .hash_size = u->hash_size,
                .hash = hash,
                .qos = qos,
                .header_size = FLOW_MESSAGE_HEADER_BYTES,
                .header = header,
        };

        writer_be64(&first, addresses->asking);
        writer_be64(&second, addresses->answering);
        flow_binding_make(&parts, ret);
}

/* -- what comes in -- */

void flow_unknown_eid(Unicast *u, const LowerFlow *from) {
        Neighbour *n = from ? from->neighbour : NULL;
        char name[CEP_MEMBER_BYTES_MAX + 1];

        if (n) {
                n->n_unknown_eids++;
                if (scan_unknown_eid(&n->scan, u->now)) {
                        u->n_scans++;
                        unicast_log_remote(
                                u, LOG_WARNING,
                                "Somebody tries endpoint ids, by way of %s: more than %u a "
                                "second of them are nobody's.",
                                neighbour_name(n, name, sizeof(name)), SCAN_RATE);
                }
        }

        counters_drop(&u->counters, DROP_UNKNOWN_ENDPOINT);
}

static void piece_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now);

static void message_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        switch (message->code) {

        case FLOW_MESSAGE_REQUEST:
                return incoming_request_received(u, message, from, now);

        case FLOW_MESSAGE_REPLY:
                return flow_reply_received(u, message, from, now);

        case FLOW_MESSAGE_UPDATE:
                return flow_update_received(u, message, from, now);

        case FLOW_MESSAGE_CLOSE:
                return flow_close_received(u, message, from, now);

        case FLOW_MESSAGE_ROTATE:
        case FLOW_MESSAGE_MOVE:
                return flow_notice_received(u, message, from, now);

        case FLOW_MESSAGE_RESET:
                return flow_reset_received(u, message, from, now);

        case FLOW_MESSAGE_PIECE:
                return piece_received(u, message, from, now);
        }
}

/* Those that name an endpoint id of ours are guesses, should their sender be one who tries endpoint ids. */
static bool is_a_try_too_many(const FlowMessage *message, const LowerFlow *from, usec_t now) {
        if (message->code == FLOW_MESSAGE_REQUEST || message->code == FLOW_MESSAGE_PIECE || !from || !from->neighbour)
                return false;

        return !scan_try(&from->neighbour->scan, now);
}

/* What is kept of them is charged to the neighbour that passed them on: their sender is whoever it says. */
static void piece_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        uint64_t neighbour = from && from->neighbour ? from->neighbour->address : ADDRESS_NONE;
        ReassemblySender sender = { .charged = &neighbour, .charged_size = sizeof(neighbour) };
        _cleanup_free_ uint8_t *bytes = NULL;
        FlowMessage whole;
        Fragment fragment;
        size_t size;
        int r;

        memcpy(sender.name, &message->sender, sizeof(message->sender));

        r = fragment_parse(message->piece, message->piece_size, &fragment);
        if (r >= 0)
                r = reassembly_add(&u->reassembly, &sender, &fragment, now, &bytes, &size);
        if (r == 0)
                return;
        if (r > 0)
                r = flow_message_parse_whole(bytes, size, u->hash_size, &whole);
        if (r < 0)
                return counters_drop(&u->counters, reassembly_drop_reason(r));
        if (is_a_try_too_many(&whole, from, now))
                return counters_drop(&u->counters, DROP_LIMIT);

        message_received(u, &whole, from, now);
}

void flow_allocator_receive(Unicast *u, const uint8_t *data, size_t size, const LowerFlow *from, usec_t now) {
        FlowMessage message;
        int r;

        r = flow_message_parse(data, size, u->hash_size, &message);
        if (r < 0)
                return counters_drop(&u->counters, r == -EPROTO ? DROP_UNKNOWN_MESSAGE : DROP_MALFORMED);
        if (is_a_try_too_many(&message, from, now))
                return counters_drop(&u->counters, DROP_LIMIT);

        message_received(u, &message, from, now);
}

/* -- the object -- */

void flow_allocator_done(Unicast *u) {
        LayerFlow *flow, *following;

        list_for_each_safe(flow, following, &u->flows.all, by_table)
                unicast_flow_free(unicast_flow(flow));

        /* A closed flow may have given its key to a new one: such are only here. */
        while (u->tombstones.next && !list_is_empty(&u->tombstones))
                unicast_flow_free(list_first(&u->tombstones, UnicastFlow, by_tombstone));

        if (u->lookups.next)
                name_queries_forget(u);
        if (u->incoming.next)
                incoming_forget(u);
        if (u->registered)
                unicast_unregister_all(u, u->now);

        reassembly_done(&u->reassembly);
        explicit_bzero(u->reset_key, sizeof(u->reset_key));
}
