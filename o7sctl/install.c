/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Certificates into their places. */

#include <pwd.h>

#include "o7sctl/file.h"
#include "o7sctl/install.h"

#define FILE_STEM_CHARS_MAX 48U

void installed_done(Installed *installed) {
        installed->directory = mfree(installed->directory);
}

bool install_name_is_valid(const char *name) {
        return flow_name_is_valid(name) && !streq(name, ".") && !streq(name, "..");
}

/* Who may read the key. Only root can give files away, and a host without o7s has no such user. */
static bool key_terms(FileTerms *ret) {
        const struct passwd *user = geteuid() == 0 ? getpwnam(KEYD_USER) : NULL;

        *ret = FILE_TERMS(0400);
        if (!user)
                return false;

        ret->owner = user->pw_uid;
        ret->group = user->pw_gid;
        return true;
}

static int write_in(const char *directory, const char *file, const char *text, const FileTerms *terms) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = format_string(&path, "%s/%s", directory, file);
        return r < 0 ? r : file_write(path, text, terms);
}

int install_pair(const char *root, const char *name, bool client, const CaPair *pair, Installed *ret) {
        _cleanup_(installed_done) Installed installed = {};
        FileTerms terms;
        int r;

        if (!install_name_is_valid(name))
                return -EINVAL;

        r = format_string(&installed.directory, "%s" SECURITY_DIRECTORY "/%s/%s", root, client ? "client" : "server",
                          name);
        if (r >= 0)
                r = directory_make(installed.directory);
        if (r < 0)
                return r;

        installed.owned = key_terms(&terms);
        r = write_in(installed.directory, "key.pem", pair->key, &terms);
        if (r >= 0)
                r = write_in(installed.directory, "crt.pem", pair->certificate, &FILE_TERMS(0644));
        if (r < 0)
                return r;

        *ret = installed;
        installed = (Installed) {};
        return 0;
}

/* "Home-0a1b2c3d4e5f6071.pem": for people its name, for us its key. */
static int authority_path(const char *root, const char *directory, const CaCertificate *authority, char **ret) {
        char stem[FILE_STEM_CHARS_MAX + 1];

        (void) copy_string(stem, sizeof(stem), authority->subject);
        for (char *p = stem; *p; p++)
                if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *p))
                        *p = '-';

        return format_string(ret, "%s" SECURITY_DIRECTORY "/%s/%s-%.16s.pem", root, directory,
                             stem[0] == '\0' || stem[0] == '-' ? "authority" : stem,
                             authority->pin + STRLEN("sha256:"));
}

static int write_authority(const char *root, const char *directory, const CaCertificate *authority, const char *pem,
                           char **ret_path) {
        _cleanup_free_ char *folder = NULL, *path = NULL;
        int r;

        r = format_string(&folder, "%s" SECURITY_DIRECTORY "/%s", root, directory);
        if (r >= 0)
                r = directory_make(folder);
        if (r >= 0)
                r = authority_path(root, directory, authority, &path);
        if (r >= 0)
                r = file_write(path, pem, &FILE_TERMS(0644));
        if (r < 0)
                return r;

        *ret_path = TAKE_PTR(path);
        return 0;
}

int install_anchor(const char *root, const CaCertificate *authority, const char *pem, char **ret_path) {
        return write_authority(root, "cacert", authority, pem, ret_path);
}

int install_revocations(const char *root, const CaCertificate *authority, const char *pem, char **ret_path) {
        return write_authority(root, "crl", authority, pem, ret_path);
}

bool install_is_anchor(const char *root, const CaCertificate *authority) {
        _cleanup_free_ char *path = NULL;

        return authority_path(root, "cacert", authority, &path) >= 0 && access(path, F_OK) == 0;
}
