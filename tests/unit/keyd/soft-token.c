/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See soft-token.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <gnutls/x509.h>
#include <sys/wait.h>

#include "basic/string.h"
#include "tests/unit/keyd/soft-token.h"

#define TOOL "/usr/bin/softhsm2-util"

static _printf_(1, 2) void run(const char *format, ...) {
        char command[512];
        va_list arguments;
        int status;

        va_start(arguments, format);
        assert_true(vsnprintf(command, sizeof(command), format, arguments) < (int) sizeof(command));
        va_end(arguments);

        status = system(command);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                fail_msg("%s: %d", command, status);
}

void soft_token_write(const SoftToken *t, const char *name, const void *data, size_t size) {
        char path[128];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%s", t->directory, name);
        (void) unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        (void) close(fd);
}

void soft_token_add_key(const SoftToken *t, MakerKey kind, const char *label, const char *id) {
        gnutls_x509_privkey_t key;
        gnutls_datum_t pem;

        assert_true(gnutls_privkey_export_x509(maker_key(kind, 0), &key) >= 0);
        assert_true(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem) >= 0);
        soft_token_write(t, "import.pem", pem.data, pem.size);
        gnutls_free(pem.data);
        gnutls_x509_privkey_deinit(key);

        run(TOOL " --import %s/import.pem --token 'o7s keys' --label %s --id %s --pin " SOFT_TOKEN_PIN
                 " >/dev/null 2>&1",
            t->directory, label, id);
}

void soft_token_make(SoftToken *t) {
        char text[192];

        *t = (SoftToken) { .missing = access(TOOL, X_OK) < 0 };
        if (t->missing)
                return;

        (void) copy_string(t->directory, sizeof(t->directory), "/tmp/test-token.XXXXXX");
        assert_non_null(mkdtemp(t->directory));
        (void) snprintf(text, sizeof(text), "directories.tokendir = %s/tokens\nlog.level = ERROR\n", t->directory);
        soft_token_write(t, "softhsm2.conf", text, strlen(text));
        (void) snprintf(text, sizeof(text), "%s/softhsm2.conf", t->directory);
        assert_int_equal(setenv("SOFTHSM2_CONF", text, 1), 0);

        run("mkdir %s/tokens", t->directory);
        run(TOOL " --init-token --free --label 'o7s keys' --so-pin 27182818 --pin " SOFT_TOKEN_PIN " >/dev/null 2>&1");
}

void soft_token_done(SoftToken *t) {
        if (!t->missing)
                run("rm -rf %s", t->directory);
}

void soft_token_hang(const SoftToken *t) {
        const struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        char pattern[96];
        glob_t files;

        (void) snprintf(pattern, sizeof(pattern), "%s/tokens/*/*", t->directory);
        assert_int_equal(glob(pattern, 0, NULL, &files), 0);
        for (size_t i = 0; i < files.gl_pathc; i++) {
                int fd = open(files.gl_pathv[i], O_RDWR | O_CLOEXEC);

                assert_true(fd >= 0);
                assert_int_equal(fcntl(fd, F_SETLK, &all), 0);  /* until this process ends, with the descriptor */
        }
        globfree(&files);
}
