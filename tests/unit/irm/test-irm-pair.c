/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two hosts, each with an o7s-irm and an o7s-auth of its own, both real; between them a layer that the test plays, which can change what it carries. A flow is there
 * at both ends, with keys that fit, or at neither.
 */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/hash.h"
#include "services/common/oap.h"
#include "tests/unit/irm/irm-fixture.h"

#define LONG (10 * USEC_PER_SEC)

static const char *arg_irm;
static const char *arg_auth;

typedef struct Host {
        IrmFixture irm;
        int auth_fd;
        pid_t auth;
        int layer;
} Host;

typedef struct Pair {
        Host asking;
        Host asked;
        int listener;
} Pair;

/* -- hosts -- */

static int bind_auth_socket(const Host *host) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/auth.sock", host->irm.directory);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

/* As systemd starts it. */
static void run_auth(Host *host) {
        const struct passwd *user = getpwuid(geteuid());
        char root[128], name[128], pid[16];

        assert_non_null(user);
        (void) snprintf(name, sizeof(name), "--user=%s", user->pw_name);
        (void) snprintf(root, sizeof(root), "--root=%s", host->irm.directory);

        host->auth = fork();
        assert_true(host->auth >= 0);
        if (host->auth > 0)
                return;

        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
        (void) setenv("LISTEN_FDS", "1", 1);
        (void) setenv("LISTEN_PID", pid, 1);
        (void) setenv("LISTEN_FDNAMES", "auth", 1);
        if (host->auth_fd == 3)
                (void) fcntl(3, F_SETFD, 0);
        else
                (void) dup2(host->auth_fd, 3);
        execl(arg_auth, arg_auth, root, name, (char *) NULL);
        _exit(127);
}

static void start_host(Host *host, const char *name_file) {
        fixture_start(&host->irm, arg_irm);
        host->auth_fd = bind_auth_socket(host);
        fixture_write(&host->irm, "names/web.example.name", name_file);
        run_auth(host);
        fixture_run(&host->irm);
        host->layer = fixture_connect_layer(&host->irm);
        layer_come_online(host->layer, "lan");
}

static void stop_host(Host *host) {
        int status;

        (void) close(host->layer);
        assert_int_equal(kill(host->auth, SIGTERM), 0);
        assert_int_equal(waitpid(host->auth, &status, 0), host->auth);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        (void) close(host->auth_fd);
        fixture_stop(&host->irm);
}

/* client and server: sections of the name's file. */
static void start_pair(Pair *pair, const char *client, const char *server) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION, .info.name = "web.example" };
        LayerMessage registration;
        char text[512];

        *pair = (Pair) {};
        (void) snprintf(text, sizeof(text), "[Name]\nLocal=no\n[Client]\n%s", client);
        start_host(&pair->asking, text);
        (void) snprintf(text, sizeof(text), "[Name]\nLayer=lan\n[Bind]\nUser=%u\n[Server]\n%s", geteuid(), server);
        start_host(&pair->asked, text);
        layer_hear(pair->asked.layer, LAYER_REGISTER, &registration, NULL);

        pair->listener = fixture_connect_client();      /* of the host that was started last */
        assert_int_equal(irm_message_send(pair->listener, &message, NULL, 0), 0);
        fixture_client_hear(pair->listener, IRM_REPLY, &message, NULL);
        assert_int_equal(message.result, 0);
}

static void stop_pair(Pair *pair) {
        (void) close(pair->listener);
        stop_host(&pair->asking);
        stop_host(&pair->asked);
}

/* -- one flow -- */

/* What the layer does to what it carries. */
typedef enum Tamper {
        HONEST,
        REQUEST_BINDING,        /* another endpoint id than the one that was said */
        REPLY_BINDING,
        REQUEST_BYTE,
        REPLY_BYTE,
        STRIP_REQUEST,          /* without key exchange and extension, as from an old host */
        STRIP_REPLY,
} Tamper;

typedef struct Outcome {
        int result;
        bool offered;
        IrmMessage asking;
        IrmMessage asked;
        LayerControl asking_control;
        LayerControl asked_control;
        uint8_t reset[LAYER_RESET_BYTES];
} Outcome;

static void strip(LayerMessage *message, size_t hash_bytes) {
        OapHeader header;
        uint8_t wire[1024];
        ssize_t n;

        assert_int_equal(oap_header_parse(message->oap, message->oap_size, hash_bytes, &header), 0);
        header.key_exchange_size = header.data_size = 0;
        header.cipher = header.kdf = 0;
        n = oap_header_pack(&header, wire, sizeof(wire));
        assert_true(n > 0);
        memcpy(message->oap, wire, (size_t) n);
        message->oap_size = (size_t) n;
}

static void say_prepared(int layer, const LayerMessage *prepare, const char *binding, bool with_reset) {
        LayerMessage answer = { .type = LAYER_PREPARED, .flow_id = prepare->flow_id, .attempt = prepare->attempt,
                                .reference = prepare->reference, .have_reset = with_reset, .reset = "how to end it" };

        answer.binding_size = strlen(binding);
        memcpy(answer.binding, binding, answer.binding_size);
        layer_say(layer, &answer, NULL, 0);
}

static int ask(Pair *pair) {
        IrmMessage message = { .type = IRM_ALLOCATE, .version = IRM_PROTOCOL_VERSION, .timeout_usec = LONG,
                               .info = { .name = "web.example", .qos = O7S_QOS_RAW } }, lane = { .type = IRM_LANE };
        LayerMessage query, done = { .type = LAYER_QUERY_DONE };
        int fds[IRM_FDS_MAX], lane_fd = fixture_make_lane(), client;
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/irm.sock", pair->asking.irm.directory);
        assert_int_equal(setenv("O7S_SOCKET", path, 1), 0);
        client = fixture_connect_client();
        assert_int_equal(irm_message_send(client, &message, NULL, 0), 0);
        fixture_client_hear(client, IRM_REPLY, &message, fds);
        assert_int_equal(message.result, 0);
        lane.flow_id = message.flow_id;
        assert_int_equal(irm_message_send(client, &lane, &lane_fd, 1), 0);
        (void) close(lane_fd);
        (void) close(client);

        layer_hear(pair->asking.layer, LAYER_QUERY, &query, NULL);
        done.query_id = query.query_id;
        layer_say(pair->asking.layer, &done, NULL, 0);
        return fds[0];
}

/* From the asking host to the other. */
static void carry_request(Pair *pair, Tamper tamper, LayerMessage *ret_request) {
        LayerMessage message, incoming = { .type = LAYER_INCOMING, .reference = 1, .peer = "02:00:00:00:00:01" };
        const char *seen = tamper == REQUEST_BINDING ? "request of somebody else" : "request";

        layer_hear(pair->asking.layer, LAYER_PREPARE, &message, NULL);
        say_prepared(pair->asking.layer, &message, "request", false);
        layer_hear(pair->asking.layer, LAYER_REQUEST, ret_request, NULL);

        incoming.qos = ret_request->qos;
        incoming.hash_size = ret_request->hash_size;
        memcpy(incoming.hash, ret_request->hash, incoming.hash_size);
        incoming.binding_size = strlen(seen);
        memcpy(incoming.binding, seen, incoming.binding_size);
        incoming.oap_size = ret_request->oap_size;
        memcpy(incoming.oap, ret_request->oap, incoming.oap_size);
        if (tamper == REQUEST_BYTE)
                incoming.oap[incoming.oap_size - 1] ^= 1;
        if (tamper == STRIP_REQUEST)
                strip(&incoming, 0);
        layer_say(pair->asked.layer, &incoming, NULL, 0);
}

/* Whether the asked host takes it; if so, the listener accepts. */
static bool is_offered(Pair *pair, Outcome *outcome) {
        struct pollfd pfds[] = {
                { .fd = pair->listener, .events = POLLIN },
                { .fd = pair->asked.layer, .events = POLLIN },
        };
        IrmMessage lane = { .type = IRM_LANE };
        LayerMessage refusal;
        int fd;

        assert_true(poll(pfds, ELEMENTSOF(pfds), 5000) > 0);
        if (pfds[1].revents) {
                layer_hear(pair->asked.layer, LAYER_REFUSE, &refusal, NULL);
                assert_int_equal(refusal.result, 0);
                return false;
        }

        fixture_client_hear(pair->listener, IRM_OFFER, &outcome->asked, NULL);
        lane.flow_id = outcome->asked.flow_id;
        fd = fixture_make_lane();
        assert_int_equal(irm_message_send(pair->listener, &lane, &fd, 1), 0);
        (void) close(fd);
        return true;
}

/* The answer, back; the asked host is told that it is out. */
static void carry_reply(Pair *pair, Tamper tamper, const LayerMessage *request, Outcome *outcome) {
        LayerMessage message, confirmed = { .type = LAYER_REPLY, .qos = request->qos };
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt, .qos = request->qos };
        const char *seen = tamper == REPLY_BINDING ? "reply of somebody else" : "reply";
        int lane = fixture_make_lane(), fds[LAYER_FDS_MAX], client_fds[IRM_FDS_MAX];
        struct pollfd pfd = { .fd = pair->asked.layer, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, 5000), 1);
        assert_int_equal(layer_message_receive(pair->asked.layer, &message, fds), 0);
        if (message.type == LAYER_PREPARE) {            /* a plain request has no such step */
                say_prepared(pair->asked.layer, &message, "reply", true);
                layer_hear(pair->asked.layer, LAYER_ACCEPT, &message, NULL);
        }
        assert_int_equal(message.type, LAYER_ACCEPT);
        outcome->asked_control = message.control;

        confirmed.flow_id = message.flow_id;
        layer_say(pair->asked.layer, &confirmed, &lane, 1);
        fixture_client_hear(pair->listener, IRM_ESTABLISHED, &outcome->asked, client_fds);
        layer_hear(pair->asked.layer, LAYER_ESTABLISHED, &confirmed, fds);
        for (unsigned i = 0; i < IRM_FDS_MAX; i++) {
                (void) safe_close(client_fds[i]);
                (void) safe_close(fds[i]);
        }

        reply.oap_size = message.oap_size;
        memcpy(reply.oap, message.oap, message.oap_size);
        reply.binding_size = strlen(seen);
        memcpy(reply.binding, seen, reply.binding_size);
        if (tamper == REPLY_BYTE)
                reply.oap[reply.oap_size - 1] ^= 1;
        if (tamper == STRIP_REPLY)
                strip(&reply, 32);
        layer_say(pair->asking.layer, &reply, &lane, 1);
        (void) close(lane);
}

static void finish(Pair *pair, int doorbell, Outcome *outcome) {
        LayerMessage message;
        int fds[LAYER_FDS_MAX];

        outcome->result = fixture_hear_outcome(doorbell, &outcome->asking);
        if (outcome->result < 0)
                return;

        layer_hear(pair->asking.layer, LAYER_ESTABLISHED, &message, fds);
        outcome->asking_control = message.control;
        memcpy(outcome->reset, message.reset, sizeof(outcome->reset));
        for (unsigned i = 0; i < LAYER_FDS_MAX; i++)
                (void) safe_close(fds[i]);
}

/* Without an offer the asking side gives up after a while, as toward a name that is not there. */
static void run_flow(Pair *pair, Tamper tamper, Outcome *ret) {
        Outcome outcome = {};
        LayerMessage request;
        int doorbell = ask(pair);

        carry_request(pair, tamper, &request);
        outcome.offered = is_offered(pair, &outcome);
        if (outcome.offered) {
                carry_reply(pair, tamper, &request, &outcome);
                finish(pair, doorbell, &outcome);
        } else {
                (void) close(doorbell);
                outcome.result = -ETIMEDOUT;
        }

        *ret = outcome;
}

/* -- tests -- */

static void check_keys(const Outcome *o, bool mac_only) {
        const SealKeys *asking = &o->asking.keys, *asked = &o->asked.keys;

        assert_int_equal(asking->suite, SEAL_O7S);
        assert_int_equal(asked->suite, SEAL_O7S);
        assert_true(asking->client);
        assert_false(asked->client);
        assert_int_equal(asking->mac_only, mac_only);
        assert_int_equal(asked->mac_only, mac_only);
        assert_memory_equal(asking->send, asked->receive, SEAL_SECRET_BYTES);
        assert_memory_equal(asking->receive, asked->send, SEAL_SECRET_BYTES);
        assert_memory_equal(asking->agreement, asked->agreement, SEAL_SECRET_BYTES);
        assert_memory_equal(asking->label, asked->label, SEAL_LABEL_BYTES);
        assert_memory_not_equal(asking->send, asking->receive, SEAL_SECRET_BYTES);

        assert_true(o->asking_control.present);
        assert_true(o->asked_control.present);
        assert_memory_equal(o->asking_control.send, o->asked_control.receive, LAYER_CONTROL_KEY_BYTES);
        assert_memory_equal(o->asking_control.receive, o->asked_control.send, LAYER_CONTROL_KEY_BYTES);
        assert_memory_not_equal(o->asking_control.send, asking->send, LAYER_CONTROL_KEY_BYTES);
}

/* Nothing is configured: encrypted, with nobody's name on it. */
static void test_opportunistic(void **state) {
        Outcome first, second;
        Pair pair;

        start_pair(&pair, "", "");
        run_flow(&pair, HONEST, &first);
        assert_int_equal(first.result, 0);
        check_keys(&first, false);
        assert_string_equal(first.asking.info.protection, "aes-128-gcm");
        assert_string_equal(first.asked.info.protection, "aes-128-gcm");
        assert_string_equal(first.asking.info.key_exchange, "X25519");
        assert_false(first.asking.info.verified);
        assert_memory_equal(first.reset, "how to end it", 13);

        run_flow(&pair, HONEST, &second);
        assert_int_equal(second.result, 0);
        assert_memory_not_equal(first.asking.keys.send, second.asking.keys.send, SEAL_SECRET_BYTES);
        stop_pair(&pair);
}

static void test_policies(void **state) {
        static const struct {
                const char *name;
                const char *client;
                const char *server;
                bool offered;
                int result;
                const char *protection;
        } cases[] = {
                { "plain for who is asked",   "", "Encryption=no\nAuthentication=none\n", true, 0, "aes-128-gcm" },
                { "encryption is wanted",     "Encryption=required\n", "Encryption=required\n", true, 0, "aes-128-gcm" },
                { "another cipher",           "Cipher=aes-256-gcm\n", "", true, 0, "aes-256-gcm" },
                { "nobody can prove himself", "", "Authentication=mutual\n", false, -ETIMEDOUT, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Outcome outcome;
                Pair pair;

                print_message("%s\n", cases[i].name);
                start_pair(&pair, cases[i].client, cases[i].server);
                run_flow(&pair, HONEST, &outcome);
                assert_int_equal(outcome.offered, cases[i].offered);
                assert_int_equal(outcome.result, cases[i].result);
                if (cases[i].protection) {
                        assert_string_equal(outcome.asking.info.protection, cases[i].protection);
                        assert_string_equal(outcome.asked.info.protection, cases[i].protection);
                        check_keys(&outcome, false);
                }
                stop_pair(&pair);
        }
}

/* Whatever is changed on the way, nobody takes for his peer's. */
static void test_tampered(void **state) {
        static const struct {
                const char *name;
                Tamper tamper;
                bool offered;
        } cases[] = {
                { "what the layer says of the request", REQUEST_BINDING, false },
                { "what the layer says of the reply",   REPLY_BINDING,   true  },
                { "the last byte of the reply",         REPLY_BYTE,      true  },
                { "all that is ours in the request",    STRIP_REQUEST,   true  },
        };
        Pair pair;

        start_pair(&pair, "Encryption=required\n", "");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Outcome outcome;

                print_message("%s\n", cases[i].name);
                run_flow(&pair, cases[i].tamper, &outcome);
                assert_int_equal(outcome.offered, cases[i].offered);
                assert_true(outcome.result < 0);
                assert_int_equal(outcome.asking.keys.suite, SEAL_NONE);
                layer_drain(pair.asking.layer);
                layer_drain(pair.asked.layer);
        }
        stop_pair(&pair);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_opportunistic),
                cmocka_unit_test(test_policies),
                cmocka_unit_test(test_tampered),
        };

        if (argc < 3)
                return 2;
        if (argc > 3)
                cmocka_set_test_filter(argv[3]);

        arg_irm = argv[1];
        arg_auth = argv[2];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
