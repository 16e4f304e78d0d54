/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The real o7s-keyd on a socket: its signatures are checked by the code that checks those of peers, it refuses what
 * it must, and no private key is left in its memory once it has forgotten it. Usage: test-keyd-daemon O7S-KEYD
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/time.h"
#include "services/auth/trust.h"
#include "tests/unit/keyd/keyd-process.h"
#include "tests/unit/keyd/soft-token.h"

#define NEEDLE_BYTES 20U
#define NEEDLES_MAX 12U
#define QUESTIONS_MAX 400000U

static const char *program;

static int setup(void **state) {
        KeydProcess *p = malloc(sizeof(*p));

        assert_non_null(p);
        keyd_start(p, program);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        keyd_stop(*state);
        free(*state);
        return 0;
}

static KeyMessage sign_question(const char *key, const Blob *certificate, uint16_t digest) {
        KeyMessage question = {
                .type = KEY_SIGN,
                .header = {
                        .id = { 1, 2, 3 },
                        .timestamp = time_realtime_nsec(),
                        .digest = digest,
                        .certificate = certificate->data,
                        .certificate_size = certificate->size,
                },
        };

        (void) snprintf(question.key, sizeof(question.key), "%s", key);
        return question;
}

static void ask(int fd, const KeyMessage *question, KeyMessageType type, int result, const char *says,
                KeyMessage *ret) {
        int r;

        *ret = (KeyMessage) {};
        r = keyd_ask(fd, question, ret);
        assert_int_equal(r, 0);
        assert_int_equal(ret->type, type);
        if (ret->result != result || !strstr(ret->text, says))
                fail_msg("%d, \"%s\", not %d, \"%s\"", ret->result, ret->text, result, says);
}

/* -- signatures -- */

static void check_signature(const Blob *der, const KeyMessage *question, const KeyMessage *answer) {
        _cleanup_(certificate_freep) Certificate *certificate = NULL;
        uint8_t message[8192], *signature = malloc(answer->signature_size);
        ssize_t n;

        assert_non_null(signature);
        memcpy(signature, answer->signature, answer->signature_size);
        n = oap_header_pack(&question->header, message, sizeof(message));
        assert_true(n > 0);
        assert_int_equal(certificate_parse(der->data, der->size, &certificate), 0);

        assert_int_equal(certificate_check_signature(certificate, question->header.digest, message, (size_t) n,
                                                     signature, answer->signature_size),
                         0);
        message[n / 2] ^= 1;
        assert_int_equal(certificate_check_signature(certificate, question->header.digest, message, (size_t) n,
                                                     signature, answer->signature_size),
                         -EKEYREJECTED);
        message[n / 2] ^= 1;
        signature[answer->signature_size / 2] ^= 1;
        assert_int_equal(certificate_check_signature(certificate, question->header.digest, message, (size_t) n,
                                                     signature, answer->signature_size),
                         -EKEYREJECTED);
        free(signature);
}

static void test_every_kind(void **state) {
        static const struct {
                const char *name;
                MakerKey kind;
                uint16_t digest;
        } cases[] = {
                { "RSA, default", MAKER_RSA_2048, 0 }, { "RSA, SHA-256", MAKER_RSA_2048, 672 },
                { "RSA, SHA-384", MAKER_RSA_2048, 673 }, { "RSA, SHA-512", MAKER_RSA_2048, 674 },
                { "RSA 3072", MAKER_RSA_3072, 672 }, { "P-256, default", MAKER_P256, 0 },
                { "P-256, SHA-256", MAKER_P256, 672 }, { "P-256, SHA-512", MAKER_P256, 674 },
                { "P-384, default", MAKER_P384, 0 }, { "P-384, SHA-384", MAKER_P384, 673 },
                { "P-521, default", MAKER_P521, 0 }, { "P-521, SHA-512", MAKER_P521, 674 },
                { "Ed25519", MAKER_ED25519, 0 }, { "Ed448", MAKER_ED448, 0 },
        };
        const KeydProcess *p = *state;
        int fd = keyd_connect(p);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Recipe recipe = { .key = cases[i].kind, .names = "U:o7s:name:web" };
                _cleanup_(blob_done) Blob certificate = {};
                KeyMessage question, answer;

                print_message("%s\n", cases[i].name);
                keyd_write_key(p, "key.pem", cases[i].kind, 0);
                maker_certificate(&recipe, NULL, &certificate);
                question = sign_question("credential:key.pem", &certificate, cases[i].digest);
                ask(fd, &question, KEY_SIGNED, 0, "", &answer);
                check_signature(&certificate, &question, &answer);
        }

        (void) close(fd);
}

static void test_public(void **state) {
        const KeyMessage question = { .type = KEY_PUBLIC, .key = "credential:key.pem" };
        _cleanup_(blob_done) Blob spki = {};
        const KeydProcess *p = *state;
        KeyMessage answer;
        int fd = keyd_connect(p);

        keyd_write_key(p, "key.pem", MAKER_P256, 0);
        maker_public_key(MAKER_P256, 0, &spki);
        ask(fd, &question, KEY_PUBLIC_IS, 0, "", &answer);
        assert_int_equal(answer.public_size, spki.size);
        assert_memory_equal(answer.public_key, spki.data, spki.size);
        (void) close(fd);
}

static void test_refuses(void **state) {
        const Recipe ours = { .names = "U:o7s:name:web" }, other = { .names = "U:o7s:name:web", .key_number = 1 };
        _cleanup_(blob_done) Blob certificate = {}, other_certificate = {};
        const KeydProcess *p = *state;
        char path[160];
        KeyMessage question, answer;
        int fd = keyd_connect(p);

        maker_certificate(&ours, NULL, &certificate);
        maker_certificate(&other, NULL, &other_certificate);
        (void) snprintf(path, sizeof(path), "%s/key.pem", p->directory);

        question = sign_question(path, &certificate, 672);
        ask(fd, &question, KEY_SIGNED, -ENOENT, "There is no private key", &answer);

        keyd_write_key(p, "key.pem", MAKER_P256, 0);
        assert_int_equal(chmod(path, 0644), 0);
        ask(fd, &question, KEY_SIGNED, -EACCES, "has mode 0644", &answer);
        assert_int_equal(chmod(path, 0400), 0);
        assert_int_equal(chown(path, 12345, (gid_t) -1), 0);
        ask(fd, &question, KEY_SIGNED, -EACCES, "belongs to user 12345", &answer);
        assert_int_equal(chown(path, 0, (gid_t) -1), 0);
        ask(fd, &question, KEY_SIGNED, 0, "", &answer);

        question = sign_question(path, &other_certificate, 672);
        ask(fd, &question, KEY_SIGNED, -EKEYREJECTED, "not that of the private key", &answer);
        question = sign_question(path, &certificate, 672);
        question.header.timestamp -= UINT64_C(120000000000);
        ask(fd, &question, KEY_SIGNED, -EBADMSG, "not of now", &answer);
        question = sign_question("pkcs11:token=none;object=none", &certificate, 672);
        assert_int_equal(keyd_ask(fd, &question, &answer), 0);
        assert_true(answer.result < 0 && answer.signature_size == 0);
        (void) close(fd);
}

/* -- connections -- */

static bool is_hung_up(int fd) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        uint8_t byte;

        return poll(&pfd, 1, 10000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

/* No bytes are a question but questions: whoever sends others is gone, everybody else is served. */
static void test_bytes(void **state) {
        static const uint8_t zeros[KEY_MESSAGE_BYTES_MAX + 1];
        const KeyMessage answer = { .type = KEY_RELOADED }, question = { .type = KEY_RELOAD };
        const KeydProcess *p = *state;
        KeyMessage reply;
        int good = keyd_connect(p), fd;

        fd = keyd_connect(p);
        assert_int_equal(send(fd, "sign this", 9, MSG_NOSIGNAL), 9);
        assert_true(is_hung_up(fd));
        (void) close(fd);

        fd = keyd_connect(p);
        assert_int_equal(send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL), sizeof(zeros));
        assert_true(is_hung_up(fd));
        (void) close(fd);

        fd = keyd_connect(p);
        assert_int_equal(key_message_send(fd, &answer), 0);             /* an answer is no question */
        assert_true(is_hung_up(fd));
        (void) close(fd);

        ask(good, &question, KEY_RELOADED, 0, "", &reply);
        (void) close(good);
}

static void test_strangers(void **state) {
        const KeydProcess *p = *state;
        int status;
        pid_t pid;

        if (geteuid() != 0)
                skip();

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (setgid(65534) < 0 || setuid(65534) < 0)
                        _exit(2);
                _exit(is_hung_up(keyd_connect(p)) ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_many_connections(void **state) {
        const KeyMessage question = { .type = KEY_RELOAD };
        const KeydProcess *p = *state;
        KeyMessage answer;
        int fds[33];

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = keyd_connect(p);
        assert_true(is_hung_up(fds[ELEMENTSOF(fds) - 1]));
        ask(fds[0], &question, KEY_RELOADED, 0, "", &answer);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
}

/* There is a limit to questions, and it comes back. On a host that is too slow to reach it there is nothing to see. */
static void test_rate(void **state) {
        const KeyMessage question = { .type = KEY_PUBLIC, .key = "credential:none" };
        const KeydProcess *p = *state;
        unsigned n_refused = 0;
        int fd = keyd_connect(p);
        usec_t start = time_now();

        for (unsigned i = 0; i < QUESTIONS_MAX && n_refused == 0 && time_now() - start < 10 * USEC_PER_SEC; i++) {
                KeyMessage answer = {};

                assert_int_equal(keyd_ask(fd, &question, &answer), 0);
                assert_true(answer.result == -ENOENT || answer.result == -EBUSY);
                n_refused += answer.result == -EBUSY;
        }

        for (unsigned i = 0; n_refused > 0; i++) {
                KeyMessage answer = {};

                assert_true(i < 1000);
                assert_int_equal(keyd_ask(fd, &question, &answer), 0);
                if (answer.result == -ENOENT)
                        break;
                (void) poll(NULL, 0, 1);
        }
        (void) close(fd);
        if (n_refused == 0)
                skip();
}

/* -- memory -- */

static void take_needle(const gnutls_datum_t *secret, Blob *ret) {
        assert_true(secret->size >= NEEDLE_BYTES);
        blob_add(ret, secret->data + (secret->size - NEEDLE_BYTES) / 2, NEEDLE_BYTES);
}

static unsigned take_needles(MakerKey kind, unsigned number, Blob needles[NEEDLES_MAX]) {
        gnutls_datum_t parts[8] = {}, x, y;
        gnutls_ecc_curve_t curve;
        gnutls_x509_privkey_t key;
        unsigned n = 0;

        assert_true(gnutls_privkey_export_x509(maker_key(kind, number), &key) >= 0);
        if (kind == MAKER_RSA_2048) {
                assert_true(gnutls_x509_privkey_export_rsa_raw2(key, parts, parts + 1, parts + 2, parts + 3, parts + 4,
                                                                parts + 5, parts + 6, parts + 7) >= 0);
                for (unsigned i = 2; i < 8; i++)        /* all but the modulus and its exponent */
                        take_needle(parts + i, needles + n++);
        } else {
                assert_true(gnutls_x509_privkey_export_ecc_raw(key, &curve, &x, &y, parts) >= 0);
                take_needle(parts, needles + n++);
                gnutls_free(x.data);
                gnutls_free(y.data);
        }
        for (unsigned i = 0; i < ELEMENTSOF(parts); i++)
                gnutls_free(parts[i].data);
        gnutls_x509_privkey_deinit(key);

        return n;
}

/* As it stands in the file. */
static unsigned take_line(const KeydProcess *p, const char *name, Blob *needle) {
        char path[160], line[128] = "";
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", p->directory, name);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_non_null(fgets(line, sizeof(line), file));
        assert_non_null(fgets(line, sizeof(line), file));       /* below "BEGIN" */
        (void) fclose(file);

        /* The last of it: the first says which kind of key it is, and is in every one. */
        assert_true(strlen(line) > 60);
        blob_add(needle, line + 40, NEEDLE_BYTES);
        return 1;
}

static void sign_often(int fd, MakerKey kind) {
        const Recipe recipe = { .key = kind, .key_number = 2, .names = "U:o7s:name:web" };
        _cleanup_(blob_done) Blob certificate = {};
        KeyMessage question, answer;

        maker_certificate(&recipe, NULL, &certificate);
        for (unsigned i = 0; i < 50; i++) {
                question = sign_question("credential:searched", &certificate, 0);
                ask(fd, &question, KEY_SIGNED, 0, "", &answer);
        }
}

typedef enum Forgetting {
        BY_MESSAGE,
        BY_SIGNAL,
        BY_FILE,
        _FORGETTING_MAX,
} Forgetting;

static void forget(const KeydProcess *p, int fd, Forgetting how) {
        const KeyMessage reload = { .type = KEY_RELOAD }, question = { .type = KEY_PUBLIC,
                                                                       .key = "credential:searched" };
        KeyMessage answer;
        char path[160];

        (void) snprintf(path, sizeof(path), "%s/searched", p->directory);
        assert_int_equal(unlink(path), 0);
        if (how == BY_MESSAGE)
                ask(fd, &reload, KEY_RELOADED, 0, "", &answer);
        if (how == BY_SIGNAL)
                assert_int_equal(kill(p->pid, SIGHUP), 0);
        ask(fd, &question, KEY_PUBLIC_IS, -ENOENT, "There is no private key", &answer);
}

static void test_memory(void **state) {
        static const MakerKey kinds[] = { MAKER_RSA_2048, MAKER_P256, MAKER_P384, MAKER_P521, MAKER_ED25519,
                                          MAKER_ED448 };
        const KeydProcess *p = *state;
        int fd = keyd_connect(p);

#ifdef __SANITIZE_ADDRESS__
        skip();                 /* the sanitizer keeps what is freed, to see who still uses it */
#endif
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                Blob needles[NEEDLES_MAX] = {};
                MemoryHits before, after;
                unsigned n;

                keyd_write_key(p, "searched", kinds[i], 2);
                n = take_needles(kinds[i], 2, needles);
                n += kinds[i] == MAKER_RSA_2048 ? take_line(p, "searched", needles + n) : 0;

                assert_int_equal(keyd_search(p, needles, n).n, 0);
                sign_often(fd, kinds[i]);
                before = keyd_search(p, needles, n);
                forget(p, fd, (Forgetting) (i % _FORGETTING_MAX));
                after = keyd_search(p, needles, n);

                print_message("%zu: %u places while it is open, %u of them not locked; %u after\n", i, before.n,
                              before.n_unlocked, after.n);
                assert_true(before.n > 0);
                assert_int_equal(before.n_unlocked, 0);
                assert_int_equal(after.n, 0);
                for (unsigned k = 0; k < n; k++)
                        blob_done(needles + k);
        }

        (void) close(fd);
}

static void test_limits(void **state) {
        const KeydProcess *p = *state;
        char path[64], line[256];
        unsigned found = 0;
        FILE *file;

        (void) snprintf(path, sizeof(path), "/proc/%d/limits", (int) p->pid);
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
                if (strncmp(line, "Max core file size", 18) == 0) {
                        char soft[32], hard[32];

                        assert_int_equal(sscanf(line + 18, "%31s %31s", soft, hard), 2);
                        assert_string_equal(soft, "0");
                        assert_string_equal(hard, "0");
                        found++;
                }
        (void) fclose(file);
        assert_int_equal(found, 1);
}

/* -- a token that hangs -- */

/* It costs the process that asks it, which its manager starts anew; not more. */
static void test_stuck_token(void **state) {
        const KeyMessage good = { .type = KEY_PUBLIC, .key = "credential:key.pem" };
        const KeyMessage stuck = { .type = KEY_PUBLIC, .key = SOFT_TOKEN ";object=web" };
        KeyMessage answer;
        SoftToken token;
        KeydProcess p;
        int fd, status;

        soft_token_make(&token);
        if (token.missing)
                skip();
        soft_token_add_key(&token, MAKER_P256, "web", "01");
        soft_token_hang(&token);

        keyd_start(&p, program);
        keyd_write(&p, "pkcs11-pin", SOFT_TOKEN_PIN, STRLEN(SOFT_TOKEN_PIN));
        keyd_write_key(&p, "key.pem", MAKER_P256, 0);
        fd = keyd_connect(&p);
        ask(fd, &good, KEY_PUBLIC_IS, 0, "", &answer);
        assert_int_equal(keyd_ask(fd, &stuck, &answer), -EPIPE);
        (void) close(fd);

        assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
        keyd_clean(&p);
        soft_token_done(&token);
        assert_int_equal(unsetenv("SOFTHSM2_CONF"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                TEST(test_every_kind), TEST(test_public), TEST(test_refuses), TEST(test_bytes), TEST(test_strangers),
                TEST(test_memory), TEST(test_many_connections), TEST(test_limits), TEST(test_rate),
                cmocka_unit_test(test_stuck_token),
        };
        int r;

        if (argc < 2)
                return EXIT_FAILURE;

        program = argv[1];
        r = cmocka_run_group_tests(tests, NULL, NULL);
        maker_done();
        return r;
}
