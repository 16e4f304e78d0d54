/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The other side of a channel, played by the input. Each operation is one byte and what it needs behind it: half of
 * them write the peer's words, descriptors and records, the other half are calls of ours. What must hold: no access
 * outside, no message that breaks a limit, and once dead always dead.
 */

#include <sys/socket.h>

#include "basic/cursor.h"
#include "libo7s/lane-internal.h"
#include "libo7s/channel.h"
#include "tests/support/channel-pair.h"

#define OPERATIONS_MAX 4096U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum Operation {
        PEER_HEAD,              /* u8: moves the head by so much */
        PEER_HEAD_SET,          /* u32 */
        PEER_TAIL,              /* u8 */
        PEER_TAIL_SET,          /* u32 */
        PEER_DESCRIPTOR,        /* u8 slot, u16 length, u8 flags */
        PEER_DESCRIPTOR_SET,    /* u8 slot, u64 */
        PEER_ARM,               /* u8: which, u32 */
        PEER_RECORD,            /* u8 size, bytes */
        PEER_TAKE_RECORDS,
        OUR_READ,               /* u16: room */
        OUR_SKIP,
        OUR_PEEK,
        OUR_RELEASE,
        OUR_ARM_READ,
        OUR_PUSH,               /* u16: size */
        OUR_PUBLISH,
        OUR_ARM_WRITE,
        OUR_DRAIN,
        _OPERATION_MAX,
} Operation;

typedef struct Game {
        RawPeer peer;
        Channel *channel;
        LaneClass class;
        bool dead;
        uint8_t buffer[65536];
} Game;

static void check(Game *g, ssize_t r) {
        if (g->dead && r != -EBADMSG && r != -EINVAL && r != -EMSGSIZE)
                abort();
        if (r == -EBADMSG)
                g->dead = true;
}

static void play_peer(Game *g, Operation operation, Cursor *c) {
        LaneMemory *m = g->peer.own->memory;
        uint32_t mask = lane_class_slots(g->class) - 1;
        const uint8_t *record;
        uint64_t descriptor;
        uint8_t slot, n, bytes[8];

        switch (operation) {
        case PEER_HEAD:
                lane_store_release(&m->head, m->head + cursor_u8(c));
                break;
        case PEER_HEAD_SET:
                lane_store_release(&m->head, cursor_be32(c));
                break;
        case PEER_TAIL:
                lane_store_release(&m->tail, m->tail + cursor_u8(c));
                break;
        case PEER_TAIL_SET:
                lane_store_release(&m->tail, cursor_be32(c));
                break;
        case PEER_DESCRIPTOR:
                slot = cursor_u8(c);
                descriptor = cursor_be16(c);
                descriptor |= (uint64_t) cursor_u8(c) << 24;
                lane_store_descriptor(m->descriptors + (slot & mask), descriptor);
                break;
        case PEER_DESCRIPTOR_SET:
                slot = cursor_u8(c);
                lane_store_descriptor(m->descriptors + (slot & mask), cursor_be64(c));
                break;
        case PEER_ARM:
                n = cursor_u8(c);
                lane_store(n & 1 ? &m->armed_read : &m->armed_write, cursor_be32(c));
                break;
        case PEER_RECORD:
                n = cursor_u8(c) % 8;
                record = cursor_bytes(c, n);
                if (record)
                        (void) send(g->peer.doorbell, record, n, MSG_DONTWAIT | MSG_NOSIGNAL);
                break;
        case PEER_TAKE_RECORDS:
                while (recv(g->peer.doorbell, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
                        ;
                break;
        default:
                break;
        }
}

static void play_us(Game *g, Operation operation, Cursor *c) {
        const void *message;
        size_t room;
        ssize_t n;
        int r;

        switch (operation) {
        case OUR_READ:
                room = cursor_be16(c);
                n = channel_read(g->channel, g->buffer, room, NULL);
                if (n > (ssize_t) room || n > (ssize_t) channel_message_max(g->channel))
                        abort();
                check(g, n);
                break;
        case OUR_SKIP:
                channel_skip(g->channel);
                break;
        case OUR_PEEK:
                r = channel_peek(g->channel, &message, &room);
                if (r == 0 && (room == 0 || room > LANE_SLOT_BYTES))
                        abort();
                if (r == 0)
                        memcpy(g->buffer, message, room);
                check(g, r);
                break;
        case OUR_RELEASE:
                check(g, channel_release(g->channel));
                break;
        case OUR_ARM_READ:
                check(g, channel_arm_read(g->channel));
                break;
        case OUR_PUSH:
                room = cursor_be16(c);
                check(g, channel_push(g->channel, &(struct iovec) { .iov_base = g->buffer, .iov_len = room }, 1));
                break;
        case OUR_PUBLISH:
                check(g, channel_publish(g->channel));
                break;
        case OUR_ARM_WRITE:
                check(g, channel_arm_write(g->channel));
                break;
        case OUR_DRAIN:
                if (channel_drain(g->channel, NULL) == -EBADMSG)
                        g->dead = true;
                break;
        default:
                break;
        }

        if (channel_pending(g->channel) > lane_class_slots(g->class) ||
            channel_queued(g->channel) > lane_class_slots(g->class))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        Lane *own, *peer;
        int doorbell;
        Game *g;

        g = calloc(1, sizeof(*g));
        if (!g)
                return 0;

        g->class = cursor_u8(&c) % _LANE_CLASS_MAX;
        if (raw_peer_new(g->class, &g->peer, &own, &peer, &doorbell) < 0)
                abort();
        if (channel_new(g->class, own, peer, doorbell, &g->channel) < 0)
                abort();

        for (unsigned i = 0; i < OPERATIONS_MAX && c.left > 0; i++) {
                Operation operation = cursor_u8(&c) % _OPERATION_MAX;

                play_peer(g, operation, &c);
                play_us(g, operation, &c);
        }

        channel_free(g->channel);
        raw_peer_done(&g->peer);
        free(g);
        return 0;
}
