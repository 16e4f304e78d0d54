/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow between two programs of one host whose other program sends pieces of messages in any order. A model says
 * which of them make a message: reads find those, whole, in order, and nothing else, until the first piece that
 * breaks the rules.
 *
 * Input: a byte whether it is a stream; then operations of 1 byte. Pushing takes two more (size), its flags are in
 * the operation.
 */

#include "basic/cursor.h"
#include "libo7s/flow-local.h"
#include "tests/support/channel-pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPERATIONS_MAX 4096U
#define MESSAGES_MAX OPERATIONS_MAX
#define BUFFER_BYTES (LOCAL_MESSAGE_MAX + 1)

typedef enum Operation {
        OPERATION_PUSH,
        OPERATION_READ,
        OPERATION_READ_SOME,
        OPERATION_PEEK,
        OPERATION_EVENTS,
        _OPERATION_MAX,
} Operation;

typedef struct Game {
        bool stream;
        Channel *hostile;
        o7s_flow *flow;
        uint8_t *buffer;
        uint8_t *piece;

        /* The model. */
        size_t messages[MESSAGES_MAX];  /* sizes of those that are whole; of a stream, of its pieces */
        unsigned n_messages;
        unsigned n_read;
        size_t partial;                 /* of the message that has yet to end */
        bool violated;
        bool dead;                      /* and found out */
} Game;

static void require(bool condition) {
        if (!condition)
                abort();
}

static void model_push(Game *g, size_t size, ChannelFlags flags) {
        if (g->violated)
                return;
        if ((flags & CHANNEL_MARKED) || (g->stream && flags != 0) || ((flags & CHANNEL_REST) && g->partial == 0)) {
                g->violated = true;
                return;
        }

        if (!(flags & CHANNEL_REST))
                g->partial = 0;
        g->partial += size;
        if (g->partial > LOCAL_MESSAGE_MAX) {
                g->violated = true;
        } else if (!(flags & CHANNEL_PART)) {
                g->messages[g->n_messages++] = g->partial;
                g->partial = 0;
        }
}

static void push(Game *g, size_t size, ChannelFlags flags) {
        struct iovec part = { .iov_base = g->piece, .iov_len = size };

        if (channel_push_flagged(g->hostile, &part, 1, flags) < 0)
                return;

        require(channel_publish(g->hostile) >= 0);
        model_push(g, size, flags);
}

/* What a call of the reading side says where nothing can be read. */
static void expect_nothing(Game *g, ssize_t r) {
        require(g->n_read == g->n_messages);
        require(r == (g->violated ? -EBADMSG : -EAGAIN));
        g->dead = g->violated;
}

static void expect_bytes(Game *g, size_t size) {
        size_t model = 0;

        while (g->n_read < g->n_messages && (g->stream ? model < size : model == 0)) {
                size_t take = MIN(g->messages[g->n_read], g->stream ? size - model : SIZE_MAX);

                model += take;
                g->messages[g->n_read] -= take;
                if (g->messages[g->n_read] > 0)
                        break;
                g->n_read++;
        }

        require(model == size);
}

static void read_whole(Game *g) {
        ssize_t r = o7s_flow_read(g->flow, g->buffer, BUFFER_BYTES);

        if (r > 0)
                expect_bytes(g, (size_t) r);
        else
                expect_nothing(g, r);
}

/* The first bytes, and the rest after it. */
static void read_some(Game *g) {
        ssize_t r = o7s_flow_read(g->flow, g->buffer, 1000), rest = 1000;
        size_t total;

        if (r <= 0)
                return expect_nothing(g, r);

        total = (size_t) r;
        while (!g->stream && r == 1000 && rest == 1000) {
                rest = o7s_flow_read(g->flow, g->buffer, 1000);
                require(rest >= 0);
                total += (size_t) rest;
        }
        expect_bytes(g, total);
}

static void peek(Game *g) {
        const void *data;
        size_t size;
        int r = o7s_flow_peek(g->flow, &data, &size);

        if (r < 0)
                return expect_nothing(g, r);

        memcpy(g->buffer, data, size);
        require(o7s_flow_release(g->flow) == 0);
        expect_bytes(g, size);
}

/* Readable is what reading finds; a violation is for reading to tell. */
static void look(Game *g) {
        uint32_t events = (uint32_t) o7s_flow_events(g->flow);

        if (!g->violated)
                require(events == (g->n_read < g->n_messages ? O7S_READABLE : 0));
}

static void open_game(Game *g) {
        const o7s_qos qos = O7S_QOS_DATA;
        const IrmFlowInfo info = {
                .local = true,
                .qos = qos,
                .transfer = g->stream ? IRM_TRANSFER_STREAM : 0,
        };
        Lane *own, *peer;
        int doorbell;
        RawPeer raw;

        /* The end of the flow is told to no IRM. */
        require(setenv("O7S_SOCKET", "@o7s-nobody-is-here", true) == 0);
        require(raw_peer_new(LANE_BULK, &raw, &own, &peer, &doorbell) >= 0);
        require(channel_new(LANE_BULK, raw.own, raw.other, raw.doorbell, &g->hostile) >= 0);

        require(flow_new(0, &qos, &g->flow) >= 0);
        g->flow->lane_class = LANE_BULK;
        require(flow_need_transfer(g->flow, &info, &(SealKeys) {}) >= 0);
        require(flow_set_up(g->flow, own, peer, doorbell, &info) >= 0);
        require(o7s_flow_set_timeout(g->flow, O7S_TIMEOUT_READ, 0) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        Game *g;

        g = calloc(1, sizeof(*g));
        require(g != NULL);
        g->stream = cursor_u8(&c) & 1;
        g->buffer = malloc(BUFFER_BYTES);
        g->piece = calloc(1, UINT16_MAX + 1);
        require(g->buffer && g->piece);
        open_game(g);

        for (unsigned i = 0; i < OPERATIONS_MAX && c.left > 0 && !g->dead; i++) {
                uint8_t operation = cursor_u8(&c);

                switch ((Operation) (operation % 8)) {
                case OPERATION_PUSH:
                        push(g, (size_t) cursor_be16(&c) + 1, (ChannelFlags) (operation / 8 % 8));
                        break;
                case OPERATION_READ:
                        read_whole(g);
                        break;
                case OPERATION_READ_SOME:
                        read_some(g);
                        break;
                case OPERATION_PEEK:
                        peek(g);
                        break;
                case OPERATION_EVENTS:
                        look(g);
                        break;
                case _OPERATION_MAX:
                default:
                        break;
                }

                require(g->flow->local->reader.capacity <= LOCAL_MESSAGE_MAX);
        }

        o7s_flow_unref(g->flow);
        channel_free(g->hostile);
        free(g->piece);
        free(g->buffer);
        free(g);
        return 0;
}
