/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whole command lines that work with files alone, below a directory of the test's own: authorities, policies of
 * names, import, doctor. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "basic/string.h"
#include "o7sctl/file.h"
#include "o7sctl/o7sctl.h"
#include "tests/unit/o7sctl/run.h"

static char root[] = "/tmp/o7sctl-security-XXXXXX";
static Run result;

/* "%s" in it is the directory. Everything in "text" is printed, one way or the other. */
static void expect(int status, const char *text, const char *line) {
        _cleanup_free_ char *words = NULL, *full = NULL;

        assert_true(format_string(&words, line, root, root, root) >= 0);
        assert_true(format_string(&full, "o7sctl %s", words) >= 0);
        run(&result, full);
        if (result.status != status)
                fail_msg("%s: status %d, not %d\n%s%s", full, result.status, status, result.out, result.err);
        if (!strstr(result.out, text) && !strstr(result.err, text))
                fail_msg("%s: no '%s' in:\n%s%s", full, text, result.out, result.err);
}

static char *path_of(const char *path) {
        char *full;

        assert_true(format_string(&full, "%s%s", root, path) >= 0);
        return full;
}

static void put(const char *path, const char *text) {
        _cleanup_free_ char *full = path_of(path), *directory = strdup(full);

        *strrchr(directory, '/') = '\0';
        assert_int_equal(directory_make(directory), 0);
        assert_int_equal(file_write(full, text, &FILE_TERMS(0644)), 0);
}

static char *get(const char *path) {
        _cleanup_free_ char *full = path_of(path);
        char *text = NULL;

        if (file_read(full, FILE_BYTES_MAX, &text, NULL) < 0)
                fail_msg("%s is not there", full);
        return text;
}

static void assert_text(const char *path, const char *expected) {
        _cleanup_free_ char *text = get(path);

        assert_string_equal(text, expected);
}

static void assert_mode(const char *path, mode_t mode) {
        _cleanup_free_ char *full = path_of(path);
        struct stat st;

        assert_int_equal(stat(full, &st), 0);
        if ((st.st_mode & 07777) != mode)
                fail_msg("%s has mode %o, not %o", path, st.st_mode & 07777, mode);
}

static void change_mode(const char *path, mode_t mode) {
        _cleanup_free_ char *full = path_of(path);

        assert_int_equal(chmod(full, mode), 0);
}

#define SECURITY "/etc/o7s/security"

/* -- ca -- */

static void test_authority(void **state) {
        _cleanup_free_ char *before = NULL, *after = NULL, *key = NULL;

        expect(EXIT_FAILED, "there is no authority here", "ca issue a --root=%s");
        expect(EXIT_FAILED, "there is no authority here", "ca trust --root=%s");
        expect(EXIT_FINE, "No certificates.", "ca list --root=%s");

        expect(EXIT_USAGE, "is no type of key", "ca init --key-type=rot13 --root=%s");
        expect(EXIT_FINE, "Made the authority 'Home'", "ca init Home --root=%s");
        assert_mode("/etc/o7s/ca/key.pem", 0600);
        assert_mode("/etc/o7s/ca/ca.pem", 0644);

        /* A second one would orphan what the first has signed. */
        before = get("/etc/o7s/ca/key.pem");
        expect(EXIT_FAILED, "which is never replaced", "ca init Other --root=%s");
        after = get("/etc/o7s/ca/key.pem");
        assert_string_equal(before, after);

        expect(EXIT_FINE, "Issued a certificate for 'web.example' (server)", "ca issue web.example --root=%s");
        assert_mode(SECURITY "/server/web.example/key.pem", 0400);
        assert_mode(SECURITY "/server/web.example/crt.pem", 0644);
        key = get(SECURITY "/server/web.example/key.pem");
        assert_non_null(strstr(key, "-----BEGIN PRIVATE KEY-----"));
        expect(EXIT_FINE, "(client)", "ca issue web.example --client --key-type=ed25519 --days=7 --root=%s");
        assert_mode(SECURITY "/client/web.example/key.pem", 0400);

        expect(EXIT_FINE, "import DIRECTORY", "ca issue far.example --root=%s --out=%s/out");
        assert_mode("/out/key.pem", 0600);

        expect(EXIT_USAGE, "cannot be a name", "ca issue .. --root=%s");
        expect(EXIT_USAGE, "cannot be a name", "ca issue a/b --root=%s");
        expect(EXIT_USAGE, "from 1 to 36500", "ca issue a --days=0 --root=%s");
        expect(EXIT_USAGE, "takes no --client", "ca init --client --root=%s");
        expect(EXIT_USAGE, "Too few arguments for 'ca issue'", "ca issue --root=%s");
        expect(EXIT_USAGE, "nothing that can be done", "ca destroy --root=%s");
}

static void test_trust(void **state) {
        static const char anchors[] = "cd %s" SECURITY "/cacert && ls | wc -l";

        expect(EXIT_FINE, "This host trusts 'Home' now", "ca trust --root=%s");
        expect(EXIT_FINE, "This host trusts 'Home' now", "ca trust %s/etc/o7s/ca/ca.pem --root=%s");
        {                                               /* twice the same is once */
                _cleanup_free_ char *command = NULL;
                char count[16] = "";
                FILE *stream;

                assert_true(format_string(&command, anchors, root) >= 0);
                stream = popen(command, "re");
                assert_non_null(stream);
                assert_non_null(fgets(count, sizeof(count), stream));
                assert_int_equal(pclose(stream), 0);
                assert_string_equal(count, "1\n");
        }

        put("/nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        put("/list.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
        expect(EXIT_FAILED, "No such file", "ca trust %s/nowhere.pem --root=%s");
        expect(EXIT_FAILED, "it is no file", "ca trust %s --root=%s");
        expect(EXIT_CONFIG, "something else than certificates", "ca trust %s/nonsense.pem --root=%s");
        expect(EXIT_CONFIG, "something else than certificates", "ca trust %s/etc/o7s/ca/key.pem --root=%s");
        expect(EXIT_FAILED, "of a name, not of an authority", "ca trust %s/out/crt.pem --root=%s");
        expect(EXIT_FAILED, "of no authority that this host trusts", "ca trust %s/list.pem --root=%s");
}

static void test_revocation(void **state) {
        _cleanup_free_ char *first = NULL, *second = NULL;

        expect(EXIT_FAILED, "has issued nothing for 'nosuch'", "ca revoke nosuch --root=%s");
        expect(EXIT_FAILED, "has issued nothing for 'nosuch'", "ca revoke far.example nosuch --root=%s");
        expect(EXIT_FINE, "valid", "ca list --root=%s");
        assert_null(strstr(result.out, "revoked"));     /* all or nothing */

        expect(EXIT_FINE, "Revoked 2 certificates", "ca revoke web.example --root=%s");
        first = get("/etc/o7s/ca/crl.pem");
        expect(EXIT_FINE, "Revoked 2 certificates", "ca revoke web.example --root=%s");         /* still */
        expect(EXIT_FINE, "Revoked 1 certificate.", "ca revoke far.example --root=%s");
        second = get("/etc/o7s/ca/crl.pem");
        assert_true(strlen(second) > strlen(first));
        expect(EXIT_FINE, "revoked", "ca list --root=%s");

        /* Another host that trusts the same authority. */
        expect(EXIT_FAILED, "of no authority that this host trusts", "ca trust %s/etc/o7s/ca/crl.pem --root=%s/other");
        expect(EXIT_FINE, "trusts 'Home'", "ca trust %s/etc/o7s/ca/ca.pem --root=%s/other");
        expect(EXIT_FINE, "What 'Home' has revoked counts now", "ca trust %s/etc/o7s/ca/crl.pem --root=%s/other");
        expect(EXIT_FINE, "\"subject\"", "--json=short doctor --root=%s/other");
}

/* What runs out is made anew where the authority is. */
static void test_list(void **state) {
        _cleanup_free_ char *bad = NULL;

        expect(EXIT_FINE, "of 3 certificates", "ca crl --days=5 --root=%s");
        expect(EXIT_FINE, "3 certificates of 'Home', until", "doctor --root=%s");
        assert_null(strstr(result.out, " 0 notes"));
        assert_non_null(strstr(result.out, "try: o7sctl ca crl\n"));
        expect(EXIT_FINE, "of 3 certificates", "ca crl --root=%s");             /* the next is as short */
        expect(EXIT_FINE, "try: o7sctl ca crl\n", "doctor --root=%s");
        expect(EXIT_FINE, "of 3 certificates", "ca crl --days=365 --root=%s");
        expect(EXIT_FINE, "0 problems, 0 notes", "doctor nosuch --root=%s");
        expect(EXIT_FINE, "revocation list", "ca list --root=%s");
        expect(EXIT_FAILED, "Make one with: o7sctl ca init", "ca crl --root=%s/nowhere");
        expect(EXIT_USAGE, "Too many arguments", "ca crl web.example --root=%s");

        put("/etc/o7s/security/crl/bad.pem", "no list\n");
        expect(EXIT_FAILED, "is no revocation list in PEM", "doctor --root=%s");
        expect(EXIT_FINE, "no list", "ca list --root=%s");
        bad = path_of("/etc/o7s/security/crl/bad.pem");
        assert_int_equal(unlink(bad), 0);
}

/* What somebody did to the list is seen, not guessed around. */
static void test_damaged_list(void **state) {
        static const struct {
                const char *name;
                const char *line;
        } cases[] = {
                { "short serial", "41 valid 1900000000 0 server a" },
                { "serial in capitals", "4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA valid 1900000000 0 server a" },
                { "unknown status", "40000000000000000000000000000001 fine 1900000000 0 server a" },
                { "valid and revoked", "40000000000000000000000000000001 valid 1900000000 1800000000 server a" },
                { "revoked never", "40000000000000000000000000000001 revoked 1900000000 0 server a" },
                { "no number", "40000000000000000000000000000001 valid soon 0 server a" },
                { "no side", "40000000000000000000000000000001 valid 1900000000 0 both a" },
                { "no name", "40000000000000000000000000000001 valid 1900000000 0 server " },
                { "name that is none", "40000000000000000000000000000001 valid 1900000000 0 server a/b" },
                { "too few fields", "40000000000000000000000000000001" },
        };
        _cleanup_free_ char *good = get("/etc/o7s/ca/serials");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *bad = NULL;

                print_message("%s\n", cases[i].name);
                assert_true(format_string(&bad, "# first\n%s\n", cases[i].line) >= 0);
                put("/etc/o7s/ca/serials", bad);
                expect(EXIT_CONFIG, "line 2 of", "ca issue a --root=%s");
                expect(EXIT_CONFIG, "line 2 of", "ca list --root=%s");
                assert_text("/etc/o7s/ca/serials", bad);
        }

        put("/etc/o7s/ca/serials", good);
        expect(EXIT_FINE, "Issued", "ca issue a --root=%s");
}

/* -- policies -- */

static void test_policy(void **state) {
        put("/etc/o7s/names/web.example.name",
            "# mine\n[Name]\nLayer=lan\n\n[Server]\n# why\nEncryption=no\nX-Note=kept\n");
        expect(EXIT_FINE, "Wrote the policy of 'web.example' (server)",
               "name web.example --encryption=required --authentication=mutual --allow=o7s:name:a "
               "--allow=o7s:name:b* --root=%s");
        assert_text("/etc/o7s/names/web.example.name",
                    "# mine\n[Name]\nLayer=lan\n\n[Server]\n# why\nEncryption=required\nX-Note=kept\n"
                    "Authentication=mutual\nAllowPeer=o7s:name:a\n"
                    "AllowPeer=o7s:name:b*\n");
        expect(EXIT_FINE, "Encryption      required", "name web.example --root=%s");

        expect(EXIT_FINE, "(client)", "name web.example --side=client --peer=o7s --root=%s");
        expect(EXIT_FINE, "Peer            o7s", "name web.example --side=client --root=%s");
        expect(EXIT_FINE, "Wrote", "name web.example --allow= --encryption= --root=%s");
        assert_text("/etc/o7s/names/web.example.name",
                    "# mine\n[Name]\nLayer=lan\n\n[Server]\n# "
                    "why\nX-Note=kept\nAuthentication=mutual\n\n[Client]\nPeer=o7s\n");

        /* What the daemons would refuse is not written. */
        expect(EXIT_CONFIG, "stays as it is", "name web.example --encryption=perhaps --root=%s");
        expect(EXIT_CONFIG, "stays as it is", "name web.example --pin=sha256:12 --root=%s");
        expect(EXIT_CONFIG, "stays as it is", "name web.example --cipher=rot13 --root=%s");
        expect(EXIT_FAILED, "Cannot find nowhere/", "name web.example --trust=nowhere/../../nowhere --root=%s");
        assert_text("/etc/o7s/names/web.example.name",
                    "# mine\n[Name]\nLayer=lan\n\n[Server]\n# "
                    "why\nX-Note=kept\nAuthentication=mutual\n\n[Client]\nPeer=o7s\n");

        /* One that nobody has yet, and one of a package. */
        expect(EXIT_FINE, "far.example.name", "name far.example --side=client --encryption=required --root=%s");
        assert_text("/etc/o7s/names/far.example.name", "# Written by o7sctl name.\n\n[Client]\nEncryption=required\n");
        put("/usr/lib/o7s/names/packaged.name", "[Name]\nLayer=lan\n");
        expect(EXIT_FINE, "packaged.name.d/50-security.conf", "name packaged --encryption=required --root=%s");
        assert_text("/usr/lib/o7s/names/packaged.name", "[Name]\nLayer=lan\n");
        expect(EXIT_FINE, "Encryption      required", "name packaged --side=server --root=%s");
}

/* The daemons' own reader, for files of both kinds. */
static void test_verify(void **state) {
        static const struct {
                const char *name;
                const char *file;
                const char *text;
                const char *message;    /* NULL: nothing is wrong */
        } cases[] = {
                { "good", "/v/a.name", "[Server]\nEncryption=required\n"
                                       "Pin=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
                                       NULL },
                { "value", "/v/a.name", "[Server]\n# c\nEncryption=perhaps\n", "a.name:3:12: error: " },
                { "side", "/v/a.name", "[Name]\n[Client]\nAuthentication=both\n", "a.name:3:16: error: " },
                { "pin", "/v/a.name", "[Server]\nPin=sha256:12\n", "a.name:2:5: error: " },
                { "cipher without integrity", "/v/a.name", "[Server]\nCipher=aes-128-ctr\n", "a.name:2:8: error: " },
                { "relative path", "/v/a.name", "[Server]\nCertificate=crt.pem\n", "a.name:2:13: error: " },
                { "unknown key", "/v/a.name", "[Server]\nEncrypt=no\n", "a.name:2:1: warning: " },
                { "layer", "/v/a.layer", "[Layer]\nType=unicast\nOver=lan\n[Security]\nAuthentication=mutual\n", NULL },
                { "layer with a bad value", "/v/a.layer", "[Layer]\nType=unicast\nOver=lan\n[Security]\nPeer=friends\n",
                  "a.layer:5:6: error: " },
                { "layer on a wire", "/v/a.layer",
                  "[Layer]\nType=eth\n[Ethernet]\nInterface=eth0\n[Security]\nEncryption=required\n",
                  "a.layer:6:" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *line = NULL;

                print_message("%s\n", cases[i].name);
                put(cases[i].file, cases[i].text);
                assert_true(format_string(&line, "verify %%s%s", cases[i].file) >= 0);
                expect(cases[i].message && !strstr(cases[i].message, "warning") ? EXIT_CONFIG : EXIT_FINE,
                       strempty(cases[i].message), line);
        }
}

static void test_pair(void **state) {
        expect(EXIT_CONFIG, "the key is that of another certificate",
               "name web.example --cert=%s/out/crt.pem --key=%s" SECURITY "/server/web.example/key.pem --root=%s");
        expect(EXIT_CONFIG, "the certificate cannot be read",
               "name web.example --cert=%s/nonsense.pem --key=%s/out/key.pem --root=%s");
        expect(EXIT_FINE, "Wrote", "name web.example --cert=%s/out/crt.pem --key=%s/out/key.pem --root=%s");
        expect(EXIT_FINE, "Wrote", "name web.example --key=credential:web --root=%s");
        expect(EXIT_FINE, "PrivateKey      credential:web", "name web.example --root=%s");
}

/* -- import -- */

static void test_import(void **state) {
        _cleanup_free_ char *crt = get("/out/crt.pem"), *key = get("/out/key.pem");

        put("/old/enc.conf", "# ours\nkex = X25519\ncipher=aes-256-gcm\nkdf=sha384\n");
        expect(EXIT_FINE, "(server)", "name far.example import %s/old --root=%s");
        assert_text("/etc/o7s/names/far.example.name",
                    "# Written by o7sctl name.\n\n[Client]\nEncryption=required\n\n[Server]\nEncryption=required\n"
                    "KeyExchange=X25519 ffdhe3072 secp384r1 ffdhe4096 X448 secp521r1\n"
                    "Cipher=aes-256-gcm chacha20-poly1305\nKeyDerivation=sha384 sha3-384 sha512 sha3-512\n"
                    "Digest=sha256 sha3-256 sha384 sha3-384 sha512 sha3-512\n");

        put("/old/crt.pem", crt);
        expect(EXIT_FAILED, "key.pem: it is not there", "name far.example import %s/old --root=%s");
        put("/old/key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
        expect(EXIT_CONFIG, "a key with a password", "name far.example import %s/old --root=%s");
        put("/old/key.pem", key);
        put("/old/enc.conf", "none\n");
        expect(EXIT_FINE, "Copied the certificate", "name far.example import %s/old --side=client --root=%s");
        assert_text(SECURITY "/client/far.example/crt.pem", crt);
        assert_mode(SECURITY "/client/far.example/key.pem", 0400);
        expect(EXIT_FINE, "Encryption      no", "name far.example --side=client --root=%s");

        /* What cannot be had changes nothing. */
        put("/old/enc.conf", "kex=ML-KEM-768\n");
        expect(EXIT_CONFIG, "it asks for ML-KEM-768", "name other.example import %s/old --root=%s");
        put("/old/enc.conf", "cipher=aes-128-ctr\n");
        expect(EXIT_CONFIG, "it asks for aes-128-ctr", "name other.example import %s/old --root=%s");
        put("/old/enc.conf", "\nkex=rot13\n");
        expect(EXIT_CONFIG, "enc.conf:2: ", "name other.example import %s/old --root=%s");
        expect(EXIT_FINE, "the defaults", "name other.example --root=%s");
        expect(EXIT_FAILED, "nothing to import", "name other.example import %s/usr --root=%s");
}

/* -- doctor -- */

static void test_doctor(void **state) {
        expect(EXIT_FINE, "0 problems", "doctor --root=%s");
        expect(EXIT_FINE, "configuration: 3 files can be used", "doctor --root=%s");

        change_mode(SECURITY "/server/web.example/key.pem", 0404);
        expect(EXIT_FAILED, "a private key that others can read", "doctor --root=%s");
        expect(EXIT_FINE, "0 problems", "doctor far.example --root=%s");                /* another name is well */
        change_mode(SECURITY "/server/web.example/key.pem", 0400);
        change_mode(SECURITY "/server/web.example/crt.pem", 0600);
        expect(EXIT_FAILED, "cannot be read by o7s-auth", "doctor web.example --root=%s");
        change_mode(SECURITY "/server/web.example/crt.pem", 0644);
        change_mode(SECURITY "/cacert", 0777);
        expect(EXIT_FAILED, "can be changed by others than root", "doctor --root=%s");
        change_mode(SECURITY "/cacert", 0755);

        put(SECURITY "/cacert/odd.pem", "not one\n");
        expect(EXIT_FAILED, "odd.pem: is no certificate", "doctor --root=%s");
        expect(EXIT_FINE, "no certificate", "ca list --root=%s");
        {
                _cleanup_free_ char *crt = get("/out/crt.pem"), *path = path_of(SECURITY "/cacert/odd.pem");

                put(SECURITY "/cacert/odd.pem", crt);
                expect(EXIT_FAILED, "of 'far.example', who is no authority", "doctor --root=%s");
                assert_int_equal(unlink(path), 0);
                put(SECURITY "/server/web.example/crt.pem", crt);
                expect(EXIT_FAILED, "not the key of the certificate beside it", "doctor web.example --root=%s");
        }

        put("/etc/o7s/names/bad.name", "[Server]\nEncryption=perhaps\n");
        expect(EXIT_FAILED, "bad.name:2: ", "doctor --root=%s");
        expect(EXIT_FAILED, "\"mend\":\"o7sctl verify\"", "--json=short doctor --root=%s");
}

static void test_doctor_expiry(void **state) {
        expect(EXIT_FINE, "(server)", "ca issue soon.example --days=7 --root=%s");
        expect(EXIT_FINE, "0 problems", "doctor soon.example --root=%s");
        assert_non_null(strstr(result.out, "try: o7sctl ca issue soon.example, or whoever issued it"));
}

static int start(void **state) {
        (void) setenv("O7S_COLORS", "0", 1);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);      /* nobody is asked */
        return mkdtemp(root) ? 0 : -errno;
}

static int stop(void **state) {
        _cleanup_free_ char *command = NULL;

        if (format_string(&command, "rm -rf %s", root) < 0)
                return -1;
        return system(command);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_authority),
                cmocka_unit_test(test_trust),
                cmocka_unit_test(test_revocation),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_damaged_list),
                cmocka_unit_test(test_policy),
                cmocka_unit_test(test_verify),
                cmocka_unit_test(test_pair),
                cmocka_unit_test(test_import),
                cmocka_unit_test(test_doctor),
                cmocka_unit_test(test_doctor_expiry),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
