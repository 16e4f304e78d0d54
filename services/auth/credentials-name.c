/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a name shows: its certificate, by what name o7s-keyd knows the key, and the encryption that its directory asks
 * for. A certificate without a key, or a key without its certificate where the policy names one of them, is a mistake
 * that fails the name's flows; a directory with only a key in it shows nothing yet.
 */

#include "services/auth/credentials-internal.h"

Shown *shown_free(Shown *shown) {
        if (!shown)
                return NULL;

        list_unlink(&shown->by_store);
        file_stamps_done(&shown->stamps);
        certificate_free(shown->certificate);
        free(shown->certificate_path);
        free(shown->der);
        free(shown->key);
        return mfree(shown);
}

/* One component of a path: a name with a slash in it, or one that is a step upwards, has no directory. */
static bool name_is_component(const char *name) {
        return name[0] != '\0' && !strchr(name, '/') && !streq(name, ".") && !streq(name, "..");
}

/* -- the certificate -- */

typedef struct Leaf {
        uint8_t *der;
        size_t size;
} Leaf;

/* The first of the file counts, as with the reference; the rest must be certificates too. */
static int take_leaf(void *userdata, const uint8_t *der, size_t size) {
        Leaf *leaf = userdata;

        if (leaf->der)
                return 0;

        leaf->der = malloc(MAX(size, (size_t) 1));
        if (!leaf->der)
                return -ENOMEM;

        memcpy(leaf->der, der, size);
        leaf->size = size;
        return 0;
}

static int load_certificate(Shown *shown, const char *path) {
        _cleanup_free_ uint8_t *data = NULL;
        Leaf leaf = {};
        size_t size;
        int r;

        r = credential_file_read(&shown->stamps, path, &data, &size);
        if (r < 0)
                return r;

        r = pem_each_certificate(data, size, take_leaf, &leaf);
        shown->der = leaf.der;
        shown->der_size = leaf.size;
        if (r < 0)
                return r;

        r = certificate_parse(leaf.der, leaf.size, &shown->certificate);
        if (r < 0)
                return r;

        shown->certificate_path = strdup(path);
        return shown->certificate_path ? 0 : -ENOMEM;
}

/* -- where things are -- */

typedef struct Places {
        char *directory;        /* NULL: the name has none */
        char *certificate;      /* NULL: none */
        char *private_key;
} Places;

static void places_done(Places *places) {
        free(places->directory);
        free(places->certificate);
        free(places->private_key);
}

/* Whether there is such a file; what it is, is found out by whoever opens it. Returns: 1; 0; -ENOKEY; -ENOMEM. */
static int look_for(Shown *shown, const char *path) {
        struct stat st;
        int r;

        r = file_stamps_add(&shown->stamps, path);
        if (r < 0)
                return r;
        if (stat(path, &st) >= 0)
                return 1;
        if (errno == ENOENT || errno == ENOTDIR)
                return 0;

        return credentials_fail(shown->text, "%s cannot be used: %s", path, credentials_reason(-errno));
}

static int find_in_directory(Shown *shown, Places *places, const char *file, const char *said, char **ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (said) {
                *ret = strdup(said);
                return *ret ? 0 : -ENOMEM;
        }
        if (!places->directory)
                return 0;

        r = format_string(&path, "%s/%s", places->directory, file);
        if (r < 0)
                return r;

        r = look_for(shown, path);
        if (r > 0)
                *ret = TAKE_PTR(path);
        return MIN(r, 0);
}

static int find_places(const CredentialStore *store, Shown *shown, const char *name, const SecurityPolicy *policy,
                       bool server, Places *places) {
        _cleanup_free_ char *base = NULL;
        int r;

        r = credential_store_base(store, &shown->stamps, &base);
        if (r < 0)
                return r;

        if (name_is_component(name)) {
                r = format_string(&places->directory, "%s/%s/%s", base, server ? "server" : "client", name);
                if (r < 0)
                        return r;
        }

        r = find_in_directory(shown, places, "crt.pem", policy ? policy->certificate : NULL, &places->certificate);
        if (r < 0)
                return r;

        return find_in_directory(shown, places, "key.pem", policy ? policy->private_key : NULL, &places->private_key);
}

/* -- enc.conf -- */

static int load_enc_conf(Shown *shown, const char *directory) {
        _cleanup_free_ char *path = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        const char *problem = NULL;
        unsigned line = 0;
        size_t size;
        int r;

        r = format_string(&path, "%s/enc.conf", directory);
        if (r < 0)
                return r;

        r = credential_file_read(&shown->stamps, path, &data, &size);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r < 0)
                return r == -ENOMEM
                               ? r
                               : credentials_fail(shown->text, "%s cannot be used: %s", path, credentials_reason(r));

        r = enc_conf_parse((const char *) data, size, &shown->enc_conf, &line, &problem);
        if (r < 0)
                return r == -ENOMEM ? r
                                    : credentials_fail(shown->text, "%s:%u: %s", path, line,
                                                       problem ? problem : "it cannot be read");

        shown->have_enc_conf = true;
        return 0;
}

/* -- all of it -- */

static int check_pair(Shown *shown, const char *name, const SecurityPolicy *policy, const Places *places) {
        if (places->certificate && !places->private_key)
                return credentials_fail(shown->text,
                                        "%s has no private key: neither PrivateKey= nor a file key.pem in %s",
                                        places->certificate, strempty(places->directory));
        if (!places->certificate && policy && policy->private_key)
                return credentials_fail(
                        shown->text,
                        "The private key %.200s of %.200s has no certificate: neither Certificate= nor a file crt.pem",
                        policy->private_key, name);

        return 0;
}

static int load(const CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server,
                Shown *shown) {
        _cleanup_(places_done) Places places = {};
        char text[AUTH_TEXT_BYTES_MAX];
        int r;

        r = find_places(store, shown, name, policy, server, &places);
        if (r < 0)
                return r;

        r = check_pair(shown, name, policy, &places);
        if (r < 0)
                return r;

        if (places.certificate) {
                r = load_certificate(shown, places.certificate);
                if (r < 0)
                        return r == -ENOMEM ? r
                                            : credentials_fail(shown->text, "%s cannot be used: %s",
                                                               places.certificate, credentials_reason(r));
                if (trust_check_key(shown->certificate->crt, text) < 0)
                        return credentials_fail(shown->text, "%s: %s", places.certificate, text);
                if (!copy_string(shown->private_key, sizeof(shown->private_key), places.private_key))
                        return credentials_fail(shown->text, "The path of the private key of %.200s is too long", name);
        }

        return places.directory ? load_enc_conf(shown, places.directory) : 0;
}

int shown_load(const CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server, Shown **ret) {
        _cleanup_(shown_freep) Shown *shown = NULL;

        shown = calloc(1, sizeof(*shown));
        if (!shown)
                return -ENOMEM;
        list_init(&shown->by_store);

        shown->result = load(store, name, policy, server, shown);
        if (shown->result == -ENOMEM)
                return -ENOMEM;

        *ret = TAKE_PTR(shown);
        return 0;
}
