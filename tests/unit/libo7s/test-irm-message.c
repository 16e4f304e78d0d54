/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages between applications and the IRM: there and back, out of range, and with the wrong descriptors. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "libo7s/doorbell.h"
#include "libo7s/irm-message.h"

/* Every field set to something of its own. */
static IrmMessage full_message(void) {
        IrmMessage m = {
                .type = IRM_ESTABLISHED,
                .flow_id = UINT64_C(0x1122334455667788),
                .result = -ETIMEDOUT,
                .lane_class = LANE_BULK,
                .flags = O7S_BULK,
                .timeout_usec = UINT64_MAX,
                .close_reason = CLOSE_LAYER_DOWN,
                .version = IRM_PROTOCOL_VERSION,
                .info = { .qos = O7S_QOS_VIDEO, .mtu = 1400, .local = true },
        };

        memset(m.info.name, 'n', FLOW_NAME_WIRE_BYTES_MAX);
        memset(m.info.layer, 'l', LAYER_NAME_BYTES_MAX);
        memset(m.info.peer, 'p', FLOW_NAME_WIRE_BYTES_MAX);
        memset(m.program, 'g', FLOW_NAME_WIRE_BYTES_MAX);
        memset(m.text, 't', IRM_TEXT_BYTES_MAX - 1);
        memset(m.info.protection, 'c', sizeof(m.info.protection) - 1);
        memset(m.info.key_exchange, 'k', sizeof(m.info.key_exchange) - 1);
        m.info.verified = true;
        return m;
}

static SealKeys full_keys(void) {
        SealKeys keys = { .suite = SEAL_O7S, .cipher = SEAL_CHACHA20_POLY1305, .mac_only = true, .client = true };

        memset(keys.label, 1, sizeof(keys.label));
        memset(keys.send, 2, sizeof(keys.send));
        memset(keys.receive, 3, sizeof(keys.receive));
        memset(keys.agreement, 4, sizeof(keys.agreement));
        return keys;
}

static void assert_same_message(const IrmMessage *a, const IrmMessage *b) {
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->flow_id, b->flow_id);
        assert_int_equal(a->result, b->result);
        assert_int_equal(a->lane_class, b->lane_class);
        assert_int_equal(a->flags, b->flags);
        assert_true(a->timeout_usec == b->timeout_usec);
        assert_int_equal(a->close_reason, b->close_reason);
        assert_int_equal(a->version, b->version);
        assert_string_equal(a->program, b->program);
        assert_string_equal(a->text, b->text);
        assert_string_equal(a->info.name, b->info.name);
        assert_string_equal(a->info.layer, b->info.layer);
        assert_string_equal(a->info.peer, b->info.peer);
        assert_int_equal(a->info.mtu, b->info.mtu);
        assert_int_equal(a->info.local, b->info.local);
        assert_int_equal(a->info.qos.delay_ms, b->info.qos.delay_ms);
        assert_true(a->info.qos.bandwidth_bps == b->info.qos.bandwidth_bps);
        assert_int_equal(a->info.qos.availability_nines, b->info.qos.availability_nines);
        assert_int_equal(a->info.qos.loss, b->info.qos.loss);
        assert_int_equal(a->info.qos.ber, b->info.qos.ber);
        assert_int_equal(a->info.qos.in_order, b->info.qos.in_order);
        assert_int_equal(a->info.qos.max_gap_ms, b->info.qos.max_gap_ms);
        assert_int_equal(a->info.qos.timeout_ms, b->info.qos.timeout_ms);
        assert_string_equal(a->info.protection, b->info.protection);
        assert_string_equal(a->info.key_exchange, b->info.key_exchange);
        assert_int_equal(a->info.verified, b->info.verified);
        assert_int_equal(a->keys.suite, b->keys.suite);
        assert_int_equal(a->keys.cipher, b->keys.cipher);
        assert_int_equal(a->keys.mac_only, b->keys.mac_only);
        assert_int_equal(a->keys.client, b->keys.client);
        assert_memory_equal(a->keys.label, b->keys.label, sizeof(a->keys.label));
        assert_memory_equal(a->keys.send, b->keys.send, sizeof(a->keys.send));
        assert_memory_equal(a->keys.receive, b->keys.receive, sizeof(a->keys.receive));
        assert_memory_equal(a->keys.agreement, b->keys.agreement, sizeof(a->keys.agreement));
}

static void test_there_and_back(void **state) {
        for (int type = 0; type < _IRM_MESSAGE_TYPE_MAX; type++) {
                IrmMessage m = full_message(), back = {};
                uint8_t buffer[IRM_MESSAGE_BYTES_MAX];
                ssize_t n;

                m.type = (IrmMessageType) type;
                if (type == IRM_OUTCOME || type == IRM_ESTABLISHED)
                        m.keys = full_keys();
                n = irm_message_pack(&m, buffer, sizeof(buffer));
                assert_true(n > 0);
                assert_int_equal(irm_message_parse(buffer, (size_t) n, &back), 0);
                assert_same_message(&m, &back);

                assert_int_equal(irm_message_pack(&m, buffer, (size_t) n - 1), -ENOBUFS);
                assert_int_equal(irm_message_pack(&m, buffer, (size_t) n), n);
        }
}

/* Keys come with a flow; anywhere else they are a mistake. */
static void test_keys_where_none_belong(void **state) {
        IrmMessage m = full_message(), back = { .flow_id = 42 };
        uint8_t buffer[IRM_MESSAGE_BYTES_MAX];
        ssize_t n;

        m.keys = full_keys();
        for (int type = 0; type < _IRM_MESSAGE_TYPE_MAX; type++) {
                if (type == IRM_OUTCOME || type == IRM_ESTABLISHED)
                        continue;

                m.type = (IrmMessageType) type;
                assert_int_equal(irm_message_pack(&m, buffer, sizeof(buffer)), -EINVAL);

                m.type = IRM_ESTABLISHED;
                n = irm_message_pack(&m, buffer, sizeof(buffer));
                assert_true(n > 0);
                assert_int_equal(buffer[0], 8);                 /* the type is the first field */
                buffer[1] = (uint8_t) type;
                assert_int_equal(irm_message_parse(buffer, (size_t) n, &back), -EBADMSG);
                assert_int_equal(back.flow_id, 42);
        }

        irm_message_wipe(&m);
        assert_int_equal(m.keys.suite, SEAL_NONE);
        assert_memory_equal(&m.keys, &(SealKeys) {}, sizeof(m.keys));
}

/* Cut short anywhere it is bad or a smaller message, and never reaches beyond its end (ASan watches). */
static void test_truncated(void **state) {
        IrmMessage m = full_message();
        uint8_t buffer[IRM_MESSAGE_BYTES_MAX];
        ssize_t n = irm_message_pack(&m, buffer, sizeof(buffer));

        for (size_t size = 0; size < (size_t) n; size++) {
                _cleanup_free_ uint8_t *exact = malloc(size + 1);
                IrmMessage back = { .flow_id = 42 };
                int r;

                assert_non_null(exact);
                memcpy(exact, buffer, size);
                r = irm_message_parse(exact, size, &back);
                assert_true(r == 0 || r == -EBADMSG);
                if (r < 0)
                        assert_int_equal(back.flow_id, 42);
        }
}

static void test_out_of_range_to_pack(void **state) {
        static const struct {
                const char *name;
                size_t offset;
                int value;
        } cases[] = {
                { "type",            offsetof(IrmMessage, type),         _IRM_MESSAGE_TYPE_MAX },
                { "negative type",   offsetof(IrmMessage, type),         -1 },
                { "positive result", offsetof(IrmMessage, result),       1 },
                { "no errno",        offsetof(IrmMessage, result),       -4096 },
                { "class",           offsetof(IrmMessage, lane_class),   _LANE_CLASS_MAX },
                { "reason",          offsetof(IrmMessage, close_reason), _CLOSE_REASON_MAX },
        };
        uint8_t buffer[IRM_MESSAGE_BYTES_MAX];
        IrmMessage m;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                m = full_message();
                memcpy((uint8_t *) &m + cases[i].offset, &cases[i].value, sizeof(int));
                assert_int_equal(irm_message_pack(&m, buffer, sizeof(buffer)), -EINVAL);
        }

        m = full_message();
        memset(m.text, 't', sizeof(m.text));
        assert_int_equal(irm_message_pack(&m, buffer, sizeof(buffer)), -EINVAL);
}

#define BYTES(literal) { literal, sizeof(literal) - 1 }

/* Bytes as protobuf writes them: field << 3 | kind. 08 is the type, 18 the result, 52 the text, 5a the info. */
static const struct {
        const char *name;
        struct {
                const char *data;
                size_t size;
        } bytes;
        int r;
} hostile[] = {
        { "smallest",              BYTES("\x08\x00"),                               0 },
        { "nothing",               BYTES(""),                                       -EBADMSG },
        { "no type",               BYTES("\x10\x01"),                               -EBADMSG },
        { "unknown type",          BYTES("\x08\x0b"),                               -EPROTO },
        { "huge type",             BYTES("\x08\xff\xff\xff\xff\x0f"),               -EPROTO },
        { "result -1",             BYTES("\x08\x05\x18\x01"),                       0 },
        { "result +1",             BYTES("\x08\x05\x18\x02"),                       -EBADMSG },
        { "class 3",               BYTES("\x08\x05\x20\x03"),                       -EBADMSG },
        { "reason 200",            BYTES("\x08\x03\x38\xc8\x01"),                   -EBADMSG },
        { "text",                  BYTES("\x08\x05\x52\x02hi"),                     0 },
        { "text with a NUL",       BYTES("\x08\x05\x52\x02h\0"),                    -EBADMSG },
        { "text not UTF-8",        BYTES("\x08\x05\x52\x02h\xff"),                  -EBADMSG },
        { "text longer than all",  BYTES("\x08\x05\x52\x7fhi"),                     -EBADMSG },
        { "layer",                 BYTES("\x08\x06\x5a\x05\x12\x03lan"),            0 },
        { "layer with a slash",    BYTES("\x08\x06\x5a\x05\x12\x03l/n"),            -EBADMSG },
        { "peer not UTF-8",        BYTES("\x08\x06\x5a\x04\x1a\x02\xc3\x28"),       -EBADMSG },
        { "in_order 2",            BYTES("\x08\x06\x5a\x04\x22\x02\x30\x02"),       -EBADMSG },
        { "256 nines",             BYTES("\x08\x06\x5a\x05\x22\x03\x18\x80\x02"),   -EBADMSG },
        { "field unknown",         BYTES("\x08\x00\xf8\x01\x07"),                   0 },
};

static void test_hostile_bytes(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                IrmMessage m = {};

                print_message("%s\n", hostile[i].name);
                assert_int_equal(irm_message_parse(hostile[i].bytes.data, hostile[i].bytes.size, &m), hostile[i].r);
        }
}

static void test_name_too_long(void **state) {
        uint8_t bytes[2 + 3 + 3 + FLOW_NAME_WIRE_BYTES_MAX + 1] = "\x08\x00\x5a\x83\x02\x0a\x80\x02";
        IrmMessage m = {};

        memset(bytes + 8, 'x', sizeof(bytes) - 8);
        assert_int_equal(irm_message_parse(bytes, sizeof(bytes), &m), -EBADMSG);
}

static void pair(int fds[2]) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

/* How many descriptors of this process are open: none may leak, whatever arrives. */
static unsigned n_open_fds(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void test_descriptors(void **state) {
        static const struct {
                const char *name;
                IrmMessageType type;
                unsigned n_fds;
                int r;
        } cases[] = {
                { "a lane",                   IRM_LANE,        1, 0 },
                { "a lane without it",        IRM_LANE,        0, -EBADMSG },
                { "two lanes",                IRM_LANE,        2, -EBADMSG },
                { "reply",                    IRM_REPLY,       0, 0 },
                { "reply with doorbell",      IRM_REPLY,       1, 0 },
                { "reply with two",           IRM_REPLY,       2, -EBADMSG },
                { "established",              IRM_ESTABLISHED, 2, 0 },
                { "established without lane", IRM_ESTABLISHED, 1, -EBADMSG },
                { "offer with one",           IRM_OFFER,       1, -EBADMSG },
                { "allocate with one",        IRM_ALLOCATE,    1, -EBADMSG },
        };
        _cleanup_close_ int a = -1, b = -1;
        int both[2], null_fds[2];
        unsigned before;

        pair(both);
        a = both[0], b = both[1];
        null_fds[0] = null_fds[1] = a;          /* any descriptor does */
        before = n_open_fds();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int fds[IRM_FDS_MAX] = { -7, -7 };
                IrmMessage m = { .type = cases[i].type }, back = {};

                print_message("%s\n", cases[i].name);
                assert_int_equal(irm_message_send(a, &m, null_fds, cases[i].n_fds), 0);
                assert_int_equal(irm_message_receive(b, &back, fds), cases[i].r);
                if (cases[i].r < 0) {
                        assert_int_equal(fds[0], -7);
                        assert_int_equal(n_open_fds(), before);
                        continue;
                }

                for (unsigned k = 0; k < IRM_FDS_MAX; k++) {
                        assert_int_equal(fds[k] >= 0, k < cases[i].n_fds);
                        if (fds[k] >= 0)
                                assert_true(fcntl(fds[k], F_GETFD) & FD_CLOEXEC);
                        (void) safe_close(fds[k]);
                }
                assert_int_equal(n_open_fds(), before);
        }
}

/* More than any message has, in one control message: all of them closed. */
static void test_flood_of_descriptors(void **state) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * 64)];
        } control = {};
        uint8_t record[] = { 0x08, IRM_REPLY };
        struct iovec part = { record, sizeof(record) };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control };
        struct cmsghdr *c = &control.header;
        int both[2], fds[IRM_FDS_MAX] = { -1, -1 };
        IrmMessage m;
        unsigned before;

        pair(both);
        before = n_open_fds();

        for (unsigned n = 2; n <= 64; n += 31) {
                header.msg_controllen = CMSG_SPACE(sizeof(int) * n);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n);
                for (unsigned i = 0; i < n; i++)
                        memcpy(CMSG_DATA(c) + i * sizeof(int), &both[0], sizeof(int));

                assert_true(sendmsg(both[0], &header, 0) > 0);
                assert_int_equal(irm_message_receive(both[1], &m, fds), -EBADMSG);
                assert_int_equal(n_open_fds(), before);
        }

        (void) close(both[0]);
        (void) close(both[1]);
}

static void test_outcome(void **state) {
        IrmMessage m = { .type = IRM_OUTCOME, .info = { .mtu = 99 } }, back = {};
        int both[2], lane = -1;

        pair(both);

        assert_int_equal(irm_message_send_outcome(both[0], &m, both[0]), 0);
        assert_int_equal(irm_message_receive_outcome(both[1], &back, &lane), 0);
        assert_true(lane >= 0);
        assert_int_equal(back.info.mtu, 99);
        lane = safe_close(lane);

        /* success without a lane, failure with one */
        assert_int_equal(irm_message_send_outcome(both[0], &m, -1), 0);
        assert_int_equal(irm_message_receive_outcome(both[1], &back, &lane), -EBADMSG);
        m.result = -ENOENT;
        assert_int_equal(irm_message_send_outcome(both[0], &m, both[0]), 0);
        assert_int_equal(irm_message_receive_outcome(both[1], &back, &lane), -EBADMSG);

        assert_int_equal(irm_message_send_outcome(both[0], &m, -1), 0);
        assert_int_equal(irm_message_receive_outcome(both[1], &back, &lane), 0);
        assert_int_equal(back.result, -ENOENT);
        assert_int_equal(lane, -1);

        /* a ring is not an outcome, nothing is -EAGAIN, an end is -EPIPE */
        assert_int_equal(send(both[0], "\1", 1, 0), 1);
        assert_int_equal(irm_message_receive_outcome(both[1], &back, &lane), -EBADMSG);
        assert_int_equal(irm_message_receive_outcome(both[1], &back, &lane), -EAGAIN);
        (void) close(both[0]);
        assert_int_equal(irm_message_receive_outcome(both[1], &back, &lane), -EPIPE);
        assert_int_equal(irm_message_send(both[1], &m, NULL, 0), -EPIPE);
        (void) close(both[1]);
}

/* What was sent before hanging up arrives, also where the other side had not read everything. */
static void test_last_words(void **state) {
        IrmMessage m = { .type = IRM_DEALLOCATE, .flow_id = 7 }, back = {};
        int both[2], fds[IRM_FDS_MAX];

        pair(both);
        assert_int_equal(irm_message_send(both[1], &m, NULL, 0), 0);
        assert_int_equal(irm_message_send(both[0], &m, NULL, 0), 0);
        (void) close(both[0]);

        assert_int_equal(irm_message_receive(both[1], &back, fds), 0);
        assert_int_equal(back.flow_id, 7);
        assert_int_equal(irm_message_receive(both[1], &back, fds), -EPIPE);
        (void) close(both[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_keys_where_none_belong),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_out_of_range_to_pack),
                cmocka_unit_test(test_hostile_bytes),
                cmocka_unit_test(test_name_too_long),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_flood_of_descriptors),
                cmocka_unit_test(test_outcome),
                cmocka_unit_test(test_last_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
