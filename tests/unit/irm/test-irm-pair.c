/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two hosts, each with an o7s-irm, an o7s-auth and an o7s-keyd of its own, all real; between them a layer that the
 * test plays, which can change what it carries. A flow is there at both ends, with keys that fit, or at neither.
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
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/hash.h"
#include "services/common/oap.h"
#include "tests/support/handshake-side.h"
#include "tests/unit/irm/irm-fixture.h"

#define LONG (10 * USEC_PER_SEC)

static const char *arg_irm;
static const char *arg_auth;
static const char *arg_keyd;

typedef struct Child {
        pid_t pid;
        int fd;                 /* its listening socket */
} Child;

typedef struct Host {
        IrmFixture irm;
        Child auth;
        Child keyd;
        int layer;
} Host;

typedef struct Pair {
        Host asking;
        Host asked;
        int listener;
} Pair;

/* -- hosts -- */

static int bind_socket(const Host *host, const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", host->irm.directory, name);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

/* As systemd starts it, but that it answers the user of this test. */
static void start_child(const Host *host, const char *program, const char *name, const char *argument, Child *child) {
        const struct passwd *user = getpwuid(geteuid());
        char option[128], pid[16];

        assert_non_null(user);
        (void) snprintf(option, sizeof(option), "--user=%s", user->pw_name);
        child->fd = bind_socket(host, name);
        child->pid = fork();
        assert_true(child->pid >= 0);
        if (child->pid > 0)
                return;

        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
        (void) setenv("LISTEN_FDS", "1", 1);
        (void) setenv("LISTEN_PID", pid, 1);
        (void) setenv("LISTEN_FDNAMES", name, 1);
        if (child->fd == 3)
                (void) fcntl(3, F_SETFD, 0);
        else
                (void) dup2(child->fd, 3);
        execl(program, program, option, argument, (char *) NULL);
        _exit(127);
}

static void stop_child(Child *child) {
        int status;

        assert_int_equal(kill(child->pid, SIGTERM), 0);
        assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        (void) close(child->fd);
}

/* -- certificates -- */

/* From an hour ago until tomorrow. issuer: NULL for an authority. */
static void issue(TestIdentity *identity, const char *name, const TestIdentity *issuer) {
        const TestIdentity *signer = issuer ? issuer : identity;

        assert_int_equal(test_identity_init(identity, TEST_KEY_P256, name, issuer, false), 0);
        assert_int_equal(gnutls_x509_crt_set_activation_time(identity->crt, time(NULL) - 3600), 0);
        assert_int_equal(gnutls_x509_crt_set_expiration_time(identity->crt, time(NULL) + 86400), 0);
        assert_int_equal(gnutls_x509_crt_sign2(identity->crt, signer->crt, signer->x509_key, GNUTLS_DIG_SHA256, 0), 0);
}

static void write_certificate(Host *host, const char *path, const TestIdentity *identity) {
        gnutls_datum_t pem;

        assert_int_equal(gnutls_x509_crt_export2(identity->crt, GNUTLS_X509_FMT_PEM, &pem), 0);
        fixture_write(&host->irm, path, (const char *) pem.data);
        gnutls_free(pem.data);
}

static void write_key(Host *host, const char *path, const TestIdentity *identity) {
        gnutls_datum_t pem;
        char whole[256];

        assert_int_equal(gnutls_x509_privkey_export2_pkcs8(identity->x509_key, GNUTLS_X509_FMT_PEM, NULL,
                                                           GNUTLS_PKCS_PLAIN, &pem),
                         0);
        fixture_write(&host->irm, path, (const char *) pem.data);
        gnutls_free(pem.data);
        (void) snprintf(whole, sizeof(whole), "%s/etc/o7s/%s", host->irm.directory, path);
        assert_int_equal(chmod(whole, 0400), 0);
}

/* What a host has of the other: NULL is nothing. */
typedef struct Setup {
        const char *policy;                     /* of its side of the name */
        const TestIdentity *shows;
        const TestIdentity *trusts;
} Setup;

static void write_security(Host *host, const char *side, const Setup *setup) {
        char path[128];

        if (setup->trusts)
                write_certificate(host, "security/cacert/ca.pem", setup->trusts);
        if (!setup->shows)
                return;

        (void) snprintf(path, sizeof(path), "security/%s/web.example/crt.pem", side);
        write_certificate(host, path, setup->shows);
        (void) snprintf(path, sizeof(path), "security/%s/web.example/key.pem", side);
        write_key(host, path, setup->shows);
}

/* -- both of them -- */

static void start_host(Host *host, const char *name_file, const char *side, const Setup *setup) {
        char root[128];

        fixture_start(&host->irm, arg_irm);
        fixture_write(&host->irm, "names/web.example.name", name_file);
        write_security(host, side, setup);
        (void) snprintf(root, sizeof(root), "--root=%s", host->irm.directory);
        start_child(host, arg_auth, "auth", root, &host->auth);
        start_child(host, arg_keyd, "keyd", NULL, &host->keyd);
        fixture_run(&host->irm);
        host->layer = fixture_connect_layer(&host->irm);
        layer_come_online(host->layer, "lan");
}

static void stop_host(Host *host) {
        (void) close(host->layer);
        stop_child(&host->auth);
        stop_child(&host->keyd);
        fixture_stop(&host->irm);
}

static void start_pair(Pair *pair, const Setup *client, const Setup *server) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION, .info.name = "web.example" };
        LayerMessage registration;
        char text[512];

        *pair = (Pair) {};
        (void) snprintf(text, sizeof(text), "[Name]\nLocal=no\n[Client]\n%s", client->policy);
        start_host(&pair->asking, text, "client", client);
        (void) snprintf(text, sizeof(text), "[Name]\nLayer=lan\n[Bind]\nUser=%u\n[Server]\n%s", geteuid(),
                        server->policy);
        start_host(&pair->asked, text, "server", server);
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
        unsigned n_attempts;
        int refusal;            /* what the asked host says to the other one; 0: nothing */
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

/* Whether the asking host begins an attempt, with this; else the program has its outcome. */
static bool begins(Pair *pair, int doorbell, LayerMessage *ret_prepare) {
        struct pollfd pfds[] = {
                { .fd = doorbell, .events = POLLIN },
                { .fd = pair->asking.layer, .events = POLLIN },
        };
        int fds[LAYER_FDS_MAX];

        for (;;) {
                assert_true(poll(pfds, ELEMENTSOF(pfds), 10000) > 0);
                if (pfds[0].revents)
                        return false;
                assert_int_equal(layer_message_receive(pair->asking.layer, ret_prepare, fds), 0);
                if (ret_prepare->type == LAYER_PREPARE)
                        return true;
                assert_int_equal(ret_prepare->type, LAYER_ABORT);       /* of the attempt before */
        }
}

/* From the asking host to the other. */
static void carry_request(Pair *pair, Tamper tamper, const LayerMessage *prepare, LayerMessage *ret_request) {
        LayerMessage incoming = { .type = LAYER_INCOMING, .reference = 1, .peer = "02:00:00:00:00:01" };
        const char *seen = tamper == REQUEST_BINDING ? "request of somebody else" : "request";

        say_prepared(pair->asking.layer, prepare, "request", false);
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
                outcome->refusal = refusal.result;
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
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt,
                               .qos = request->qos };
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

/* The asked host's no, back. */
static void carry_refusal(Pair *pair, const LayerMessage *request, int refusal) {
        const LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt,
                                     .result = refusal };

        layer_say(pair->asking.layer, &reply, NULL, 0);
}

/* Where the asked host says nothing the asking side gives up after a while, as toward a name that is not there. */
static void run_flow(Pair *pair, Tamper tamper, Outcome *ret) {
        Outcome outcome = {};
        LayerMessage prepare, request;
        int doorbell = ask(pair);

        while (begins(pair, doorbell, &prepare)) {
                carry_request(pair, tamper, &prepare, &request);
                outcome.n_attempts++;
                outcome.offered = is_offered(pair, &outcome);
                if (outcome.offered)
                        carry_reply(pair, tamper, &request, &outcome);
                else if (outcome.refusal < 0)
                        carry_refusal(pair, &request, outcome.refusal);
                else
                        break;
        }

        if (outcome.offered || outcome.refusal < 0)
                finish(pair, doorbell, &outcome);
        else {
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

        start_pair(&pair, &(Setup) { .policy = "" }, &(Setup) { .policy = "" });
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
                { "encryption is wanted",     "Encryption=required\n", "Encryption=required\n", true, 0,
                  "aes-128-gcm" },
                { "another cipher",           "Cipher=aes-256-gcm\n", "", true, 0, "aes-256-gcm" },
                { "nobody can prove himself", "", "Authentication=mutual\n", false, -ETIMEDOUT, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Outcome outcome;
                Pair pair;

                print_message("%s\n", cases[i].name);
                start_pair(&pair, &(Setup) { .policy = cases[i].client }, &(Setup) { .policy = cases[i].server });
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
                unsigned n_attempts;
        } cases[] = {
                { "what the layer says of the request", REQUEST_BINDING, false, 1 },
                { "what the layer says of the reply",   REPLY_BINDING,   true,  3 },
                { "the last byte of the reply",         REPLY_BYTE,      true,  3 },
                { "all that is ours in the request",    STRIP_REQUEST,   true,  3 },
        };
        Pair pair;

        start_pair(&pair, &(Setup) { .policy = "Encryption=required\n" }, &(Setup) { .policy = "" });
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Outcome outcome;

                print_message("%s\n", cases[i].name);
                run_flow(&pair, cases[i].tamper, &outcome);
                assert_int_equal(outcome.offered, cases[i].offered);
                assert_int_equal(outcome.n_attempts, cases[i].n_attempts);
                assert_true(outcome.result < 0);
                assert_int_equal(outcome.asking.keys.suite, SEAL_NONE);
                layer_drain(pair.asking.layer);
                layer_drain(pair.asked.layer);
        }
        stop_pair(&pair);
}

/* -- with certificates -- */

typedef enum Who {
        NOBODY,
        CA,
        OTHER_CA,
        WEB,
        OTHER_WEB,
        IMPOSTOR,
        ALICE,
        _WHO_MAX,
} Who;

static int make_identities(void **state) {
        TestIdentity *all = calloc(_WHO_MAX, sizeof(*all));

        assert_non_null(all);
        issue(&all[CA], "the authority", NULL);
        issue(&all[OTHER_CA], "another authority", NULL);
        issue(&all[WEB], "o7s:name:web.example", &all[CA]);
        issue(&all[OTHER_WEB], "o7s:name:mail.example", &all[CA]);
        issue(&all[IMPOSTOR], "o7s:name:web.example", &all[OTHER_CA]);
        issue(&all[ALICE], "o7s:name:alice", &all[CA]);
        *state = all;
        return 0;
}

static int drop_identities(void **state) {
        TestIdentity *all = *state;

        for (Who who = CA; who < _WHO_MAX; who++)
                test_identity_done(&all[who]);
        free(all);
        return 0;
}

static Setup setup_of(const TestIdentity *all, const char *policy, Who shows, Who trusts) {
        return (Setup) {
                .policy = policy,
                .shows = shows == NOBODY ? NULL : &all[shows],
                .trusts = trusts == NOBODY ? NULL : &all[trusts],
        };
}

static void test_identities(void **state) {
        static const struct {
                const char *name;
                struct {
                        const char *policy;
                        Who shows;
                        Who trusts;
                } client, server;
                Tamper tamper;
                bool offered;
                int refusal;
                int result;
                const char *server_is;          /* as the asking side has proof of; NULL: none */
                const char *client_is;          /* as the listener has */
        } cases[] = {
                { "a server that is trusted", { "", NOBODY, CA }, { "", WEB, NOBODY }, HONEST, true, 0, 0,
                  "o7s:name:web.example", NULL },
                { "no proof, and none wanted", { "", NOBODY, NOBODY }, { "", WEB, NOBODY }, HONEST, true, 0, 0, NULL,
                  NULL },
                { "a server that shows nothing", { "", NOBODY, CA }, { "", NOBODY, NOBODY }, HONEST, true, 0,
                  -EKEYREJECTED, NULL, NULL },
                { "of another name", { "", NOBODY, CA }, { "", OTHER_WEB, NOBODY }, HONEST, true, 0, -EKEYREJECTED,
                  NULL, NULL },
                { "of another authority", { "", NOBODY, CA }, { "", IMPOSTOR, NOBODY }, HONEST, true, 0, -EKEYREJECTED,
                  NULL, NULL },
                { "both prove themselves", { "", ALICE, CA },
                  { "Authentication=mutual\nAllowPeer=o7s:name:alice\n", WEB, CA }, HONEST, true, 0,
                  0, "o7s:name:web.example", "o7s:name:alice" },
                { "a client that is not allowed", { "", ALICE, CA },
                  { "Authentication=mutual\nAllowPeer=o7s:name:bob\n", WEB, CA }, HONEST, false,
                  -1009, -EKEYREJECTED, NULL, NULL },
                { "a client that shows nothing", { "", NOBODY, CA }, { "Authentication=mutual\n", WEB, CA }, HONEST,
                  false, 0, -ETIMEDOUT, NULL, NULL },
                { "a request that was altered", { "", ALICE, CA }, { "Authentication=mutual\n", WEB, CA }, REQUEST_BYTE,
                  false, 0, -ETIMEDOUT, NULL,
                  NULL },
                { "a reply that was altered", { "", NOBODY, CA }, { "", WEB, NOBODY }, REPLY_BYTE, true, 0,
                  -EKEYREJECTED, NULL, NULL },
                { "not encrypted, all the same proven", { "Encryption=no\n", NOBODY, CA },
                  { "Encryption=no\n", WEB, NOBODY }, HONEST, true, 0, 0,
                  "o7s:name:web.example", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Setup client = setup_of(*state, cases[i].client.policy, cases[i].client.shows, cases[i].client.trusts);
                Setup server = setup_of(*state, cases[i].server.policy, cases[i].server.shows, cases[i].server.trusts);
                Outcome outcome;
                Pair pair;

                print_message("%s\n", cases[i].name);
                start_pair(&pair, &client, &server);
                run_flow(&pair, cases[i].tamper, &outcome);
                assert_int_equal(outcome.offered, cases[i].offered);
                assert_int_equal(outcome.refusal, cases[i].refusal);
                assert_int_equal(outcome.result, cases[i].result);
                if (outcome.offered && cases[i].client_is)
                        assert_string_equal(outcome.asked.info.peer, cases[i].client_is);
                if (outcome.offered)
                        assert_int_equal(outcome.asked.info.verified, cases[i].client_is != NULL);
                if (outcome.result == 0) {
                        check_keys(&outcome, streq(outcome.asking.info.protection, "mac"));
                        assert_int_equal(outcome.asking.info.verified, cases[i].server_is != NULL);
                        if (cases[i].server_is)
                                assert_string_equal(outcome.asking.info.peer, cases[i].server_is);
                }
                stop_pair(&pair);
        }
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_opportunistic),
                cmocka_unit_test(test_policies),
                cmocka_unit_test(test_tampered),
                cmocka_unit_test_setup_teardown(test_identities, make_identities, drop_identities),
        };

        if (argc < 4)
                return 2;
        if (argc > 4)
                cmocka_set_test_filter(argv[4]);

        arg_irm = argv[1];
        arg_auth = argv[2];
        arg_keyd = argv[3];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
