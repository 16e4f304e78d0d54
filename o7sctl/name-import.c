/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "name NAME import DIRECTORY": what the reference implementation keeps of a name (/etc/ouroboros/security/server/NAME,
 * or client), or what "ca issue --out=" wrote, becomes ours: certificate and key go to where o7s-auth and o7s-keyd
 * look, enc.conf becomes keys of the name's file.
 *
 * The reference takes what enc.conf names as the least that it accepts, so each list here goes on with all that is
 * stronger.
 */

#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/file.h"
#include "o7sctl/install.h"
#include "o7sctl/name-security.h"
#include "o7sctl/security-bus.h"
#include "services/common/enc-conf.h"

#define LIST_BYTES_MAX 512U

typedef struct Import {
        Ctl *ctl;
        const char *name;
        const char *directory;
        bool client;
        char key_exchanges[LIST_BYTES_MAX], ciphers[LIST_BYTES_MAX], derivations[LIST_BYTES_MAX],
                digests[LIST_BYTES_MAX];
        Setting settings[5];
        size_t n;
} Import;

static int complain(const Import *import, const char *file, const char *problem, int status) {
        (void) fprintf(stderr, "Cannot import %s/%s: %s.\n", import->directory, file, problem);
        return status;
}

/* Returns: 0; -ENOENT: it is not there, without a complaint; the exit status. */
static int read_file(const Import *import, const char *file, size_t max, char **ret, size_t *ret_size) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = format_string(&path, "%s/%s", import->directory, file);
        if (r >= 0)
                r = file_read(path, max, ret, ret_size);
        if (r == -ENOENT || r >= 0)
                return r;

        return complain(import, file, r == -EINVAL ? "it is no file" : strerror(-r),
                        r == -EACCES ? EXIT_DENIED : EXIT_FAILED);
}

/* -- certificate and key -- */

/* Returns: 1: installed; 0: there are none; the exit status, negative. */
static int import_pair(Import *import) {
        _cleanup_(ca_pair_done) CaPair pair = {};
        _cleanup_(installed_done) Installed installed = {};
        int r, s;

        r = read_file(import, "crt.pem", CA_PEM_BYTES_MAX, &pair.certificate, NULL);
        s = read_file(import, "key.pem", CA_PEM_BYTES_MAX, &pair.key, NULL);
        if (r > 0 || s > 0)
                return -MAX(r, s);
        if (r == -ENOENT && s == -ENOENT)
                return 0;
        if (r == -ENOENT || s == -ENOENT)
                return -complain(import, r == -ENOENT ? "crt.pem" : "key.pem",
                                 "it is not there, while the other half is", EXIT_FAILED);

        r = ca_check_pair(&pair);
        if (r < 0)
                return -complain(import, r == -EBADMSG ? "crt.pem" : "key.pem",
                                 r == -EBADMSG ? "it is no certificate in PEM"
                                 : r == -EKEYREJECTED
                                         ? "it is the key of another certificate"
                                         : "it cannot be used; a key with a password is of no use to a service",
                                 EXIT_CONFIG);

        r = install_pair(import->ctl->options.root, import->name, import->client, &pair, &installed);
        if (r < 0) {
                (void) fprintf(stderr, "Cannot write the certificate of '%s': %s.\n", import->name, strerror(-r));
                return r == -EACCES || r == -EPERM ? -EXIT_DENIED : -EXIT_FAILED;
        }

        if (!import->ctl->options.quiet)
                (void) printf("Copied the certificate and key of '%s' to %s.\n", import->name, installed.directory);
        if (!installed.owned)
                (void) fprintf(stderr, "There is no user " KEYD_USER
                                       " here: the key has to be given to it where it is used.\n");
        return 1;
}

/* -- enc.conf -- */

static void add_word(char list[LIST_BYTES_MAX], const char *word) {
        size_t n = strlen(list);

        (void) snprintf(list + n, LIST_BYTES_MAX - n, "%s%s", n > 0 ? " " : "", word);
}

static void add_setting(Import *import, const char *key, const char *value) {
        assert(import->n < ELEMENTSOF(import->settings));
        import->settings[import->n++] = (Setting) { key, value };
}

/* This one and all of ours above it. */
static void list_stronger(char list[LIST_BYTES_MAX], const OapAlgorithm *algorithm,
                          const OapAlgorithm *(*not_below)(unsigned rank)) {
        add_word(list, algorithm->name);
        for (const OapAlgorithm *next = algorithm; (next = not_below(next->rank + 1U)); )
                add_word(list, next->name);
}

/* Why one of what it asks for cannot be had; NULL: all can. */
static const char *refusal_of(const EncConf *conf, const char **ret_what) {
        const char *refusal;

        refusal = oap_key_exchange_refusal(conf->key_exchange);
        *ret_what = oap_key_exchange_to_string(conf->key_exchange);
        if (refusal)
                return refusal;

        *ret_what = conf->cipher->name;
        if (conf->cipher->refusal)
                return conf->cipher->refusal;

        *ret_what = conf->derivation->name;
        if (conf->derivation->refusal)
                return conf->derivation->refusal;

        *ret_what = conf->digest->name;
        return conf->digest->refusal;
}

static int use_enc_conf(Import *import, const EncConf *conf) {
        const char *refusal, *what;

        if (conf->none) {
                add_setting(import, "Encryption", "no");
                return 0;
        }

        refusal = refusal_of(conf, &what);
        if (refusal) {
                (void) fprintf(stderr, "Cannot import %s/enc.conf: it asks for %s: %s.\n", import->directory, what,
                               refusal);
                return EXIT_CONFIG;
        }

        for (int i = (int) conf->key_exchange; i < _OAP_KEY_EXCHANGE_OURS_MAX; i++)
                add_word(import->key_exchanges, oap_key_exchange_to_string((OapKeyExchange) i));
        list_stronger(import->ciphers, conf->cipher, oap_cipher_not_below);
        list_stronger(import->derivations, conf->derivation, oap_digest_not_below);
        list_stronger(import->digests, conf->digest, oap_digest_not_below);

        add_setting(import, "Encryption", "required");
        add_setting(import, "KeyExchange", import->key_exchanges);
        add_setting(import, "Cipher", import->ciphers);
        add_setting(import, "KeyDerivation", import->derivations);
        add_setting(import, "Digest", import->digests);
        return 0;
}

/* Returns: 1: there is one, and its settings are noted; 0: there is none; the exit status, negative. */
static int import_enc_conf(Import *import) {
        _cleanup_free_ char *text = NULL;
        const char *problem = NULL;
        unsigned line = 0;
        EncConf conf;
        size_t size = 0;
        int r;

        r = read_file(import, "enc.conf", ENC_CONF_BYTES_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        if (r > 0)
                return -r;

        r = enc_conf_parse(text, size, &conf, &line, &problem);
        if (r < 0) {
                (void) fprintf(stderr, "%s/enc.conf:%u: %s.\n", import->directory, line, problem ?: strerror(-r));
                return -EXIT_CONFIG;
        }

        r = use_enc_conf(import, &conf);
        return r > 0 ? -r : 1;
}

/* enc.conf first: where it cannot be had, nothing is changed. */
int name_import(Ctl *ctl, const char *name, const char *directory) {
        Import import = { .ctl = ctl, .name = name, .directory = directory };
        int have_conf, have_pair;

        if (!install_name_is_valid(name)) {
                (void) fprintf(stderr, "'%s' cannot be the name of a directory.\n", name);
                return EXIT_USAGE;
        }

        import.client = ctl->options.side && streq(ctl->options.side, "client");
        have_conf = import_enc_conf(&import);
        if (have_conf < 0)
                return -have_conf;

        have_pair = import_pair(&import);
        if (have_pair < 0)
                return -have_pair;
        if (have_conf == 0 && have_pair == 0) {
                (void) fprintf(stderr, "There is nothing to import in %s: no crt.pem, key.pem or enc.conf.\n",
                               directory);
                return EXIT_FAILED;
        }

        if (import.client && have_pair && !ctl->options.quiet)
                (void) printf("  Where the certificates of others have a CN only: o7sctl name %s --side=client "
                              "--common-name=yes\n",
                              name);

        return have_conf ? name_save_settings(ctl, name, import.client, import.settings, import.n)
                         : security_reload(ctl, false);
}
