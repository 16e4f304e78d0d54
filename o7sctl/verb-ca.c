/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "ca": a small authority on this host, and whom this host trusts. */

#include <stdio.h>
#include <time.h>

#include "basic/string.h"
#include "o7sctl/ca-store.h"
#include "o7sctl/file.h"
#include "o7sctl/install.h"
#include "o7sctl/o7sctl.h"
#include "o7sctl/security-bus.h"
#include "o7sctl/verb-ca.h"

#define AUTHORITY_DAYS 3650U
#define LEAF_DAYS 365U
#define LIST_DAYS 365U          /* a leaf that lasts longer than a list would have to be an authority's */

char *ca_date_format(char *buffer, size_t size, uint64_t sec) {
        time_t when = (time_t) sec;
        struct tm tm;

        if (!gmtime_r(&when, &tm) || strftime(buffer, size, "%Y-%m-%d", &tm) == 0)
                (void) copy_string(buffer, size, "?");
        return buffer;
}

uint64_t ca_now_sec(void) {
        return time_realtime_nsec() / NSEC_PER_SEC;
}

/* Why an operation on the authority's files failed, and what to do. Returns: the exit status. */
int ca_complain(const Options *o, int r, unsigned line, const char *what) {
        const char *hint = r == -ENOENT                  ? " Make one with: o7sctl ca init"
                           : r == -EACCES || r == -EPERM ? " Run the command with sudo."
                           : r == -EEXIST                ? " See it with: o7sctl ca list"
                           : r == -EKEYEXPIRED ? " Make another elsewhere, with --root=, and trust both for a while."
                                               : "";

        (void) fprintf(stderr, "%s: ", what);
        if (line > 0)
                (void) fprintf(stderr, "line %u of %s" CA_DIRECTORY "/serials is not as it was written", line, o->root);
        else
                (void) fprintf(stderr, "%s",
                               r == -ENOENT        ? "there is no authority here"
                               : r == -EEXIST      ? "there is an authority here, which is never replaced"
                               : r == -EBADMSG     ? "its certificate and key do not belong together or cannot be read"
                               : r == -EKEYEXPIRED ? "the authority has expired"
                                                   : strerror(-r));
        (void) fprintf(stderr, ".%s\n", hint);

        return r == -EACCES || r == -EPERM ? EXIT_DENIED : r == -EBADMSG ? EXIT_CONFIG : EXIT_FAILED;
}

static int open_store(Ctl *ctl, const char *what, CaStore *ret) {
        unsigned line;
        int r;

        r = ca_store_open(ctl->options.root, true, ret, &line);
        return r < 0 ? ca_complain(&ctl->options, r, line, what) : 0;
}

/* What --key-type= says. Returns: 0; the exit status. */
static int read_terms(const Options *o, unsigned default_days, CaTerms *ret) {
        KeyType type = o->key_type ? key_type_from_string(o->key_type) : KEY_P256;

        if ((int) type < 0) {
                (void) fprintf(stderr, "'%s' is no type of key: p256, p384, p521, ed25519, ed448 or rsa.\n",
                               o->key_type);
                return EXIT_USAGE;
        }

        *ret = (CaTerms) { .key_type = type, .days = o->days ?: default_days, .now_sec = ca_now_sec() };
        return 0;
}

/* The first certificate of a PEM text that is known to be good. */
static int describe(const char *pem, CaCertificate *ret) {
        _cleanup_free_ CaCertificate *all = NULL;
        int r;

        r = ca_read_certificates(pem, strlen(pem), &all);
        if (r < 0)
                return r;

        *ret = all[0];
        return 0;
}

/* -- init -- */

static int ca_init(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(ca_store_done) CaStore store = CA_STORE_INIT;
        const Options *o = &ctl->options;
        char host[256] = "this host", name[CA_COMMON_NAME_BYTES_MAX + 1], date[32];
        CaCertificate certificate;
        CaTerms terms;
        int r;

        r = read_terms(o, AUTHORITY_DAYS, &terms);
        if (r > 0)
                return r;

        (void) gethostname(host, sizeof(host) - 1);
        (void) snprintf(name, sizeof(name), "o7s authority of %.40s", host);
        terms.name = argc > 0 ? argv[0] : name;
        if (!flow_name_is_valid(terms.name) || strlen(terms.name) > CA_COMMON_NAME_BYTES_MAX) {
                (void) fprintf(stderr,
                               "An authority has a name of at most %u bytes, without '/' and control characters.\n",
                               CA_COMMON_NAME_BYTES_MAX);
                return EXIT_USAGE;
        }

        r = ca_store_new_serial(&store, terms.serial);
        if (r >= 0)
                r = ca_store_create(o->root, &terms, &store);
        if (r >= 0)
                r = describe(store.authority.certificate, &certificate);
        if (r < 0)
                return ca_complain(o, r, 0, "Cannot make an authority");

        if (!o->quiet)
                (void) printf("Made the authority '%s', until %s, in %s.\n"
                              "  Trust it on this host: o7sctl ca trust\n"
                              "  On others:             o7sctl ca trust FILE, with a copy of %s/ca.pem\n"
                              "  A certificate:         o7sctl ca issue NAME\n",
                              certificate.subject, ca_date_format(date, sizeof(date), certificate.expiry_sec),
                              store.directory, store.directory);
        return EXIT_FINE;
}

/* -- issue -- */

/* To two files in a directory of the caller's. */
static int issue_to(const char *directory, const CaPair *pair) {
        _cleanup_free_ char *key = NULL, *certificate = NULL;
        int r;

        r = format_string(&key, "%s/key.pem", directory);
        if (r >= 0)
                r = format_string(&certificate, "%s/crt.pem", directory);
        if (r >= 0)
                r = directory_make(directory);
        if (r >= 0)
                r = file_write(key, pair->key, &FILE_TERMS(0600));
        if (r >= 0)
                r = file_write(certificate, pair->certificate, &FILE_TERMS(0644));

        return r;
}

/* A member has one pair for all its flows, which the file of its layer names. */
static void print_for_layer(const Options *o, const char *name, const char *layer, const char *directory) {
        _cleanup_free_ char *place = NULL;

        if (format_string(&place, SECURITY_DIRECTORY "/server/%s", name) < 0)
                return;
        if (o->out)
                (void) printf("  On its host:   o7sctl name %s import DIRECTORY, with a copy of %s\n", name, directory);
        (void) printf("  In %s.layer there:\n"
                      "    [Security]\n"
                      "    Authentication=mutual\n"
                      "    Certificate=%s/crt.pem\n"
                      "    PrivateKey=%s/key.pem\n", layer, place, place);
}

static void print_issued(const Options *o, const char *name, const char *directory, const CaCertificate *certificate) {
        const char *layer = o->n_layers > 0 ? o->layers[0] : NULL;
        char date[32];

        (void) printf("Issued a certificate for '%s' (%s%s), until %s, in %s.\n", name,
                      layer ? "member of layer " : o->client ? "client" : "server", strempty(layer),
                      ca_date_format(date, sizeof(date), certificate->expiry_sec), directory);
        if (layer)
                print_for_layer(o, name, layer, directory);
        else if (o->out)
                (void) printf("  Where the name is %s: o7sctl name %s import DIRECTORY%s, with a copy of it\n",
                              o->client ? "called" : "served", name, o->client ? " --side=client" : "");
        (void) printf("  Its pin: %s\n", certificate->pin);
}

/* Writes what was issued to where it belongs. Returns: 0; the exit status. */
static int deliver(Ctl *ctl, const char *name, const CaPair *pair) {
        const Options *o = &ctl->options;
        _cleanup_(installed_done) Installed installed = {};
        CaCertificate certificate;
        int r;

        r = o->out ? issue_to(o->out, pair) : install_pair(o->root, name, o->client, pair, &installed);
        if (r >= 0)
                r = describe(pair->certificate, &certificate);
        if (r < 0) {
                (void) fprintf(stderr, "Cannot write the certificate of '%s': %s.\n", name, strerror(-r));
                return r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_FAILED;
        }

        if (!o->quiet)
                print_issued(o, name, o->out ?: installed.directory, &certificate);
        if (o->out)
                return 0;

        if (!installed.owned)
                (void) fprintf(stderr, "There is no user " KEYD_USER
                                       " here: the key has to be given to it where it is used.\n");
        return security_reload(ctl, false);
}

static int ca_issue_verb(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(ca_store_done) CaStore store = CA_STORE_INIT;
        _cleanup_(ca_pair_done) CaPair pair = {};
        const Options *o = &ctl->options;
        CaRecord record = { .client = o->client };
        CaTerms terms;
        int r;

        if (!install_name_is_valid(argv[0])) {
                (void) fprintf(stderr,
                               "'%s' cannot be a name: UTF-8 without control characters and '/', at most %u bytes.\n",
                               argv[0], FLOW_NAME_BYTES_MAX);
                return EXIT_USAGE;
        }

        if (o->n_layers > 1 || (o->n_layers > 0 && o->client)) {
                (void) fprintf(stderr,
                               "A certificate is for a member of one --layer=, which calls and is called, or for a "
                               "--client.\n");
                return EXIT_USAGE;
        }

        r = read_terms(o, LEAF_DAYS, &terms);
        if (r == 0)
                r = open_store(ctl, "Cannot issue a certificate", &store);
        if (r > 0)
                return r;

        terms.name = argv[0];
        terms.client = o->client;
        terms.layer = o->n_layers > 0 ? o->layers[0] : NULL;
        terms.promises_o7s = !o->reference;
        r = ca_store_new_serial(&store, terms.serial);
        if (r >= 0)
                r = ca_issue(&store.authority, &terms, &pair, &record.expiry_sec);
        if (r >= 0) {
                (void) hex_encode(record.serial, terms.serial, sizeof(terms.serial));
                (void) copy_string(record.name, sizeof(record.name), terms.name);
                r = ca_store_add(&store, &record);
        }
        if (r < 0)
                return ca_complain(o, r, 0, "Cannot issue a certificate");

        return deliver(ctl, terms.name, &pair);
}

/* -- revoke -- */

/* As many days as the list before it was written for: who wanted a short one wants the next as short. */
static unsigned days_of_list(const Options *o) {
        _cleanup_free_ char *path = NULL, *pem = NULL;
        CaList list = {};

        if (format_string(&path, "%s" CA_DIRECTORY "/crl.pem", o->root) < 0 ||
            file_read(path, CA_PEM_BYTES_MAX, &pem, NULL) < 0 || ca_read_list(pem, &list) < 0)
                return LIST_DAYS;

        return list.days ?: LIST_DAYS;
}

/* To where the authority is, and to where this host looks. Returns: 0; the exit status. */
static int write_list(Ctl *ctl, CaStore *store, uint64_t now_sec) {
        _cleanup_free_ char *text = NULL, *path = NULL;
        const Options *o = &ctl->options;
        CaCertificate authority;
        char date[32];
        CaList list;
        int r;

        r = ca_store_revoke(store, now_sec, o->days ?: days_of_list(o), &text);
        if (r >= 0)
                r = describe(store->authority.certificate, &authority);
        if (r >= 0)
                r = install_revocations(o->root, &authority, text, &path);
        if (r >= 0)
                r = ca_read_list(text, &list);
        if (r < 0)
                return ca_complain(o, r, 0, "Cannot write the revocation list");

        if (!o->quiet)
                (void) printf("The revocation list, of %u certificate%s and until %s, is in %s.\n"
                              "  Hosts that trust the authority: o7sctl ca trust FILE, with a copy of it\n",
                              list.n_revoked, list.n_revoked == 1 ? "" : "s",
                              ca_date_format(date, sizeof(date), list.expiry_sec), path);
        return security_reload(ctl, false);
}

static int ca_revoke(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(ca_store_done) CaStore store = CA_STORE_INIT;
        const Options *o = &ctl->options;
        uint64_t now_sec = ca_now_sec();
        size_t n = 0;
        int r;

        r = open_store(ctl, "Cannot revoke anything", &store);
        if (r > 0)
                return r;

        for (int i = 0; i < argc; i++) {
                size_t marked = ca_store_mark(&store, argv[i], now_sec);

                if (marked == 0) {
                        (void) fprintf(stderr, "This authority has issued nothing for '%s'. See: o7sctl ca list\n",
                                       argv[i]);
                        return EXIT_FAILED;
                }
                n += marked;
        }

        if (!o->quiet)
                (void) printf("Revoked %zu certificate%s.\n", n, n == 1 ? "" : "s");
        return write_list(ctl, &store, now_sec);
}

/* The same list once more, so that it does not run out. */
static int ca_crl(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(ca_store_done) CaStore store = CA_STORE_INIT;
        int r;

        r = open_store(ctl, "Cannot write a revocation list", &store);
        return r > 0 ? r : write_list(ctl, &store, ca_now_sec());
}

/* -- */

int verb_ca(Ctl *ctl, int argc, char *argv[]) {
        static const struct {
                const char *name;
                int min_arguments, max_arguments;
                uint64_t options;
                int (*run)(Ctl *ctl, int argc, char *argv[]);
        } actions[] = {
                { "init", 0, 1, OPTION_BIT(OPTION_KEY_TYPE) | OPTION_BIT(OPTION_DAYS), ca_init },
                { "issue", 1, 1, OPTION_BIT(OPTION_KEY_TYPE) | OPTION_BIT(OPTION_DAYS) | OPTION_BIT(OPTION_CLIENT) |
                                 OPTION_BIT(OPTION_LAYER) | OPTION_BIT(OPTION_REFERENCE) | OPTION_BIT(OPTION_OUT),
                                 ca_issue_verb },
                { "trust", 0, 1, 0, ca_trust },
                { "revoke", 1, -1, OPTION_BIT(OPTION_DAYS), ca_revoke },
                { "crl", 0, 0, OPTION_BIT(OPTION_DAYS), ca_crl },
                { "list", 0, 0, 0, ca_list },
        };

        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                int n = argc - 2;

                if (!streq(actions[i].name, argv[1]))
                        continue;
                if (options_check(&ctl->options, actions[i].options | OPTION_BIT(OPTION_ROOT), "ca") < 0)
                        return EXIT_USAGE;
                if (n < actions[i].min_arguments || (actions[i].max_arguments >= 0 && n > actions[i].max_arguments)) {
                        (void) fprintf(stderr, "Too %s arguments for 'ca %s'.\nSee 'o7sctl ca --help'.\n",
                                       n < actions[i].min_arguments ? "few" : "many", argv[1]);
                        return EXIT_USAGE;
                }

                return actions[i].run(ctl, n, argv + 2);
        }

        (void) fprintf(stderr, "'ca %s' is nothing that can be done: init, issue, trust, revoke, crl or list.\n",
                       argv[1]);
        return EXIT_USAGE;
}
