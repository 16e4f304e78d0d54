/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "ca trust" and "ca list": whom this host trusts, and what it has of certificates. */

#include <dirent.h>
#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/ca-store.h"
#include "o7sctl/file.h"
#include "o7sctl/install.h"
#include "o7sctl/security-bus.h"
#include "o7sctl/table.h"
#include "o7sctl/verb-ca.h"

/* -- trust -- */

static int complain_file(const char *path, const char *problem, int status) {
        (void) fprintf(stderr, "Cannot trust %s: %s.\n", path, problem);
        return status;
}

static const char *problem_of(int r) {
        return r == -EBADMSG ? "it holds something else than certificates"
               : r == -E2BIG || r == -EFBIG ? "it is larger than certificates are"
               : r == -EINVAL ? "it is no file"
                              : strerror(-r);
}

/* All of them, as an anchor would count for everything that it signs. */
static int check_authorities(const char *path, const char *pem, size_t size, CaCertificate *ret_first) {
        _cleanup_free_ CaCertificate *all = NULL;
        int n;

        n = ca_read_certificates(pem, size, &all);
        if (n < 0)
                return complain_file(path, problem_of(n), EXIT_CONFIG);

        for (int i = 0; i < n; i++) {
                if (!all[i].authority)
                        return complain_file(path,
                                             "it is a certificate of a name, not of an authority. To trust one name "
                                             "only, pin it: o7sctl name NAME --side=client --pin=sha256:...",
                                             EXIT_FAILED);
                if (all[i].expiry_sec <= ca_now_sec())
                        return complain_file(path, "it has expired", EXIT_FAILED);
        }

        *ret_first = all[0];
        return 0;
}

/* The anchor on this host that a revocation list is of. Returns: 0; -ENOENT: it is of none. */
static int find_issuer(const char *root, const char *list, CaCertificate *ret) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries = NULL;
        int n, found = -ENOENT;

        if (format_string(&directory, "%s" SECURITY_DIRECTORY "/cacert", root) < 0)
                return -ENOMEM;

        n = scandir(directory, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL;
                _cleanup_(ca_pair_done) CaPair authority = {};
                _cleanup_free_ CaCertificate *all = NULL;

                if (found < 0 && entries[i]->d_name[0] != '.' &&
                    format_string(&path, "%s/%s", directory, entries[i]->d_name) >= 0 &&
                    file_read(path, CA_PEM_BYTES_MAX, &authority.certificate, NULL) >= 0 &&
                    ca_is_revoked(list, &authority, "") >= 0 &&
                    ca_read_certificates(authority.certificate, strlen(authority.certificate), &all) > 0) {
                        *ret = all[0];
                        found = 0;
                }
                free(entries[i]);
        }
        free(entries);

        return found;
}

static int trust_revocations(Ctl *ctl, const char *path, const char *list) {
        _cleanup_free_ char *installed = NULL;
        CaCertificate authority;
        int r;

        r = find_issuer(ctl->options.root, list, &authority);
        if (r < 0)
                return complain_file(path, "it is a revocation list of no authority that this host trusts",
                                     EXIT_FAILED);

        r = install_revocations(ctl->options.root, &authority, list, &installed);
        if (r < 0)
                return complain_file(path, strerror(-r), r == -EACCES ? EXIT_DENIED : EXIT_FAILED);

        if (!ctl->options.quiet)
                (void) printf("What '%s' has revoked counts now, by %s.\n", authority.subject, installed);
        return security_reload(ctl, false);
}

int ca_trust(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_free_ char *path = NULL, *pem = NULL, *installed = NULL;
        CaCertificate authority;
        size_t size = 0;
        int r;

        r = argc > 0 ? format_string(&path, "%s", argv[0])
                     : format_string(&path, "%s" CA_DIRECTORY "/ca.pem", ctl->options.root);
        if (r >= 0)
                r = file_read(path, CA_PEM_BYTES_MAX, &pem, &size);
        if (r == -ENOENT && argc == 0)
                return ca_complain(&ctl->options, r, 0, "Cannot trust the authority of this host");
        if (r < 0)
                return complain_file(strempty(path), problem_of(r), r == -EACCES ? EXIT_DENIED : EXIT_FAILED);

        if (strstr(pem, "-----BEGIN X509 CRL-----"))
                return trust_revocations(ctl, path, pem);

        r = check_authorities(path, pem, size, &authority);
        if (r > 0)
                return r;
        if (!strstr(pem, "-----BEGIN "))
                return complain_file(path, "it is not in PEM. Convert it with: openssl x509 -inform DER", EXIT_CONFIG);

        r = install_anchor(ctl->options.root, &authority, pem, &installed);
        if (r < 0)
                return complain_file(path, strerror(-r), r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_FAILED);

        if (!ctl->options.quiet)
                (void) printf("This host trusts '%s' now, by %s.\n"
                              "  From now on names that it calls have to prove who they are, unless their policy says "
                              "otherwise.\n",
                              authority.subject, installed);
        return security_reload(ctl, false);
}

/* -- list -- */

enum { KIND, NAME, STATE, EXPIRES, SERIAL, KEY, PLACE, PIN };

static const Column certificate_columns[] = {
        [KIND] = { "KIND", "kind", 0 },
        [NAME] = { "NAME", "name", COLUMN_SHORTEN },
        [STATE] = { "STATE", "state", 0 },
        [EXPIRES] = { "EXPIRES", "expires_sec", 0 },
        [SERIAL] = { "SERIAL", "serial", COLUMN_SHORTEN },
        [KEY] = { "KEY", "key", 0 },
        [PLACE] = { "FILE", "file", COLUMN_SHORTEN },
        [PIN] = { "PIN", "pin", COLUMN_JSON_ONLY },
};

static const char *state_of(uint64_t from_sec, uint64_t expiry_sec, Color *ret_color) {
        uint64_t now = ca_now_sec();

        *ret_color = from_sec > now || expiry_sec <= now ? COLOR_RED : COLOR_GREEN;
        return from_sec > now ? "not yet" : expiry_sec <= now ? "expired" : "valid";
}

static void set_state(Table *table, const char *state, Color color) {
        table_set(table, STATE, state, json_object_new_string(state), color);
}

static void set_expiry(Table *table, uint64_t expiry_sec) {
        char date[32];

        table_set(table, EXPIRES, ca_date_format(date, sizeof(date), expiry_sec), json_object_new_uint64(expiry_sec),
                  COLOR_NORMAL);
}

static void add_certificate(Table *table, const char *kind, const char *path, const CaCertificate *certificate) {
        const char *state;
        Color color;

        state = state_of(certificate->from_sec, certificate->expiry_sec, &color);
        table_row(table);
        table_set_string(table, KIND, kind);
        table_set_string(table, NAME, certificate->subject);
        set_state(table, state, color);
        set_expiry(table, certificate->expiry_sec);
        table_set_string(table, SERIAL, certificate->serial);
        table_set_string(table, KEY, certificate->key);
        table_set_string(table, PLACE, path);
        table_set_string(table, PIN, certificate->pin);
}

/* Everything in one file; what is none of it is shown too, as it stops what depends on it. */
static void add_file(Table *table, const char *kind, const char *path) {
        _cleanup_free_ CaCertificate *all = NULL;
        _cleanup_free_ char *pem = NULL;
        size_t size = 0;
        int n;

        n = file_read(path, CA_PEM_BYTES_MAX, &pem, &size);
        if (n == -ENOENT)
                return;
        if (n >= 0)
                n = ca_read_certificates(pem, size, &all);
        for (int i = 0; i < n; i++)
                add_certificate(table, kind, path, &all[i]);
        if (n >= 0)
                return;

        table_row(table);
        table_set_string(table, KIND, kind);
        set_state(table, n == -EACCES ? "not readable" : "no certificate", COLOR_RED);
        table_set_string(table, PLACE, path);
}

static void add_list(Table *table, const char *kind, const char *path) {
        _cleanup_free_ char *pem = NULL;
        CaList list = {};
        Color color;
        int r;

        r = file_read(path, CA_PEM_BYTES_MAX, &pem, NULL);
        if (r == -ENOENT)
                return;
        if (r >= 0)
                r = ca_read_list(pem, &list);

        table_row(table);
        table_set_string(table, KIND, kind);
        table_set_string(table, PLACE, path);
        if (r < 0) {
                set_state(table, r == -EACCES ? "not readable" : "no list", COLOR_RED);
                return;
        }

        table_set_string(table, NAME, list.issuer);
        if (list.expiry_sec > 0) {
                const char *state = state_of(0, list.expiry_sec, &color);

                set_state(table, state, color);
                set_expiry(table, list.expiry_sec);
        }
}

static void add_directory(Table *table, const char *kind, const char *root, const char *directory, const char *suffix,
                          void (*add)(Table *table, const char *kind, const char *path)) {
        _cleanup_free_ char *folder = NULL;
        struct dirent **entries = NULL;
        int n;

        if (format_string(&folder, "%s" SECURITY_DIRECTORY "/%s", root, directory) < 0)
                return;

        n = scandir(folder, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL;

                if (entries[i]->d_name[0] != '.' &&
                    format_string(&path, "%s/%s%s", folder, entries[i]->d_name, suffix) >= 0)
                        add(table, kind, path);
                free(entries[i]);
        }
        free(entries);
}

static void add_records(Table *table, const CaStore *store) {
        for (size_t i = 0; i < store->n; i++) {
                const CaRecord *record = &store->records[i];
                const char *state;
                Color color;

                state = state_of(0, record->expiry_sec, &color);
                table_row(table);
                table_set_string(table, KIND, record->client ? "issued for a client" : "issued for a server");
                table_set_string(table, NAME, record->name);
                set_state(table, record->revoked_sec != 0 ? "revoked" : state,
                          record->revoked_sec != 0 ? COLOR_RED : color);
                set_expiry(table, record->expiry_sec);
                table_set_string(table, SERIAL, record->serial);
        }
}

int ca_list(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(ca_store_done) CaStore store = CA_STORE_INIT;
        _cleanup_(table_freep) Table *table = NULL;
        _cleanup_free_ char *authority = NULL;
        const char *root = ctl->options.root;
        unsigned line;
        int r;

        r = ca_store_open(root, false, &store, &line);
        if (r < 0 && r != -ENOENT)
                return ca_complain(&ctl->options, r, line, "Cannot list what was issued");

        r = table_new(certificate_columns, ELEMENTSOF(certificate_columns), &table);
        if (r >= 0)
                r = format_string(&authority, "%s" CA_DIRECTORY "/ca.pem", root);
        if (r < 0)
                return ca_complain(&ctl->options, r, 0, "Cannot list certificates");

        add_file(table, "authority", authority);
        add_records(table, &store);
        add_directory(table, "trusted", root, "cacert", "", add_file);
        add_directory(table, "intermediate", root, "untrusted", "", add_file);
        add_directory(table, "revocation list", root, "crl", "", add_list);
        add_directory(table, "server", root, "server", "/crt.pem", add_file);
        add_directory(table, "client", root, "client", "/crt.pem", add_file);

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return ca_complain(&ctl->options, r, 0, "Cannot list certificates");

        if (ctl->options.json == JSON_OFF && ctl->options.legend && !ctl->options.quiet && table_rows(table) == 0)
                (void) printf("No certificates. Make an authority with: o7sctl ca init\n");
        return EXIT_FINE;
}
