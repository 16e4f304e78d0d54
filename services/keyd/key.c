/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Keys by their names: "credential:NAME" of the service manager, a path, or "pkcs11:..." on a token. What is weaker
 * than what peers accept is refused when it is opened, since no handshake with it would succeed.
 */

#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/log.h"
#include "libo7s/seal-memory.h"
#include "services/keyd/key.h"

#define CREDENTIAL "credential:"
#define PEM_BEGIN "-----BEGIN "
#define RSA_BITS_MIN 2048U
#define RSA_BITS_MAX 8192U              /* a larger one has signatures that do not fit */

int key_fail(char text[KEY_TEXT_BYTES_MAX], int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, KEY_TEXT_BYTES_MAX, format, arguments);
        va_end(arguments);

        utf8_mend(text);
        return error;
}

/* -- one key -- */

static Key *key_free(Key *key) {
        if (!key)
                return NULL;

        list_unlink(&key->by_store);
        token_begin(key);
        if (key->private_key)
                gnutls_privkey_deinit(key->private_key);
        token_end(key);
        key_memory_wipe_stack();
        free(key->path);
        return mfree(key);
}
DEFINE_CLEANUP(Key, key_free);

static int fail_to_import(const Key *key, int result, char text[KEY_TEXT_BYTES_MAX]) {
        if (result == GNUTLS_E_MEMORY_ERROR)
                return -ENOMEM;
        if (result == GNUTLS_E_DECRYPTION_FAILED)
                return key_fail(text, -EBADMSG,
                                "The private key %s is encrypted; nobody is there to be asked for its pass phrase",
                                key->name);

        return key_fail(text, -EBADMSG, "The private key %s cannot be used: %s", key->name, gnutls_strerror(result));
}

static int import_file(Key *key, bool from_manager, char text[KEY_TEXT_BYTES_MAX]) {
        gnutls_datum_t datum;
        void *memory;
        size_t size;
        bool pem;
        int r;

        r = key_file_read(key->path, from_manager, &memory, &size, &key->stamp, text);
        if (r < 0)
                return r;

        datum = (gnutls_datum_t) { .data = memory, .size = (unsigned) size };
        pem = memmem(memory, size, PEM_BEGIN, STRLEN(PEM_BEGIN));
        r = gnutls_privkey_import_x509_raw(key->private_key, &datum, pem ? GNUTLS_X509_FMT_PEM : GNUTLS_X509_FMT_DER,
                                           NULL, 0);
        (void) seal_memory_free(memory, KEY_FILE_BYTES_MAX);

        return r < 0 ? fail_to_import(key, r, text) : 0;
}

static int check_strength(Key *key, char text[KEY_TEXT_BYTES_MAX]) {
        gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
        unsigned bits = 0;
        gnutls_pubkey_t public_key;

        key->algorithm = gnutls_privkey_get_pk_algorithm(key->private_key, &bits);
        switch (key->algorithm) {
        case GNUTLS_PK_RSA:
                if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
                        return key_fail(text, -EOPNOTSUPP, "The private key %s has %u bits; 2048 to 8192 are accepted",
                                        key->name, bits);
                return 0;
        case GNUTLS_PK_ECDSA:
                if (gnutls_pubkey_init(&public_key) >= 0) {
                        if (gnutls_pubkey_import_privkey(public_key, key->private_key, 0, 0) >= 0)
                                (void) gnutls_pubkey_export_ecc_raw2(public_key, &curve, NULL, NULL, 0);
                        gnutls_pubkey_deinit(public_key);
                }
                if (curve != GNUTLS_ECC_CURVE_SECP256R1 && curve != GNUTLS_ECC_CURVE_SECP384R1 &&
                    curve != GNUTLS_ECC_CURVE_SECP521R1)
                        return key_fail(text, -EOPNOTSUPP,
                                        "The private key %s is on none of the curves P-256, P-384 and P-521",
                                        key->name);
                return 0;
        case GNUTLS_PK_EDDSA_ED25519:
        case GNUTLS_PK_EDDSA_ED448:
                return 0;
        default:
                return key_fail(
                        text, -EOPNOTSUPP,
                        "The private key %s is of a kind that is not accepted; RSA, ECDSA, Ed25519 and Ed448 are",
                        key->name);
        }
}

static int export_public(Key *key, char text[KEY_TEXT_BYTES_MAX]) {
        gnutls_pubkey_t public_key;
        gnutls_datum_t der = {};
        int r;

        r = gnutls_pubkey_init(&public_key);
        if (r < 0)
                return -ENOMEM;

        r = gnutls_pubkey_import_privkey(public_key, key->private_key, 0, 0);
        if (r >= 0)
                r = gnutls_pubkey_export2(public_key, GNUTLS_X509_FMT_DER, &der);
        gnutls_pubkey_deinit(public_key);
        if (r < 0)
                return fail_to_import(key, r, text);

        if (der.size <= sizeof(key->public_key)) {
                memcpy(key->public_key, der.data, der.size);
                key->public_size = der.size;
        }
        gnutls_free(der.data);

        return key->public_size > 0 ? 0 : key_fail(text, -EOPNOTSUPP, "The public half of %s is too long", key->name);
}

/* -- by names -- */

static bool path_is_sane(const char *path) {
        return path[0] == '/' && !strstr(path, "/../") && !endswith(path, "/..");
}

static int find_path(const KeyStore *store, const char *name, char **ret, char text[KEY_TEXT_BYTES_MAX]) {
        const char *credential = startswith(name, CREDENTIAL) ? name + STRLEN(CREDENTIAL) : NULL;

        if (!credential) {
                if (!path_is_sane(name))
                        return key_fail(
                                text, -ENOENT,
                                "%s is no name of a private key: neither credential:NAME, nor an "
                                "absolute path, nor pkcs11:...",
                                name);
                *ret = strdup(name);
                return *ret ? 0 : -ENOMEM;
        }

        if (credential[0] == '\0' || credential[0] == '.' || strchr(credential, '/'))
                return key_fail(text, -ENOENT, "%s is no name of a credential", name);
        if (!store->credentials)
                return key_fail(text, -ENOENT, "o7s-keyd.service has no credentials (LoadCredentialEncrypted=%s:PATH)",
                                credential);

        return format_string(ret, "%s/%s", store->credentials, credential);
}

/* From where it is kept. */
static int key_import(KeyStore *store, Key *key, char text[KEY_TEXT_BYTES_MAX]) {
        int r;

        if (startswith(key->name, PKCS11_URL_PREFIX))
                return token_import(store, key, text);

        r = find_path(store, key->name, &key->path, text);
        return r < 0 ? r : import_file(key, startswith(key->name, CREDENTIAL), text);
}

/* What there is to know about it. */
static int key_examine(Key *key, char text[KEY_TEXT_BYTES_MAX]) {
        int r;

        r = check_strength(key, text);
        return r < 0 ? r : export_public(key, text);
}

static int key_open(KeyStore *store, const char *name, Key **ret, char text[KEY_TEXT_BYTES_MAX]) {
        _cleanup_(key_freep) Key *key = NULL;
        int r;

        key = calloc(1, sizeof(*key));
        if (!key)
                return -ENOMEM;
        list_init(&key->by_store);
        (void) copy_string(key->name, sizeof(key->name), name);

        if (gnutls_privkey_init(&key->private_key) < 0)
                return -ENOMEM;

        r = key_import(store, key, text);
        if (r < 0)
                return r;

        token_begin(key);
        r = key_examine(key, text);
        token_end(key);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(key);
        return 0;
}

/* -- the store -- */

int key_store_new(const char *credentials, KeyStore **ret) {
        _cleanup_(key_store_freep) KeyStore *store = NULL;

        store = calloc(1, sizeof(*store));
        if (!store)
                return -ENOMEM;
        list_init(&store->keys);

        if (credentials) {
                store->credentials = strdup(credentials);
                if (!store->credentials)
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(store);
        return 0;
}

static void store_drop(KeyStore *store, Key *key) {
        (void) key_free(key);
        store->n_keys--;
}

unsigned key_store_forget(KeyStore *store) {
        unsigned n = store->n_keys;
        Key *key, *next;

        list_for_each_safe(key, next, &store->keys, by_store)
                store_drop(store, key);

        return n;
}

KeyStore *key_store_free(KeyStore *store) {
        if (!store)
                return NULL;

        (void) key_store_forget(store);
        free(store->credentials);
        return mfree(store);
}

static Key *find_open(KeyStore *store, const char *name) {
        Key *key;

        list_for_each(key, &store->keys, by_store)
                if (streq(key->name, name))
                        return key;

        return NULL;
}

void key_store_drop(KeyStore *store, const char *name) {
        Key *key = find_open(store, name);

        if (key)
                store_drop(store, key);
}

int key_store_get(KeyStore *store, const char *name, const Key **ret, char text[KEY_TEXT_BYTES_MAX]) {
        Key *key;
        int r;

        key = find_open(store, name);
        if (key && key->path && key_file_has_changed(key->path, &key->stamp)) {
                store_drop(store, key);
                key = NULL;
        }

        if (!key) {
                r = key_open(store, name, &key, text);
                key_memory_wipe_stack();
                if (r == -ENOMEM)
                        return key_fail(text, r, "There is no memory for the private key %s", name);
                if (r < 0)
                        return r;

                if (store->n_keys == KEYS_MAX)
                        store_drop(store, list_first(&store->keys, Key, by_store));
                list_append(&store->keys, &key->by_store);
                store->n_keys++;
                log_debug("The private key %s is open: %s.", name,
                          gnutls_pk_get_name((gnutls_pk_algorithm_t) key->algorithm));
        }

        *ret = key;
        return 0;
}
