/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "libo7s/doorbell.h"
#include "services/common/layer-message.h"

/* Every field has a value of its own, so that one read as another shows. */
static void fill(LayerMessage *m, LayerMessageType type) {
        *m = (LayerMessage) {
                .type = type,
                .flow_id = 0x1122334455667788,
                .reference = UINT64_MAX,
                .query_id = 3,
                .attempt = 2,
                .result = -ENOENT,
                .version = LAYER_PROTOCOL_VERSION,
                .layer_type = LAYER_ETH_DIX,
                .state = LAYER_DEGRADED,
                .hash_algorithm = 1,
                .mtu = 1480,
                .oap_max = 1400,
                .close_reason = CLOSE_PEER_TIMEOUT,
                .lane_class = LANE_BULK,
                .uid = 0xfffffffe,
                .of_layer = true,
                .address = 0xfedcba9876543210,
                .have_layer_id = true,
                .layer_id = { 5, 6 },
                .order = LAYER_ORDER_DISCONNECT,
                .components = LAYER_COMPONENT_DATA,
                .neighbour = { 11, LAYER_NEIGHBOUR_UP, LAYER_COMPONENT_MANAGEMENT, 12, 13, 14, 15, 16, 17 },
                .lower = "metro",
                .tokens = { .have_own = true, .have_peer = true, .own = { 1, 2 }, .peer = { 3, 4 } },
                .qos = { 1, 2, 3, 4, 5, 6, 7, 8 },
                .layer = "lan",
                .name = "web.example",
                .peer = "02:00:00:00:00:01",
                .text = "carrier lost",
                .hash_size = 32,
                .hash = { 9, 9 },
                .oap_size = LAYER_OAP_BYTES_MAX,
        };
        memset(m->oap, 0xa5, sizeof(m->oap));
}

static LayerMessage first, second;      /* too large for the stack of a sanitized test */

static void test_round_trip(void **state) {
        static uint8_t buffer[LAYER_MESSAGE_BYTES_MAX], again[LAYER_MESSAGE_BYTES_MAX];

        for (LayerMessageType type = 0; type < _LAYER_MESSAGE_TYPE_MAX; type++) {
                ssize_t n, m;

                print_message("type %d\n", (int) type);
                fill(&first, type);
                n = layer_message_pack(&first, buffer, sizeof(buffer));
                assert_true(n > 0);
                assert_int_equal(layer_message_parse(buffer, (size_t) n, &second), 0);
                assert_int_equal(second.type, type);

                /* What was read packs into the same bytes: nothing was lost or moved. */
                m = layer_message_pack(&second, again, sizeof(again));
                assert_int_equal(m, n);
                assert_memory_equal(buffer, again, (size_t) n);
        }
}

static void test_request_fields(void **state) {
        static uint8_t buffer[LAYER_MESSAGE_BYTES_MAX];
        ssize_t n;

        fill(&first, LAYER_REQUEST);
        n = layer_message_pack(&first, buffer, sizeof(buffer));
        assert_true(n > 0);
        assert_int_equal(layer_message_parse(buffer, (size_t) n, &second), 0);

        assert_true(second.flow_id == first.flow_id);
        assert_int_equal(second.attempt, 2);
        assert_int_equal(second.lane_class, LANE_BULK);
        assert_int_equal(second.qos.delay_ms, 1);
        assert_int_equal(second.qos.bandwidth_bps, 2);
        assert_int_equal(second.qos.in_order, 6);
        assert_int_equal(second.qos.timeout_ms, 8);
        assert_int_equal(second.hash_size, 32);
        assert_memory_equal(second.hash, first.hash, 32);
        assert_int_equal(second.oap_size, LAYER_OAP_BYTES_MAX);
        assert_memory_equal(second.oap, first.oap, LAYER_OAP_BYTES_MAX);

        /* Fields that a request does not have stay behind. */
        assert_string_equal(second.text, "");
        assert_int_equal(second.mtu, 0);
        assert_false(second.tokens.have_own);
}

static void test_layer_id(void **state) {
        static uint8_t buffer[LAYER_MESSAGE_BYTES_MAX];
        ssize_t n;

        fill(&first, LAYER_STATE);
        n = layer_message_pack(&first, buffer, sizeof(buffer));
        assert_true(n > 0);
        assert_int_equal(layer_message_parse(buffer, (size_t) n, &second), 0);
        assert_true(second.have_layer_id);
        assert_memory_equal(second.layer_id, first.layer_id, LAYER_ID_BYTES);

        first.have_layer_id = false;
        n = layer_message_pack(&first, buffer, sizeof(buffer));
        assert_true(n > 0);
        assert_int_equal(layer_message_parse(buffer, (size_t) n, &second), 0);
        assert_false(second.have_layer_id);
        assert_true(second.address == first.address);
}

static void no_flow(LayerMessage *m) { m->flow_id = 0; }
static void no_hash(LayerMessage *m) { m->hash_size = 0; }
static void long_hash(LayerMessage *m) { m->hash_size = LAYER_HASH_BYTES_MAX + 1; }
static void bad_class(LayerMessage *m) { m->lane_class = _LANE_CLASS_MAX; }
static void bad_state(LayerMessage *m) { m->state = _LAYER_STATE_MAX; }
static void bad_layer(LayerMessage *m) { strcpy(m->layer, "a/b"); }
static void bad_reason(LayerMessage *m) { m->close_reason = _CLOSE_REASON_MAX; }
static void good_result(LayerMessage *m) { m->result = 1; }
static void bad_layer_type(LayerMessage *m) { m->layer_type = 0; }
static void bad_order(LayerMessage *m) { m->order = _LAYER_ORDER_MAX; }
static void bad_components(LayerMessage *m) { m->components = 4; }
static void bad_lower(LayerMessage *m) { strcpy(m->lower, "a/b"); }
static void no_key(LayerMessage *m) { m->neighbour.key = 0; }
static void bad_neighbour_state(LayerMessage *m) { m->neighbour.state = _LAYER_NEIGHBOUR_STATE_MAX; }
static void bad_neighbour_components(LayerMessage *m) { m->neighbour.components = UINT32_MAX; }
static void bad_type(LayerMessage *m) { m->type = _LAYER_MESSAGE_TYPE_MAX; }
static void negative_type(LayerMessage *m) { m->type = _LAYER_MESSAGE_TYPE_INVALID; }

static const struct {
        const char *name;
        LayerMessageType type;
        void (*spoil)(LayerMessage *m);
} refused[] = {
        { "no flow", LAYER_DOWN, no_flow },
        { "no hash", LAYER_QUERY, no_hash },
        { "long hash", LAYER_REGISTER, long_hash },
        { "lane class", LAYER_ACCEPT, bad_class },
        { "state", LAYER_STATE, bad_state },
        { "name of the layer", LAYER_HELLO, bad_layer },
        { "type of the layer", LAYER_HELLO, bad_layer_type },
        { "name of a layer below", LAYER_LOWER, bad_layer },
        { "close reason", LAYER_CLOSE, bad_reason },
        { "positive result", LAYER_QUERY_DONE, good_result },
        { "order", LAYER_ORDER, bad_order },
        { "components of an order", LAYER_ORDER, bad_components },
        { "layer below", LAYER_ORDER, bad_lower },
        { "neighbour without a key", LAYER_NEIGHBOUR, no_key },
        { "state of a neighbour", LAYER_NEIGHBOUR, bad_neighbour_state },
        { "components of a neighbour", LAYER_NEIGHBOUR, bad_neighbour_components },
        { "unknown type", LAYER_HELLO, bad_type },
        { "negative type", LAYER_HELLO, negative_type },
};

static void test_neighbour_fields(void **state) {
        static uint8_t buffer[LAYER_MESSAGE_BYTES_MAX];
        ssize_t n;

        fill(&first, LAYER_NEIGHBOUR);
        n = layer_message_pack(&first, buffer, sizeof(buffer));
        assert_true(n > 0);
        assert_int_equal(layer_message_parse(buffer, (size_t) n, &second), 0);

        assert_true(second.neighbour.key == 11);
        assert_int_equal(second.neighbour.state, LAYER_NEIGHBOUR_UP);
        assert_int_equal(second.neighbour.components, LAYER_COMPONENT_MANAGEMENT);
        assert_true(second.neighbour.address == 12 && second.neighbour.rtt_usec == 13 &&
                    second.neighbour.since_usec == 14);
        assert_true(second.neighbour.tx_bytes == 15 && second.neighbour.rx_bytes == 16);
        assert_int_equal(second.neighbour.cost, 17);
        assert_string_equal(second.lower, "metro");
        assert_string_equal(second.name, "web.example");
        assert_string_equal(second.text, "carrier lost");
        assert_true(second.address == 0);
}

static void test_refused(void **state) {
        static uint8_t buffer[LAYER_MESSAGE_BYTES_MAX];

        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                print_message("%s\n", refused[i].name);
                fill(&first, refused[i].type);
                refused[i].spoil(&first);
                assert_int_equal(layer_message_pack(&first, buffer, sizeof(buffer)), -EINVAL);
        }

        fill(&first, LAYER_HELLO);
        assert_int_equal(layer_message_pack(&first, buffer, 4), -ENOBUFS);
}

#define WIRE(literal) (const uint8_t *) (literal), sizeof(literal) - 1

static const struct {
        const char *name;
        const uint8_t *wire;
        size_t size;
        int r;
} parsed[] = {
        { "flow of 5 is down", WIRE("\x08\x07\x10\x05"), 0 },
        { "empty", WIRE(""), -EBADMSG },
        { "no type", WIRE("\x10\x05"), -EBADMSG },
        { "unknown type", WIRE("\x08\x7f\x10\x05"), -EPROTO },
        { "no flow", WIRE("\x08\x07"), -EBADMSG },
        { "cut", WIRE("\x08\x07\x10"), -EBADMSG },
        { "unknown reason", WIRE("\x08\x07\x10\x05\x68\x7f"), -EBADMSG },
        { "a field of the future is skipped", WIRE("\x08\x07\x10\x05\xf8\x07\x01"), 0 },
        { "NUL in a text", WIRE("\x08\x02\xaa\x01\x03" "a\0b"), -EBADMSG },
        { "text that is not UTF-8", WIRE("\x08\x02\xaa\x01\x02" "a\xff"), -EBADMSG },
        { "token of 7 bytes", WIRE("\x08\x0e\x10\x05\x7a\x07" "1234567"), -EBADMSG },
        { "state with an id of 16 bytes", WIRE("\x08\x02\xf2\x01\x10" "0123456789abcdef"), 0 },
        { "state with an id of 15 bytes", WIRE("\x08\x02\xf2\x01\x0f" "0123456789abcde"), -EBADMSG },
        { "state with an id of 17 bytes", WIRE("\x08\x02\xf2\x01\x11" "0123456789abcdefg"), -EBADMSG },
        { "token of 8 bytes", WIRE("\x08\x0e\x10\x05\x7a\x08" "12345678"), 0 },
        { "request without QoS", WIRE("\x08\x0d\x10\x05\xb2\x01\x01" "h"), -EBADMSG },
        { "lane class out of range", WIRE("\x08\x0f\x10\x05\x70\x09"), -EBADMSG },
        { "neighbour that is not there", WIRE("\x08\x16\x92\x01\x01" "a"), -EBADMSG },
        { "neighbour with a key", WIRE("\x08\x16\xea\x01\x02\x08\x01"), 0 },
        { "order that nobody knows", WIRE("\x08\x14\x18\x01\xd0\x01\x7f"), -EBADMSG },
        { "lane class that wraps", WIRE("\x08\x0f\x10\x05\x70\xff\xff\xff\xff\x0f"), -EBADMSG },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(parsed); i++) {
                print_message("%s\n", parsed[i].name);
                second.flow_id = 42;
                assert_int_equal(layer_message_parse(parsed[i].wire, parsed[i].size, &second), parsed[i].r);
                if (parsed[i].r < 0)
                        assert_int_equal(second.flow_id, 42);           /* untouched on failure */
        }
}

static unsigned count_fds(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;

        return n;
}

static void send_raw(int fd, const void *data, size_t size, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(16 * sizeof(int))];
        } control = {};
        struct iovec part = { .iov_base = (void *) (uintptr_t) data, .iov_len = size };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

        if (n_fds > 0) {
                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        }
        assert_int_equal(sendmsg(fd, &header, 0), (ssize_t) size);
}

static void test_descriptors(void **state) {
        int pair[2], passed[2], got[LAYER_FDS_MAX] = { 7, 7 };
        unsigned before;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(passed, O_CLOEXEC), 0);
        before = count_fds();

        assert_int_equal(layer_message_receive(pair[1], &second, got), -EAGAIN);

        fill(&first, LAYER_ESTABLISHED);
        assert_int_equal(layer_message_send(pair[0], &first, passed, 1), -EINVAL);      /* needs two */
        assert_int_equal(layer_message_send(pair[0], &first, passed, 2), 0);
        assert_int_equal(layer_message_receive(pair[1], &second, got), 0);
        assert_int_equal(second.type, LAYER_ESTABLISHED);
        assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(got[1], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(count_fds(), before + 2);
        close(got[0]);
        close(got[1]);

        fill(&first, LAYER_REPLY);
        first.result = -ECONNREFUSED;
        assert_int_equal(layer_message_send(pair[0], &first, NULL, 0), 0);
        assert_int_equal(layer_message_receive(pair[1], &second, got), 0);
        assert_int_equal(second.result, -ECONNREFUSED);
        assert_int_equal(got[0], -1);

        fill(&first, LAYER_ORDER);
        first.order = LAYER_ORDER_CAPTURE;
        assert_int_equal(layer_message_send(pair[0], &first, NULL, 0), -EINVAL);        /* no other order has one */
        assert_int_equal(layer_message_send(pair[0], &first, passed, 1), 0);
        assert_int_equal(layer_message_receive(pair[1], &second, got), 0);
        assert_int_equal(second.order, LAYER_ORDER_CAPTURE);
        close(got[0]);

        close(pair[0]);
        assert_int_equal(layer_message_receive(pair[1], &second, got), -EPIPE);
        close(pair[1]);
        close(passed[0]);
        close(passed[1]);
}

/* A hostile other side: whatever it attaches is closed. */
static void test_descriptors_unasked(void **state) {
        static const uint8_t down[] = "\x08\x07\x10\x05", reply[] = "\x08\x04\x10\x05";
        int pair[2], passed[4], got[LAYER_FDS_MAX] = { 7, 7 };
        unsigned before;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(passed, O_CLOEXEC), 0);
        assert_int_equal(pipe2(passed + 2, O_CLOEXEC), 0);
        before = count_fds();

        send_raw(pair[0], down, 4, passed, 1);
        assert_int_equal(layer_message_receive(pair[1], &second, got), -EBADMSG);
        send_raw(pair[0], down, 4, passed, 4);
        assert_int_equal(layer_message_receive(pair[1], &second, got), -EBADMSG);
        send_raw(pair[0], reply, 4, NULL, 0);           /* success without a lane */
        assert_int_equal(layer_message_receive(pair[1], &second, got), -EBADMSG);
        send_raw(pair[0], "\xff", 1, passed, 2);
        assert_int_equal(layer_message_receive(pair[1], &second, got), -EBADMSG);

        assert_int_equal(count_fds(), before);
        assert_int_equal(got[0], 7);            /* untouched on failure */
        for (size_t i = 0; i < 4; i++)
                close(passed[i]);
        close(pair[0]);
        close(pair[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_request_fields),
                cmocka_unit_test(test_layer_id),
                cmocka_unit_test(test_neighbour_fields),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_descriptors_unasked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
