/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/support/auth-host.h"

const uint8_t test_request_binding[8] = "request", test_response_binding[8] = "respons";

/* -- files -- */

static int make_parents(char *path) {
        for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = '\0';
                if (mkdir(path, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }

        return 0;
}

int test_host_write(TestHost *host, const char *path, const void *data, size_t size) {
        _cleanup_free_ char *full = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = format_string(&full, "%s%s", host->root, path);
        if (r < 0)
                return r;

        r = make_parents(full);
        if (r < 0)
                return r;

        fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;

        return write(fd, data, size) == (ssize_t) size ? 0 : -EIO;
}

static int write_certificate(TestHost *host, const char *path, const TestIdentity *identity) {
        gnutls_datum_t pem;
        int r;

        if (gnutls_pem_base64_encode2("CERTIFICATE", &identity->der, &pem) < 0)
                return -EIO;

        r = test_host_write(host, path, pem.data, pem.size);
        gnutls_free(pem.data);
        return r;
}

int test_host_write_authority(TestHost *host, const char *path, const TestIdentity *authority) {
        _cleanup_free_ char *full = NULL;
        int r;

        r = format_string(&full, "/etc/o7s/security/%s", path);
        return r < 0 ? r : write_certificate(host, full, authority);
}

static int write_side(TestHost *host, const char *side, const char *name, const TestIdentity *identity) {
        static const char key[] = "the stand-in for o7s-keyd has it\n";
        _cleanup_free_ char *certificate_path = NULL, *key_path = NULL;
        int r;

        if (!identity)
                return 0;

        r = format_string(&certificate_path, "/etc/o7s/security/%s/%s/crt.pem", side, name);
        if (r < 0)
                return r;

        r = format_string(&key_path, "/etc/o7s/security/%s/%s/key.pem", side, name);
        if (r < 0)
                return r;

        r = write_certificate(host, certificate_path, identity);
        return r < 0 ? r : test_host_write(host, key_path, key, sizeof(key) - 1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
        return remove(path);
}

/* -- the stand-in for o7s-keyd -- */

static void answer_question(TestKeyd *keyd, const KeyMessage *question, KeyMessage *answer) {
        const TestIdentity *identity = strstr(question->key, "/server/") ? keyd->server : keyd->client;
        ssize_t n;

        if (question->type == KEY_RELOAD) {
                answer->type = KEY_RELOADED;
                return;
        }

        answer->type = question->type == KEY_SIGN ? KEY_SIGNED : KEY_PUBLIC_IS;
        if (keyd->mood == TEST_KEYD_REFUSES || !identity) {
                answer->result = -EACCES;
                (void) copy_string(answer->text, sizeof(answer->text), "others can read it too");
                return;
        }

        if (question->type == KEY_PUBLIC) {
                gnutls_pubkey_t public_key;
                size_t size = sizeof(answer->public_key);

                if (gnutls_pubkey_init(&public_key) < 0)
                        return;
                if (gnutls_pubkey_import_x509(public_key, identity->crt, 0) >= 0 &&
                    gnutls_pubkey_export(public_key, GNUTLS_X509_FMT_DER, answer->public_key, &size) >= 0)
                        answer->public_size = size;
                gnutls_pubkey_deinit(public_key);
                return;
        }

        n = test_identity_sign(identity, &question->header, answer->signature, sizeof(answer->signature));
        if (n < 0) {
                answer->result = -EOPNOTSUPP;
                return;
        }
        answer->signature_size = (size_t) n;
        if (keyd->mood == TEST_KEYD_LIES)
                answer->signature[answer->signature_size - 1] ^= 1;
}

static void *run_keyd(void *userdata) {
        TestKeyd *keyd = userdata;

        for (;;) {
                _cleanup_(key_message_done) KeyMessage question = {};
                KeyMessage answer = {};
                struct pollfd p = { .fd = keyd->fd, .events = POLLIN };

                (void) poll(&p, 1, -1);
                if (key_message_receive(keyd->fd, &question) < 0)
                        return NULL;
                keyd->n_questions++;
                if (keyd->mood == TEST_KEYD_DIES) {
                        (void) shutdown(keyd->fd, SHUT_RDWR);
                        return NULL;
                }
                if (keyd->mood == TEST_KEYD_SILENT)
                        continue;

                answer_question(keyd, &question, &answer);
                if (key_message_send(keyd->fd, &answer) < 0)
                        return NULL;
        }
}

int test_host_connect_keyd(TestHost *host, TestKeydMood mood) {
        AuthMessage message = { .type = AUTH_KEYS }, answer = {};
        int fds[2], r;

        test_host_stop_keyd(host);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;

        host->keyd.fd = fds[0];
        host->keyd.mood = mood;
        r = -pthread_create(&host->keyd.thread, NULL, run_keyd, &host->keyd);
        if (r < 0) {
                host->keyd.fd = safe_close(fds[0]);
                (void) close(fds[1]);
                return r;
        }

        return service_handle(host->service, &host->peer, &message, fds[1], host->now, &answer);
}

void test_host_stop_keyd(TestHost *host) {
        if (host->keyd.fd < 0)
                return;

        (void) shutdown(host->keyd.fd, SHUT_RDWR);
        (void) pthread_join(host->keyd.thread, NULL);
        host->keyd.fd = safe_close(host->keyd.fd);
}

/* -- the host -- */

int test_host_init(TestHost *host, const char *name, const TestIdentity *authority, const TestIdentity *server,
                   const TestIdentity *client) {
        AuthMessage hello = { .type = AUTH_HELLO, .version = AUTH_PROTOCOL_VERSION };
        _cleanup_(auth_message_done) AuthMessage answer = {};
        int r = 0;

        *host = (TestHost) {
                .keyd = { .fd = -1, .server = server, .client = client },
                .now = { .monotonic = 1000 * USEC_PER_SEC, .realtime_nsec = TEST_NOW_NSEC },
                .root = "/tmp/o7s-test-XXXXXX",
        };
        if (!mkdtemp(host->root))
                return -errno;

        if (authority)
                r = write_certificate(host, "/etc/o7s/security/cacert/authority.pem", authority);
        if (r >= 0)
                r = write_side(host, "server", name, server);
        if (r >= 0)
                r = write_side(host, "client", name, client);
        if (r < 0)
                return r;

        r = service_new(host->root, &host->service);
        if (r < 0)
                return r;

        service_peer_init(&host->peer);
        r = test_host_ask(host, &hello, &answer);
        if (r != 1)
                return r < 0 ? r : -EPROTO;

        return test_host_connect_keyd(host, TEST_KEYD_SIGNS);
}

void test_host_done(TestHost *host) {
        test_host_stop_keyd(host);
        if (host->service) {
                service_peer_done(host->service, &host->peer);
                host->service = service_free(host->service);
        }
        (void) nftw(host->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int test_host_ask(TestHost *host, AuthMessage *message, AuthMessage *ret) {
        int r;

        r = service_handle(host->service, &host->peer, message, -1, host->now, ret);
        auth_message_done(message);
        return r;
}

/* -- the steps -- */

/* The answer's result; what is no answer is a failure of the test. */
static int ask(TestHost *host, AuthMessage *message, AuthMessage *ret) {
        int r;

        auth_message_done(ret);
        r = test_host_ask(host, message, ret);
        return r == 1 ? ret->result : -EBADF;
}

static int take_settings(SecurityPolicy *policy, const char *const *settings) {
        for (; settings && *settings; settings++) {
                const char *equals = strchr(*settings, '='), *problem;
                char key[64] = "";
                int r;

                if (!equals || (size_t) (equals - *settings) >= sizeof(key))
                        return -EINVAL;

                memcpy(key, *settings, (size_t) (equals - *settings));
                r = security_policy_set(policy, key, equals + 1, &problem);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int take_bytes(AuthMessage *message, const uint8_t *oap, size_t size, const uint8_t binding[8]) {
        message->binding_size = 8;
        memcpy(message->binding, binding, 8);
        if (size == 0)
                return 0;

        message->oap = malloc(size);
        if (!message->oap)
                return -ENOMEM;
        memcpy(message->oap, oap, size);
        message->oap_size = size;
        return 0;
}

int test_host_build_request(TestHost *host, const char *name, const char *const *settings, AuthMessage *ret) {
        AuthMessage message = {
                .type = AUTH_BUILD_REQUEST,
                .id = 1,
                .capabilities = OAP_CAPABILITIES_OF_HOST,
                .have_token = true,
                .token = "client",
        };

        (void) copy_string(message.name, sizeof(message.name), name);
        (void) copy_string(message.source, sizeof(message.source), strempty(host->source));
        if (take_settings(&message.policy, settings) < 0 || take_bytes(&message, NULL, 0, test_request_binding) < 0)
                return -EBADF;
        return ask(host, &message, ret);
}

int test_host_check_request(TestHost *host, const char *name, const char *const *settings, const uint8_t *oap,
                            size_t size, AuthMessage *ret) {
        AuthMessage message = { .type = AUTH_CHECK_REQUEST, .id = 2 };

        (void) copy_string(message.name, sizeof(message.name), name);
        (void) copy_string(message.source, sizeof(message.source), strempty(host->source));
        if (take_settings(&message.policy, settings) < 0 || take_bytes(&message, oap, size, test_request_binding) < 0)
                return -EBADF;
        return ask(host, &message, ret);
}

int test_host_build_response(TestHost *host, uint64_t session, AuthMessage *ret) {
        AuthMessage message = {
                .type = AUTH_BUILD_RESPONSE,
                .id = 3,
                .session = session,
                .capabilities = OAP_CAPABILITIES_OF_HOST,
                .have_token = true,
                .token = "server",
                .have_reset = true,
                .reset = "reset",
        };

        if (take_bytes(&message, NULL, 0, test_response_binding) < 0)
                return -EBADF;
        return ask(host, &message, ret);
}

int test_host_check_response(TestHost *host, uint64_t session, const uint8_t *oap, size_t size, AuthMessage *ret) {
        AuthMessage message = { .type = AUTH_CHECK_RESPONSE, .id = 4, .session = session };

        if (take_bytes(&message, oap, size, test_response_binding) < 0)
                return -EBADF;
        return ask(host, &message, ret);
}
