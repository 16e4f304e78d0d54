/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Private keys in files: whose they must be, and which ones are opened. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <gnutls/x509.h>

#include "libo7s/seal-memory.h"
#include "services/keyd/key.h"
#include "tests/unit/auth/certificate-maker.h"

typedef struct Place {
        char directory[64];
        char path[128];
        KeyStore *store;
} Place;

static void write_file(const char *path, mode_t mode, const void *data, size_t size) {
        int fd;

        (void) unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        assert_int_equal(fchmod(fd, mode), 0);
        (void) close(fd);
}

static void write_key(const char *path, mode_t mode, MakerKey kind, unsigned number) {
        gnutls_x509_privkey_t key;
        gnutls_datum_t pem;

        assert_true(gnutls_privkey_export_x509(maker_key(kind, number), &key) >= 0);
        assert_true(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem) >= 0);
        write_file(path, mode, pem.data, pem.size);
        gnutls_free(pem.data);
        gnutls_x509_privkey_deinit(key);
}

static int setup(void **state) {
        Place *p = calloc(1, sizeof(*p));

        assert_non_null(p);
        (void) snprintf(p->directory, sizeof(p->directory), "/tmp/test-keyd-key.XXXXXX");
        assert_non_null(mkdtemp(p->directory));
        (void) snprintf(p->path, sizeof(p->path), "%s/key.pem", p->directory);
        assert_int_equal(key_store_new(p->directory, &p->store), 0);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        char command[128];
        Place *p = *state;

        p->store = key_store_free(p->store);
        (void) snprintf(command, sizeof(command), "rm -rf %s", p->directory);
        assert_int_equal(system(command), 0);
        free(p);
        return 0;
}

static void expect(Place *p, const char *name, int wanted, const char *says) {
        char text[KEY_TEXT_BYTES_MAX] = "";
        const Key *key = NULL;
        int r;

        r = key_store_get(p->store, name, &key, text);
        if (r != wanted || !strstr(text, says))
                fail_msg("%s: %d, \"%s\"", name, r, text);
        assert_true((key != NULL) == (r == 0));
}

static void test_kinds(void **state) {
        static const struct {
                const char *name;
                MakerKey kind;
                int r;
                const char *says;
        } cases[] = {
                { "P-256",    MAKER_P256,     0,           ""               },
                { "P-384",    MAKER_P384,     0,           ""               },
                { "P-521",    MAKER_P521,     0,           ""               },
                { "Ed25519",  MAKER_ED25519,  0,           ""               },
                { "Ed448",    MAKER_ED448,    0,           ""               },
                { "RSA 2048", MAKER_RSA_2048, 0,           ""               },
                { "RSA 1024", MAKER_RSA_1024, -EOPNOTSUPP, "1024 bits"      },
                { "P-192",    MAKER_P192,     -EOPNOTSUPP, "curves"         },
                { "DSA",      MAKER_DSA,      -EOPNOTSUPP, "not accepted"   },
        };
        Place *p = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                write_key(p->path, 0400, cases[i].kind, 0);
                expect(p, p->path, cases[i].r, cases[i].says);
                expect(p, "credential:key.pem", cases[i].r, cases[i].says);
        }
}

static void test_modes(void **state) {
        static const struct {
                mode_t mode;
                int r;
        } cases[] = {
                { 0400, 0 }, { 0600, 0 }, { 0440, 0 }, { 0640, 0 }, { 0000, 0 }, { 0404, -EACCES }, { 0604, -EACCES },
                { 0644, -EACCES }, { 0420, -EACCES }, { 0660, -EACCES }, { 0602, -EACCES }, { 0777, -EACCES },
                { 0500, -EACCES }, { 04400, -EACCES },
        };
        Place *p = *state;

        if (geteuid() != 0)
                skip();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%04o\n", (unsigned) cases[i].mode);
                write_key(p->path, cases[i].mode, MAKER_P256, 0);
                expect(p, p->path, cases[i].r, cases[i].r < 0 ? "has mode" : "");
        }
}

static void test_owners(void **state) {
        Place *p = *state;

        if (geteuid() != 0)
                skip();

        write_key(p->path, 0400, MAKER_P256, 0);
        assert_int_equal(chown(p->path, 12345, (gid_t) -1), 0);
        expect(p, p->path, -EACCES, "belongs to user 12345");

        /* A group that is not ours may not read, unless the service manager says that it is ours by another way. */
        write_key(p->path, 0440, MAKER_P256, 0);
        assert_int_equal(chown(p->path, (uid_t) -1, 12345), 0);
        expect(p, p->path, -EACCES, "has mode 0440");
        expect(p, "credential:key.pem", 0, "");
}

static void test_not_files(void **state) {
        char link[160], pipe[160], path[192];
        Place *p = *state;

        write_key(p->path, 0400, MAKER_P256, 0);
        (void) snprintf(link, sizeof(link), "%s/link", p->directory);
        assert_int_equal(symlink(p->path, link), 0);
        expect(p, link, -EACCES, "symbolic link");

        (void) snprintf(pipe, sizeof(pipe), "%s/pipe", p->directory);
        assert_int_equal(mkfifo(pipe, 0400), 0);
        expect(p, pipe, -EACCES, "not a regular file");

        expect(p, p->directory, -EACCES, "not a regular file");
        expect(p, "/dev/null", -EACCES, "not a regular file");
        (void) snprintf(path, sizeof(path), "%s/../%s/key.pem", p->directory, p->directory + STRLEN("/tmp/"));
        expect(p, path, -ENOENT, "no name of a private key");
}

static void test_names(void **state) {
        Place *p = *state;

        expect(p, "key.pem", -ENOENT, "no name of a private key");
        expect(p, "", -ENOENT, "no name of a private key");
        expect(p, p->path, -ENOENT, "There is no private key");
        expect(p, "credential:", -ENOENT, "no name of a credential");
        expect(p, "credential:../key.pem", -ENOENT, "no name of a credential");
        expect(p, "credential:a/b", -ENOENT, "no name of a credential");
        expect(p, "credential:.hidden", -ENOENT, "no name of a credential");
        expect(p, "credential:none", -ENOENT, "There is no private key");
        expect(p, "file:///etc/shadow", -ENOENT, "no name of a private key");
        expect(p, "tpmkey:uuid=1", -ENOENT, "no name of a private key");
}

/* No token is attached here: the way there ends in a sentence. */
static void test_token(void **state) {
        char text[KEY_TEXT_BYTES_MAX] = "";
        const Key *key = NULL;
        Place *p = *state;
        int r;

        r = key_store_get(p->store, "pkcs11:token=there-is-no-such-token;object=key", &key, text);
        assert_true(r == -ENOENT || r == -EBADMSG);
        assert_null(key);
        assert_non_null(strstr(text, "pkcs11:token=there-is-no-such-token"));
}

static void test_no_credentials(void **state) {
        KeyStore *store;
        char text[KEY_TEXT_BYTES_MAX];
        const Key *key;

        assert_int_equal(key_store_new(NULL, &store), 0);
        assert_int_equal(key_store_get(store, "credential:web", &key, text), -ENOENT);
        assert_non_null(strstr(text, "LoadCredentialEncrypted=web"));
        key_store_free(store);
}

static void test_contents(void **state) {
        static const char certificate[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        _cleanup_free_ uint8_t *large = calloc(1, KEY_FILE_BYTES_MAX + 1);
        gnutls_x509_privkey_t key;
        gnutls_datum_t pem;
        Place *p = *state;

        write_file(p->path, 0400, "", 0);
        expect(p, p->path, -EBADMSG, "empty");
        write_file(p->path, 0400, large, KEY_FILE_BYTES_MAX + 1);
        expect(p, p->path, -EBADMSG, "larger");
        write_file(p->path, 0400, large, KEY_FILE_BYTES_MAX);
        expect(p, p->path, -EBADMSG, "cannot be used");
        write_file(p->path, 0400, certificate, sizeof(certificate) - 1);
        expect(p, p->path, -EBADMSG, "cannot be used");

        assert_true(gnutls_privkey_export_x509(maker_key(MAKER_P256, 0), &key) >= 0);
        assert_true(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, "secret", GNUTLS_PKCS_PBES2_AES_256,
                                                      &pem) >= 0);
        write_file(p->path, 0400, pem.data, pem.size);
        gnutls_free(pem.data);
        expect(p, p->path, -EBADMSG, "encrypted");

        /* The form before PKCS #8, and DER. */
        assert_true(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem) >= 0);
        write_file(p->path, 0400, pem.data, pem.size);
        gnutls_free(pem.data);
        expect(p, p->path, 0, "");
        assert_true(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_DER, &pem) >= 0);
        write_file(p->path, 0400, pem.data, pem.size);
        gnutls_free(pem.data);
        expect(p, p->path, 0, "");
        gnutls_x509_privkey_deinit(key);
}

/* A file that changes is read again, one that goes takes its key along. */
static void test_change(void **state) {
        _cleanup_(blob_done) Blob first = {}, second = {};
        char text[KEY_TEXT_BYTES_MAX];
        Place *p = *state;
        const Key *key;

        maker_public_key(MAKER_P256, 0, &first);
        maker_public_key(MAKER_P256, 1, &second);

        write_key(p->path, 0400, MAKER_P256, 0);
        assert_int_equal(key_store_get(p->store, p->path, &key, text), 0);
        assert_memory_equal(key->public_key, first.data, first.size);
        assert_int_equal(p->store->n_keys, 1);

        write_key(p->path, 0400, MAKER_P256, 1);
        assert_int_equal(key_store_get(p->store, p->path, &key, text), 0);
        assert_memory_equal(key->public_key, second.data, second.size);
        assert_int_equal(p->store->n_keys, 1);

        assert_int_equal(chmod(p->path, 0444), 0);
        expect(p, p->path, -EACCES, "has mode 0444");
        assert_int_equal(p->store->n_keys, 0);

        assert_int_equal(chmod(p->path, 0400), 0);
        expect(p, p->path, 0, "");
        assert_int_equal(unlink(p->path), 0);
        expect(p, p->path, -ENOENT, "There is no private key");
        assert_int_equal(p->store->n_keys, 0);
}

/* There is a limit to how many are open. */
static void test_many(void **state) {
        Place *p = *state;
        char path[160];

        for (unsigned i = 0; i < KEYS_MAX + 4; i++) {
                (void) snprintf(path, sizeof(path), "%s/%u", p->directory, i);
                write_key(path, 0400, MAKER_ED25519, 0);
                expect(p, path, 0, "");
        }

        assert_int_equal(p->store->n_keys, KEYS_MAX);
        assert_int_equal(key_store_forget(p->store), KEYS_MAX);
        assert_int_equal(p->store->n_keys, 0);
}

static int group_teardown(void **state) {
        maker_done();
        return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_kinds), TEST(test_modes), TEST(test_owners), TEST(test_not_files), TEST(test_names),
                TEST(test_token), cmocka_unit_test(test_no_credentials), TEST(test_contents), TEST(test_change),
                TEST(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, group_teardown);
}
