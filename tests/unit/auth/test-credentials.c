/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Credentials in files: what is found for a name, what fails and says which file, and what a change brings. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "services/auth/credentials.h"
#include "tests/unit/auth/certificate-maker.h"

#define NOW ((uint64_t) MAKER_NOW * 1000000000U)

typedef struct Host {
        char root[64];
        CredentialStore *store;
} Host;

static const Recipe root_recipe = { .subject = "C:Root", .key_number = 1, .constraints = CONSTRAINTS_AUTHORITY };
static const Recipe middle_recipe = { .subject = "C:Middle", .key_number = 2, .constraints = CONSTRAINTS_AUTHORITY };
static const Recipe leaf_recipe = { .subject = "C:Web", .names = "U:o7s:name:web" };

static int setup(void **state) {
        Host *h = calloc(1, sizeof(*h));

        assert_non_null(h);
        (void) snprintf(h->root, sizeof(h->root), "/tmp/test-credentials.XXXXXX");
        assert_non_null(mkdtemp(h->root));
        assert_int_equal(credential_store_new(h->root, &h->store), 0);
        *state = h;
        return 0;
}

static int teardown(void **state) {
        char command[128];
        Host *h = *state;

        credential_store_free(h->store);
        (void) snprintf(command, sizeof(command), "rm -rf %s", h->root);
        assert_int_equal(system(command), 0);
        free(h);
        return 0;
}

/* -- files -- */

static void write_file(const Host *h, const char *path, const void *data, size_t size) {
        char whole[256];
        FILE *file;

        (void) snprintf(whole, sizeof(whole), "%s/etc/%s", h->root, path);
        for (char *slash = whole + strlen(h->root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }

        (void) unlink(whole);           /* a new one each time, as a tool that renews certificates does it */
        file = fopen(whole, "we");
        assert_non_null(file);
        assert_int_equal(fwrite(data, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
}

static void write_text(const Host *h, const char *path, const char *text) {
        write_file(h, path, text, strlen(text));
}

static void write_certificate(const Host *h, const char *path, const Recipe *recipe, const Recipe *issuer) {
        _cleanup_(blob_done) Blob der = {}, pem = {};

        maker_certificate(recipe, issuer, &der);
        maker_pem("CERTIFICATE", &der, &pem);
        write_file(h, path, pem.data, pem.size);
}

static void write_pair(const Host *h, const char *directory) {
        char path[160];

        (void) snprintf(path, sizeof(path), "%s/crt.pem", directory);
        write_certificate(h, path, &leaf_recipe, &root_recipe);
        (void) snprintf(path, sizeof(path), "%s/key.pem", directory);
        write_text(h, path, "o7s-auth never opens it");
}

static void expect(Host *h, const char *name, const SecurityPolicy *policy, bool server, int wanted, const char *says,
                   Credentials *ret) {
        char text[AUTH_TEXT_BYTES_MAX] = "";
        int r;

        *ret = (Credentials) {};
        (void) credential_store_refresh(h->store);
        r = credentials_find(h->store, name, policy, server, NOW, ret, text);
        if (r != wanted || !strstr(text, says))
                fail_msg("%d, \"%s\", not %d, \"%s\"", r, text, wanted, says);
}

/* -- what is found -- */

static void test_nothing(void **state) {
        Credentials c;

        expect(*state, "web", NULL, true, 0, "", &c);
        assert_null(c.certificate);
        assert_null(c.trust);
        assert_int_equal(c.authentication, AUTHENTICATION_NONE);
        assert_int_equal(c.encryption, ENCRYPTION_OPPORTUNISTIC);
        assert_int_equal(c.peer, PEER_ANY);
        assert_false(c.none);
        assert_null(c.cipher);

        expect(*state, "web", NULL, false, 0, "", &c);
        assert_int_equal(c.authentication, AUTHENTICATION_NONE);
}

static void test_pair(void **state) {
        _cleanup_(blob_done) Blob der = {};
        char key[128];
        Host *h = *state;
        Credentials c;

        write_pair(h, "o7s/security/server/web");
        expect(h, "web", NULL, true, 0, "", &c);
        maker_certificate(&leaf_recipe, &root_recipe, &der);
        assert_int_equal(c.certificate[0], 0x30);
        /* signatures differ by a byte or two */
        assert_true(c.certificate_size > der.size - 8 && c.certificate_size < der.size + 8);
        (void) snprintf(key, sizeof(key), "%s/etc/o7s/security/server/web/key.pem", h->root);
        assert_string_equal(c.private_key, key);
        assert_int_equal(c.authentication, AUTHENTICATION_SERVER);

        /* The other side, and other names, have none of it. */
        expect(h, "web", NULL, false, 0, "", &c);
        assert_null(c.certificate);
        expect(h, "web2", NULL, true, 0, "", &c);
        assert_null(c.certificate);
        expect(h, "../server/web", NULL, true, 0, "", &c);
        assert_null(c.certificate);
        expect(h, "..", NULL, true, 0, "", &c);
        assert_null(c.certificate);
}

static void test_anchors(void **state) {
        Host *h = *state;
        Credentials c;

        write_certificate(h, "o7s/security/cacert/root.pem", &root_recipe, NULL);
        expect(h, "web", NULL, false, 0, "", &c);
        assert_int_equal(c.authentication, AUTHENTICATION_SERVER);
        assert_int_equal(trust_n_anchors(c.trust), 1);

        /* Who serves shows what he has, and has nothing. */
        expect(h, "web", NULL, true, 0, "", &c);
        assert_int_equal(c.authentication, AUTHENTICATION_NONE);

        /* An intermediate is no anchor. */
        write_certificate(h, "o7s/security/untrusted/middle.pem", &middle_recipe, &root_recipe);
        expect(h, "web", NULL, false, 0, "", &c);
        assert_int_equal(trust_n_anchors(c.trust), 1);
}

static void test_reference_directory(void **state) {
        Host *h = *state;
        Credentials c;

        write_pair(h, "ouroboros/security/server/web");
        expect(h, "web", NULL, true, 0, "", &c);
        assert_non_null(c.certificate);

        /* Where ours is, theirs is not looked at. */
        write_certificate(h, "o7s/security/cacert/root.pem", &root_recipe, NULL);
        expect(h, "web", NULL, true, 0, "", &c);
        assert_null(c.certificate);
}

static void test_enc_conf(void **state) {
        Host *h = *state;
        const SecurityPolicy no = { .encryption = ENCRYPTION_NO };
        Credentials c;

        write_text(h, "o7s/security/client/web/enc.conf", "kex=X448\ncipher=aes-256-gcm\nkdf=sha512\ndigest=sha384\n");
        expect(h, "web", NULL, false, 0, "", &c);
        assert_string_equal(c.key_exchange, "X448");
        assert_string_equal(c.cipher, "aes-256-gcm");
        assert_string_equal(c.derivation, "sha512");
        assert_string_equal(c.digest, "sha384");
        assert_int_equal(c.encryption, ENCRYPTION_REQUIRED);
        expect(h, "web", &no, false, 0, "", &c);
        assert_int_equal(c.encryption, ENCRYPTION_NO);

        write_text(h, "o7s/security/client/web/enc.conf", "none\n");
        expect(h, "web", NULL, false, 0, "", &c);
        assert_true(c.none);
        assert_int_equal(c.encryption, ENCRYPTION_NO);

        write_text(h, "o7s/security/client/web/enc.conf", "\ncipher=rot13\n");
        expect(h, "web", NULL, false, -ENOKEY, "client/web/enc.conf:2:", &c);
}

/* -- policies -- */

static void test_policy_paths(void **state) {
        Host *h = *state;
        SecurityPolicy policy = {};
        char path[128];
        Credentials c;

        write_pair(h, "elsewhere");
        (void) snprintf(path, sizeof(path), "%s/etc/elsewhere/crt.pem", h->root);
        policy.certificate = path;
        expect(h, "web", &policy, true, -ENOKEY, "has no private key", &c);
        policy.private_key = (char *) (uintptr_t) "credential:web";
        expect(h, "web", &policy, true, 0, "", &c);
        assert_non_null(c.certificate);
        assert_string_equal(c.private_key, "credential:web");

        policy.certificate = NULL;
        expect(h, "web", &policy, true, -ENOKEY, "has no certificate", &c);
        policy.certificate = (char *) (uintptr_t) "/nonexistent/crt.pem";
        expect(h, "web", &policy, true, -ENOKEY, "/nonexistent/crt.pem cannot be used", &c);
}

/* What is asked for by name must be there: an anchor that is missing must not look like none. */
static void test_policy_anchors(void **state) {
        Host *h = *state;
        SecurityPolicy policy = {};
        char path[128];
        Credentials c;

        assert_int_equal(conf_strings_add(&policy.trust_anchors, "/nonexistent/root.pem"), 0);
        expect(h, "web", &policy, false, -ENOKEY, "/nonexistent/root.pem cannot be used", &c);
        conf_strings_done(&policy.trust_anchors);

        write_certificate(h, "elsewhere/root.pem", &root_recipe, NULL);
        (void) snprintf(path, sizeof(path), "%s/etc/elsewhere/root.pem", h->root);
        assert_int_equal(conf_strings_add(&policy.trust_anchors, path), 0);
        expect(h, "web", &policy, false, 0, "", &c);
        assert_int_equal(trust_n_anchors(c.trust), 1);
        assert_int_equal(conf_strings_add(&policy.revocation_lists, "/nonexistent/crl.pem"), 0);
        expect(h, "web", &policy, false, -ENOKEY, "/nonexistent/crl.pem cannot be used", &c);
        security_policy_done(&policy);

        /* A pin is as good as an anchor. */
        assert_int_equal(conf_strings_add(&policy.pins, "sha256:00"), 0);
        expect(h, "web", &policy, false, 0, "", &c);
        assert_int_equal(c.authentication, AUTHENTICATION_SERVER);
        assert_non_null(c.trust);
        security_policy_done(&policy);
}

static void test_authentication(void **state) {
        static const struct {
                const char *name;
                int authentication;
                bool server, pair, anchor;
                int r;
                const char *says;
        } cases[] = {
                { "server, nothing there",       AUTHENTICATION_SERVER, true,  false, false, -ENOKEY,
                  "needs a certificate of web"       },
                { "server",                      AUTHENTICATION_SERVER, true,  true,  false, 0,
                  ""                                 },
                { "server, mutual, no anchor",   AUTHENTICATION_MUTUAL, true,  true,  false, -ENOKEY,
                  "needs a trust anchor"             },
                { "server, mutual",              AUTHENTICATION_MUTUAL, true,  true,  true,  0,
                  ""                                 },
                { "server, none",                AUTHENTICATION_NONE,   true,  false, false, 0,
                  ""                                 },
                { "client, no anchor",           AUTHENTICATION_SERVER, false, true,  false, -ENOKEY,
                  "needs a trust anchor"             },
                { "client",                      AUTHENTICATION_SERVER, false, false, true,  0,
                  ""                                 },
                { "client, mutual, nothing",     AUTHENTICATION_MUTUAL, false, false, true,  -ENOKEY,
                  "needs a certificate to show to web" },
                { "client, mutual",              AUTHENTICATION_MUTUAL, false, true,  true,  0,
                  ""                                 },
                { "client, none",                AUTHENTICATION_NONE,   false, false, true,  0,
                  ""                                 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const SecurityPolicy policy = { .authentication = cases[i].authentication };
                void *host;
                Credentials c;

                print_message("%s\n", cases[i].name);
                assert_int_equal(setup(&host), 0);
                if (cases[i].pair)
                        write_pair(host, cases[i].server ? "o7s/security/server/web" : "o7s/security/client/web");
                if (cases[i].anchor)
                        write_certificate(host, "o7s/security/cacert/root.pem", &root_recipe, NULL);
                expect(host, "web", &policy, cases[i].server, cases[i].r, cases[i].says, &c);
                if (cases[i].r == 0)
                        assert_int_equal(c.authentication, cases[i].authentication);
                assert_int_equal(teardown(&host), 0);
        }
}

/* -- what is no good -- */

static void test_bad_files(void **state) {
        static const struct {
                const char *name;
                const char *path;
                const char *text;
                bool server;
        } cases[] = {
                { "an anchor that is text",        "o7s/security/cacert/readme",     "put anchors here\n", false },
                { "an anchor that is empty",       "o7s/security/cacert/empty.pem",  "", false },
                { "an anchor that is a key",       "o7s/security/cacert/key.pem",
                  "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", false },
                { "an anchor with a bad block",    "o7s/security/cacert/bad.pem",
                  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", false },
                { "an anchor without its end",     "o7s/security/cacert/cut.pem",
                  "-----BEGIN CERTIFICATE-----\nAAAA\n", false },
                { "an intermediate that is text",  "o7s/security/untrusted/x",       "x", true },
                { "a list that is text",           "o7s/security/crl/x",             "x", true },
                { "a directory among the anchors", "o7s/security/cacert/old/x",      "x", false },
                { "a certificate that is text",    "o7s/security/server/web/crt.pem", "x", true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                void *host;
                Credentials c;

                print_message("%s\n", cases[i].name);
                assert_int_equal(setup(&host), 0);
                write_pair(host, "o7s/security/server/web");
                expect(host, "web", NULL, cases[i].server, 0, "", &c);
                write_text(host, cases[i].path, cases[i].text);
                expect(host, "web", NULL, cases[i].server, -ENOKEY, " cannot be used: ", &c);
                assert_int_equal(teardown(&host), 0);
        }
}

static void test_bad_certificates(void **state) {
        const Recipe expired = { .names = "U:o7s:name:web", .from = DAYS(-10), .until = -1 },
                     early = { .names = "U:o7s:name:web", .from = 1, .until = DAYS(1) },
                     weak = { .names = "U:o7s:name:web", .key = MAKER_RSA_1024 },
                     odd = { .names = "U:o7s:name:web\\x00" };
        Host *h = *state;
        char path[160];
        Credentials c;

        write_pair(h, "o7s/security/server/web");
        write_certificate(h, "o7s/security/server/web/crt.pem", &expired, NULL);
        expect(h, "web", NULL, true, -ENOKEY, "web/crt.pem cannot be used: The certificate of CN=somebody expired", &c);
        write_certificate(h, "o7s/security/server/web/crt.pem", &early, NULL);
        expect(h, "web", NULL, true, -ENOKEY, "valid from", &c);
        write_certificate(h, "o7s/security/server/web/crt.pem", &weak, NULL);
        expect(h, "web", NULL, true, -ENOKEY, "1024 bits", &c);
        write_certificate(h, "o7s/security/server/web/crt.pem", &odd, NULL);
        expect(h, "web", NULL, true, -ENOKEY, "web/crt.pem cannot be used", &c);

        write_pair(h, "o7s/security/server/web");
        (void) snprintf(path, sizeof(path), "%s/etc/o7s/security/server/web/key.pem", h->root);
        assert_int_equal(unlink(path), 0);
        expect(h, "web", NULL, true, -ENOKEY, "has no private key", &c);
        (void) snprintf(path, sizeof(path), "%s/etc/o7s/security/server/web/crt.pem", h->root);
        assert_int_equal(unlink(path), 0);
        expect(h, "web", NULL, true, 0, "", &c);
        assert_null(c.certificate);

        /* A key that waits for its certificate. */
        write_text(h, "o7s/security/server/web/key.pem", "x");
        expect(h, "web", NULL, true, 0, "", &c);
        assert_null(c.certificate);
}

/* -- changes -- */

static void test_refresh(void **state) {
        Host *h = *state;
        char path[160];
        Credentials c;
        Trust *held;

        expect(h, "web", NULL, false, 0, "", &c);
        assert_int_equal(credential_store_refresh(h->store), 0);

        write_certificate(h, "o7s/security/cacert/root.pem", &root_recipe, NULL);
        assert_int_equal(credential_store_refresh(h->store), 1);
        assert_int_equal(credential_store_refresh(h->store), 0);
        expect(h, "web", NULL, false, 0, "", &c);
        assert_int_equal(trust_n_anchors(c.trust), 1);

        /* A handshake under way keeps what it began with. */
        held = trust_ref(c.trust);
        write_certificate(h, "o7s/security/cacert/another.pem", &middle_recipe, NULL);
        assert_int_equal(credential_store_refresh(h->store), 1);
        assert_int_equal(trust_n_anchors(held), 1);
        trust_free(held);
        expect(h, "web", NULL, false, 0, "", &c);
        assert_int_equal(trust_n_anchors(c.trust), 2);

        (void) snprintf(path, sizeof(path), "%s/etc/o7s/security/cacert/root.pem", h->root);
        assert_int_equal(unlink(path), 0);
        expect(h, "web", NULL, false, 0, "", &c);
        assert_int_equal(trust_n_anchors(c.trust), 1);
}

static void test_reload(void **state) {
        char text[AUTH_TEXT_BYTES_MAX] = "";
        Host *h = *state;

        assert_int_equal(credential_store_reload(h->store, text), 0);
        write_text(h, "o7s/security/cacert/readme", "x");
        assert_int_equal(credential_store_reload(h->store, text), -ENOKEY);
        assert_non_null(strstr(text, "cacert/readme"));
}

/* R-12, OAP-4: without a descriptor left nothing can be read, and nothing counts as not being there. */
static void test_no_descriptors(void **state) {
        struct rlimit before, none;
        Host *h = *state;
        Credentials c;
        int next;

        write_pair(h, "o7s/security/server/web");
        write_certificate(h, "o7s/security/cacert/root.pem", &root_recipe, NULL);

        next = dup(STDIN_FILENO);
        assert_true(next >= 0);
        (void) close(next);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit) { .rlim_cur = (rlim_t) next, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        expect(h, "web", NULL, true, -ENOKEY, strerror(EMFILE), &c);
        expect(h, "web", NULL, false, -ENOKEY, strerror(EMFILE), &c);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

        /* Nobody has to touch the files for that to be over. */
        (void) credential_store_refresh(h->store);
        expect(h, "web", NULL, true, 0, "", &c);
        assert_non_null(c.certificate);
        expect(h, "web", NULL, false, 0, "", &c);
        assert_int_equal(c.authentication, AUTHENTICATION_SERVER);
}

/* More names than the cache holds: those that were asked for longest ago go. */
static void test_many(void **state) {
        Host *h = *state;
        char name[32];
        Credentials c;

        write_pair(h, "o7s/security/server/web");
        for (unsigned i = 0; i < 1200; i++) {
                (void) snprintf(name, sizeof(name), "name-%u", i);
                assert_int_equal(credentials_find(h->store, name, NULL, true, NOW, &c, (char[AUTH_TEXT_BYTES_MAX]){}),
                                 0);
                assert_int_equal(credentials_find(h->store, "web", NULL, true, NOW, &c, (char[AUTH_TEXT_BYTES_MAX]){}),
                                 0);
                assert_non_null(c.certificate);
        }
}

/* -- for people -- */

static const AuthFinding *finding_of(const AuthFinding *findings, int n, const char *subject, const char *says) {
        for (int i = 0; i < n; i++)
                if (strstr(findings[i].subject, subject) && strstr(findings[i].text, says))
                        return findings + i;

        for (int i = 0; i < n; i++)
                print_error("%d %s: %s\n", findings[i].result, findings[i].subject, findings[i].text);
        fail_msg("nothing about %s, %s", subject, says);
        return NULL;
}

static void test_inspect(void **state) {
        const Recipe other = { .names = "U:o7s:name:other" },
        ended = { .subject = "C:Ended", .constraints = CONSTRAINTS_AUTHORITY, .key_number = 3,
                               .from = DAYS(-9), .until = DAYS(-1) };
        const ListRecipe list = { .from = DAYS(-9), .until = DAYS(-2) };
        _cleanup_(blob_done) Blob der = {};
        AuthFinding findings[16];
        const AuthFinding *f;
        Host *h = *state;
        int n;

        n = credentials_inspect(h->store, "web", NULL, true, NOW, findings, ELEMENTSOF(findings));
        assert_int_equal(n, 1);
        assert_int_equal(finding_of(findings, n, "trust", "no trust anchors")->result, 0);

        write_certificate(h, "o7s/security/cacert/root.pem", &root_recipe, NULL);
        write_pair(h, "o7s/security/server/web");
        (void) credential_store_refresh(h->store);
        n = credentials_inspect(h->store, "web", NULL, true, NOW, findings, ELEMENTSOF(findings));
        f = finding_of(findings, n, "server/web/crt.pem",
                       "certificate of CN=Web, issued by CN=Root, valid until 2026-07-01");
        assert_int_equal(f->result, 0);
        assert_true(f->expiry_usec == (uint64_t) (MAKER_NOW + DAYS(30)) * 1000000U);
        assert_int_equal(finding_of(findings, n, "server/web/crt.pem", "proves o7s:name:web")->result, 0);
        assert_int_equal(finding_of(findings, n, "server/web/key.pem", "private key of web")->result, 0);
        assert_int_equal(finding_of(findings, n, "CN=Root", "trust anchor CN=Root")->result, 0);

        /* The wrong name, an anchor that ended, a list that is old, a file that is none. */
        write_certificate(h, "o7s/security/server/web/crt.pem", &other, &root_recipe);
        write_certificate(h, "o7s/security/cacert/ended.pem", &ended, NULL);
        maker_list(&list, &root_recipe, NULL, &der);
        write_file(h, "o7s/security/crl/root.crl", der.data, der.size);
        (void) credential_store_refresh(h->store);
        n = credentials_inspect(h->store, "web", NULL, true, NOW, findings, ELEMENTSOF(findings));
        assert_int_equal(finding_of(findings, n, "server/web/crt.pem", "not for the name web")->result, -EKEYREJECTED);
        assert_true(finding_of(findings, n, "CN=Ended", "expired")->result < 0);
        assert_true(finding_of(findings, n, "CN=Root", "out of date")->result < 0);

        /* Of all names. */
        write_text(h, "o7s/security/client/bad/crt.pem", "x");
        write_text(h, "o7s/security/client/bad/key.pem", "x");
        (void) credential_store_refresh(h->store);
        n = credentials_inspect(h->store, NULL, NULL, true, NOW, findings, ELEMENTSOF(findings));
        assert_int_equal(finding_of(findings, n, "bad", "client/bad/crt.pem cannot be used")->result, -ENOKEY);
        assert_int_equal(finding_of(findings, n, "server/web/crt.pem", "issued by CN=Root")->result, 0);

        /* No more than there is room for. */
        assert_int_equal(credentials_inspect(h->store, NULL, NULL, true, NOW, findings, 2), 2);
        assert_int_equal(credentials_inspect(h->store, NULL, NULL, true, NOW, NULL, 0), 0);
}

static int group_teardown(void **state) {
        maker_done();
        return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_nothing),         TEST(test_pair),            TEST(test_anchors),
                TEST(test_reference_directory), TEST(test_enc_conf),    TEST(test_policy_paths),
                TEST(test_policy_anchors),  cmocka_unit_test(test_authentication), cmocka_unit_test(test_bad_files),
                TEST(test_bad_certificates), TEST(test_refresh),        TEST(test_reload),
                TEST(test_many),            TEST(test_inspect),         TEST(test_no_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, group_teardown);
}
