/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "services/common/auth-message.h"

static uint8_t oap[AUTH_OAP_BYTES_MAX];
static AuthFinding findings[3] = {
        { 0, 1234567890123456, "/etc/o7s/security/server/web/crt.pem", "is good until 2027" },
        { -ENOKEY, 0, "web", "has no key" },
        { -EACCES, UINT64_MAX, "", "" },
};

static void add(ConfStrings *list, const char *a, const char *b) {
        assert_int_equal(conf_strings_add(list, a), 0);
        assert_int_equal(conf_strings_add(list, b), 0);
}

static void fill_policy(SecurityPolicy *policy) {
        *policy = (SecurityPolicy) {
                .authentication = AUTHENTICATION_MUTUAL,
                .encryption = ENCRYPTION_REQUIRED,
                .peer = PEER_O7S,
                .common_name = true,
                .certificate = strdup("/c"),
                .private_key = strdup("credential:k"),
        };
        assert_non_null(policy->certificate);
        assert_non_null(policy->private_key);
        add(&policy->key_exchanges, "X25519", "X448");
        add(&policy->ciphers, "aes-128-gcm", "aes-256-gcm");
        add(&policy->derivations, "sha256", "sha512");
        add(&policy->digests, "sha384", "sha256");
        add(&policy->trust_anchors, "/t", "/u");
        add(&policy->revocation_lists, "/r", "/s");
        add(&policy->pins, "sha256:0", "sha256:1");
        add(&policy->allow, "a*", "b");
        add(&policy->deny, "c", "d*");
}

/* Every field that the type may have, with a value of its own, so that one read as another shows. */
static void fill(AuthMessage *m, AuthMessageType type) {
        *m = (AuthMessage) {
                .type = type,
                .version = AUTH_PROTOCOL_VERSION,
                .id = 0x1122334455667788,
                .session = UINT64_MAX,
                .result = -EKEYREJECTED,
                .server = true,
                .have_replaced = true,
                .have_token = true,
                .have_reset = true,
                .name = "web.example\xff/",
                .source = "lan: 02:00:00:00:00:01",
                .text = "The peer's certificate has expired",
                .capabilities = 0xfedcba98,
                .token = { 1, 2 },
                .replaced = { 3, 4 },
                .oap_id = { 5, 6 },
                .stamp = 0xfedcba9876543210,
                .epoch = { 7, 8 },
                .reset = { 9, 10 },
                .size = 1388,
                .expiry_usec = 1234567890123457,
                .binding_size = AUTH_BINDING_BYTES_MAX,
                .binding = { 11, 12 },
                .oap_size = sizeof(oap),
                .oap = malloc(sizeof(oap)),
        };
        assert_non_null(m->oap);
        memcpy(m->oap, oap, sizeof(oap));

        if (type == AUTH_BUILD_REQUEST || type == AUTH_CHECK_REQUEST || type == AUTH_INSPECT)
                fill_policy(&m->policy);
        if (type == AUTH_RESPONSE_CHECKED || type == AUTH_REQUEST_CHECKED)
                m->peer = (AuthPeer) { true, true, "o7s:name:web.example", "X25519", "aes-128-gcm" };
        if (type == AUTH_RESPONSE_CHECKED || type == AUTH_RESPONSE_BUILT) {
                m->keys = (SealKeys) { SEAL_O7S, SEAL_AES_256_GCM, true, true, { 13 }, { 14 }, { 15 }, { 16 } };
                m->control = (ControlKeys) { true, { 17 }, { 18 } };
        }
        if (type == AUTH_INSPECTED) {
                m->n_findings = ELEMENTSOF(findings);
                m->findings = malloc(sizeof(findings));
                assert_non_null(m->findings);
                memcpy(m->findings, findings, sizeof(findings));
        }
}

static void assert_same_list(const ConfStrings *a, const ConfStrings *b) {
        assert_int_equal(a->n, b->n);
        for (size_t i = 0; i < a->n; i++)
                assert_string_equal(a->items[i], b->items[i]);
}

static void assert_same(const AuthMessage *a, const AuthMessage *b) {
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->version, b->version);
        assert_int_equal(a->id, b->id);
        assert_int_equal(a->session, b->session);
        assert_int_equal(a->result, b->result);
        assert_int_equal(a->server, b->server);
        assert_int_equal(a->have_replaced, b->have_replaced);
        assert_int_equal(a->have_token, b->have_token);
        assert_int_equal(a->have_reset, b->have_reset);
        assert_string_equal(a->name, b->name);
        assert_string_equal(a->source, b->source);
        assert_string_equal(a->text, b->text);
        assert_int_equal(a->capabilities, b->capabilities);
        assert_memory_equal(a->token, b->token, sizeof(a->token));
        assert_memory_equal(a->replaced, b->replaced, sizeof(a->replaced));
        assert_memory_equal(a->oap_id, b->oap_id, sizeof(a->oap_id));
        assert_int_equal(a->stamp, b->stamp);
        assert_memory_equal(a->epoch, b->epoch, sizeof(a->epoch));
        assert_memory_equal(a->reset, b->reset, sizeof(a->reset));
        assert_int_equal(a->size, b->size);
        assert_int_equal(a->expiry_usec, b->expiry_usec);
        assert_int_equal(a->binding_size, b->binding_size);
        assert_memory_equal(a->binding, b->binding, a->binding_size);
        assert_int_equal(a->oap_size, b->oap_size);
        assert_memory_equal(a->oap, b->oap, a->oap_size);
        assert_memory_equal(&a->peer, &b->peer, sizeof(a->peer));
        assert_memory_equal(&a->keys, &b->keys, sizeof(a->keys));
        assert_memory_equal(&a->control, &b->control, sizeof(a->control));
        assert_int_equal(a->policy.authentication, b->policy.authentication);
        assert_int_equal(a->policy.encryption, b->policy.encryption);
        assert_int_equal(a->policy.peer, b->policy.peer);
        assert_int_equal(a->policy.common_name, b->policy.common_name);
        assert_string_equal(strempty(a->policy.certificate), strempty(b->policy.certificate));
        assert_string_equal(strempty(a->policy.private_key), strempty(b->policy.private_key));
        assert_same_list(&a->policy.key_exchanges, &b->policy.key_exchanges);
        assert_same_list(&a->policy.ciphers, &b->policy.ciphers);
        assert_same_list(&a->policy.derivations, &b->policy.derivations);
        assert_same_list(&a->policy.digests, &b->policy.digests);
        assert_same_list(&a->policy.trust_anchors, &b->policy.trust_anchors);
        assert_same_list(&a->policy.revocation_lists, &b->policy.revocation_lists);
        assert_same_list(&a->policy.pins, &b->policy.pins);
        assert_same_list(&a->policy.allow, &b->policy.allow);
        assert_same_list(&a->policy.deny, &b->policy.deny);
        assert_int_equal(a->n_findings, b->n_findings);
        for (unsigned i = 0; i < a->n_findings; i++) {
                assert_int_equal(a->findings[i].result, b->findings[i].result);
                assert_int_equal(a->findings[i].expiry_usec, b->findings[i].expiry_usec);
                assert_string_equal(a->findings[i].subject, b->findings[i].subject);
                assert_string_equal(a->findings[i].text, b->findings[i].text);
        }
}

static uint8_t buffer[AUTH_MESSAGE_BYTES_MAX], shorter[AUTH_MESSAGE_BYTES_MAX];

static void test_round_trip(void **state) {
        for (AuthMessageType type = 0; type < _AUTH_MESSAGE_TYPE_MAX; type++) {
                _cleanup_(auth_message_done) AuthMessage m = {}, back = {};
                ssize_t n;

                print_message("type %d\n", (int) type);
                fill(&m, type);
                n = auth_message_pack(&m, buffer, sizeof(buffer));
                assert_true(n > 0);
                assert_int_equal(auth_message_parse(buffer, (size_t) n, &back), 0);
                assert_same(&m, &back);
        }
}

/* A record that ends early is refused or says less, but never reads on. */
static void test_truncated(void **state) {
        for (AuthMessageType type = 0; type < _AUTH_MESSAGE_TYPE_MAX; type++) {
                _cleanup_(auth_message_done) AuthMessage m = {};
                ssize_t n;

                fill(&m, type);
                m.oap_size = 40;
                n = auth_message_pack(&m, buffer, sizeof(buffer));
                assert_true(n > 0);

                for (size_t size = 0; size < (size_t) n; size++) {
                        _cleanup_(auth_message_done) AuthMessage back = {};
                        _cleanup_free_ uint8_t *exact = malloc(size > 0 ? size : 1);

                        assert_non_null(exact);
                        memcpy(exact, buffer, size);
                        (void) auth_message_parse(exact, size, &back);
                }

                assert_int_equal(auth_message_pack(&m, shorter, (size_t) n - 1), -ENOBUFS);
                assert_int_equal(auth_message_pack(&m, shorter, (size_t) n), n);
        }
}

static void set_type(AuthMessage *m) { m->type = _AUTH_MESSAGE_TYPE_MAX; }
static void set_positive(AuthMessage *m) { m->result = 1; }
static void set_result(AuthMessage *m) { m->result = -5000; }
static void set_binding(AuthMessage *m) { m->binding_size = AUTH_BINDING_BYTES_MAX + 1; }
static void set_oap(AuthMessage *m) { m->oap_size = AUTH_OAP_BYTES_MAX + 1; }
static void set_suite(AuthMessage *m) { m->keys.suite = _SEAL_SUITE_MAX; }
static void set_mac_only(AuthMessage *m) { m->keys.suite = SEAL_REFERENCE; }
static void set_name(AuthMessage *m) { memset(m->name, 'a', sizeof(m->name)); }
static void set_source(AuthMessage *m) { memset(m->source, 'a', sizeof(m->source)); }
static void set_text(AuthMessage *m) { memset(m->text, 'a', sizeof(m->text)); }
static void set_identity(AuthMessage *m) { memset(m->peer.identity, 'a', sizeof(m->peer.identity)); }
static void set_findings(AuthMessage *m) { m->n_findings = AUTH_FINDINGS_MAX + 1; }

static const struct {
        const char *name;
        void (*set)(AuthMessage *m);
} bad[] = {
        { "type", set_type }, { "positive result", set_positive }, { "result", set_result },
        { "binding", set_binding }, { "oap", set_oap }, { "suite", set_suite }, { "MAC only", set_mac_only },
        { "name", set_name }, { "source", set_source }, { "text", set_text }, { "identity", set_identity },
        { "findings", set_findings },
};

static void test_ranges(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(auth_message_done) AuthMessage m = {};

                print_message("%s\n", bad[i].name);
                fill(&m, AUTH_RESPONSE_CHECKED);
                bad[i].set(&m);
                assert_int_equal(auth_message_pack(&m, buffer, sizeof(buffer)), -EINVAL);
        }
}

#define BYTES(literal) literal, sizeof(literal) - 1

/* Field numbers and types by hand: what no packer of ours writes. */
static const struct {
        const char *name;
        const char *record;
        size_t size;
        int r;
} foreign[] = {
        { "empty",                          BYTES(""),                                  -EBADMSG },
        { "type alone",                     BYTES("\x08\x00"),                          0        },
        { "unknown type",                   BYTES("\x08\x10"),                          -EPROTO  },
        { "positive result",                BYTES("\x08\x03\x28\x02"),                  -EBADMSG },
        { "token of seven bytes",           BYTES("\x08\x02\x5a\x07" "1234567"),        -EBADMSG },
        { "name with NUL",                  BYTES("\x08\x02\x3a\x03" "a\0b"),           -EBADMSG },
        { "policy where there is none",     BYTES("\x08\x00\x4a\x00"),                  -EBADMSG },
        { "policy, authentication unknown", BYTES("\x08\x02\x4a\x02\x08\x04"),          -EBADMSG },
        { "policy, empty entry",            BYTES("\x08\x02\x4a\x02\x32\x00"),          -EBADMSG },
        { "policy, empty certificate",      BYTES("\x08\x02\x4a\x02\x52\x00"),          -EBADMSG },
        { "peer where there is none",       BYTES("\x08\x02\xaa\x01\x00"),              -EBADMSG },
        { "peer, identity not UTF-8",       BYTES("\x08\x05\xaa\x01\x03\x1a\x01\xff"),  -EBADMSG },
        { "keys where there are none",      BYTES("\x08\x03\xba\x01\x04\x0a\x00\x12\x00"), -EBADMSG },
        { "control keys, short",            BYTES("\x08\x05\xba\x01\x04\x0a\x00\x12\x00"), -EBADMSG },
        { "keys, nothing in them",          BYTES("\x08\x05\xb2\x01\x00"),              -EBADMSG },
        { "findings where there are none",  BYTES("\x08\x05\xc2\x01\x00"),              -EBADMSG },
        { "finding",                        BYTES("\x08\x0c\xc2\x01\x00"),              0        },
        { "finding, positive result",       BYTES("\x08\x0c\xc2\x01\x02\x08\x02"),      -EBADMSG },
};

static void test_foreign(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(foreign); i++) {
                _cleanup_(auth_message_done) AuthMessage m = {};

                print_message("%s\n", foreign[i].name);
                assert_int_equal(auth_message_parse(foreign[i].record, foreign[i].size, &m), foreign[i].r);
        }
}

/* -- on a socket -- */

static void make_pair(int fds[2]) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

static void test_largest(void **state) {
        _cleanup_(auth_message_done) AuthMessage m = {}, back = {};
        int fds[2], fd = -1;

        make_pair(fds);
        fill(&m, AUTH_BUILD_REQUEST);
        for (unsigned i = 0; i < 55; i++) {             /* up to the size of a record */
                char entry[SECURITY_ENTRY_BYTES_MAX];

                memset(entry, 'x', sizeof(entry));
                entry[sizeof(entry) - 1] = '\0';
                assert_int_equal(conf_strings_add(&m.policy.deny, entry), 0);
        }

        assert_int_equal(auth_message_send(fds[0], &m, -1), 0);
        assert_int_equal(auth_message_receive(fds[1], &back, &fd), 0);
        assert_int_equal(fd, -1);
        assert_same(&m, &back);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

static int open_null(void) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

/* What a hostile end may put beside a record. */
static void send_raw(int fd, AuthMessageType type, unsigned n_fds) {
        AuthMessage m = { .type = type };
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * 4)];
        } control = {};
        struct iovec part = { .iov_base = buffer };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
        int fds[4] = { -1, -1, -1, -1 };

        part.iov_len = (size_t) auth_message_pack(&m, buffer, sizeof(buffer));
        if (n_fds > 0) {
                for (unsigned i = 0; i < n_fds; i++)
                        fds[i] = open_null();
                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        }

        assert_true(sendmsg(fd, &header, 0) >= 0);
        for (unsigned i = 0; i < n_fds; i++)
                (void) close(fds[i]);
}

static const struct {
        const char *name;
        AuthMessageType type;
        unsigned n_fds;
        int r;
} with_fds[] = {
        { "keys with one",      AUTH_KEYS,   1, 0        },
        { "keys with none",     AUTH_KEYS,   0, -EBADMSG },
        { "keys with two",      AUTH_KEYS,   2, -EBADMSG },
        { "keys with four",     AUTH_KEYS,   4, -EBADMSG },
        { "hello with none",    AUTH_HELLO,  0, 0        },
        { "hello with one",     AUTH_HELLO,  1, -EBADMSG },
};

static void test_descriptors(void **state) {
        int lowest, fds[2];

        make_pair(fds);
        lowest = open_null();
        (void) close(lowest);

        for (size_t i = 0; i < ELEMENTSOF(with_fds); i++) {
                _cleanup_(auth_message_done) AuthMessage m = {};
                int fd = -1;

                print_message("%s\n", with_fds[i].name);
                send_raw(fds[0], with_fds[i].type, with_fds[i].n_fds);
                assert_int_equal(auth_message_receive(fds[1], &m, &fd), with_fds[i].r);
                assert_int_equal(fd >= 0, with_fds[i].r == 0 && with_fds[i].n_fds == 1);
                fd = safe_close(fd);

                /* None was left open. */
                fd = open_null();
                assert_int_equal(fd, lowest);
                (void) close(fd);
        }

        (void) close(fds[0]);
        {
                _cleanup_(auth_message_done) AuthMessage m = {};
                int fd = -1;

                assert_int_equal(auth_message_receive(fds[1], &m, &fd), -EPIPE);
        }
        (void) close(fds[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip), cmocka_unit_test(test_truncated), cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_foreign),    cmocka_unit_test(test_largest),   cmocka_unit_test(test_descriptors),
        };

        for (size_t i = 0; i < sizeof(oap); i++)
                oap[i] = (uint8_t) (i * 7);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
