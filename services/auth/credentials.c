/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The store of credentials: what was read stays until one of its files changes (credentials-file.c says how that is
 * seen), also that something could not be read. Where to read on:
 *
 *   credentials-file.c      files, directories, whether they changed
 *   credentials-name.c      what one name shows
 *   credentials-inspect.c   the same for people
 */

#include "services/auth/credentials-internal.h"

#define BASE "/etc/o7s/security"
#define BASE_OF_REFERENCE "/etc/ouroboros/security"

static const SecurityPolicy no_policy = {};

static TrustSet *trust_set_free(TrustSet *set) {
        if (!set)
                return NULL;

        list_unlink(&set->by_store);
        file_stamps_done(&set->stamps);
        trust_free(set->trust);
        free(set->key);
        return mfree(set);
}
DEFINE_CLEANUP(TrustSet, trust_set_free);

int credential_store_new(const char *root, CredentialStore **ret) {
        _cleanup_(credential_store_freep) CredentialStore *store = NULL;

        store = calloc(1, sizeof(*store));
        if (!store)
                return -ENOMEM;

        list_init(&store->trust_sets);
        list_init(&store->shown);
        store->root = strdup(strempty(root));
        if (!store->root)
                return -ENOMEM;

        *ret = TAKE_PTR(store);
        return 0;
}

static void forget_all(CredentialStore *store) {
        TrustSet *set, *next_set;
        Shown *shown, *next_shown;

        list_for_each_safe(set, next_set, &store->trust_sets, by_store)
                (void) trust_set_free(set);
        list_for_each_safe(shown, next_shown, &store->shown, by_store)
                (void) shown_free(shown);

        store->n_trust_sets = store->n_shown = 0;
}

CredentialStore *credential_store_free(CredentialStore *store) {
        if (!store)
                return NULL;

        forget_all(store);
        free(store->root);
        return mfree(store);
}

int credential_store_base(const CredentialStore *store, FileStamps *stamps, char **ret) {
        _cleanup_free_ char *ours = NULL, *theirs = NULL;
        struct stat st;
        int r;

        r = format_string(&ours, "%s" BASE, store->root);
        if (r == 0)
                r = format_string(&theirs, "%s" BASE_OF_REFERENCE, store->root);
        if (r == 0)
                r = file_stamps_add(stamps, ours);
        if (r < 0)
                return r;

        /* One that cannot be looked at is there: its files will say so. */
        if (stat(ours, &st) < 0 && (errno == ENOENT || errno == ENOTDIR) && stat(theirs, &st) >= 0)
                *ret = TAKE_PTR(theirs);
        else
                *ret = TAKE_PTR(ours);
        return 0;
}

/* -- trust -- */

static int take_anchors(void *userdata, const uint8_t *data, size_t size) {
        return trust_add_anchors(userdata, data, size);
}

static int take_intermediates(void *userdata, const uint8_t *data, size_t size) {
        return trust_add_intermediates(userdata, data, size);
}

static int take_revocations(void *userdata, const uint8_t *data, size_t size) {
        return trust_add_revocations(userdata, data, size);
}

/* What the policy names, which must be there, or the host's own directory, which need not be. */
static int read_list(TrustSet *set, const ConfStrings *said, const char *base, const char *directory,
                     credential_take_t take) {
        _cleanup_free_ char *path = NULL;
        int r;

        for (size_t i = 0; i < said->n; i++) {
                r = credential_path_read(&set->stamps, said->items[i], false, take, set->trust, set->text);
                if (r < 0)
                        return r;
        }
        if (said->n > 0)
                return 0;

        r = format_string(&path, "%s/%s", base, directory);
        if (r < 0)
                return r;

        return credential_path_read(&set->stamps, path, true, take, set->trust, set->text);
}

static int trust_set_load(const CredentialStore *store, const SecurityPolicy *policy, TrustSet *set) {
        _cleanup_free_ char *base = NULL;
        int r;

        r = trust_new(&set->trust);
        if (r < 0)
                return r;

        r = credential_store_base(store, &set->stamps, &base);
        if (r < 0)
                return r;

        r = read_list(set, &policy->trust_anchors, base, "cacert", take_anchors);
        if (r < 0)
                return r;

        r = read_list(set, &no_policy.trust_anchors, base, "untrusted", take_intermediates);
        if (r < 0)
                return r;

        return read_list(set, &policy->revocation_lists, base, "crl", take_revocations);
}

/* -- the cache -- */

/* Each word with its end, so that no two lists look the same. */
static int key_add(char **key, const char *word) {
        _cleanup_free_ char *old = *key;

        *key = NULL;
        return format_string(key, "%s%zu:%s", strempty(old), strlen(word), word);
}

static int key_add_list(char **key, const ConfStrings *list) {
        int r;

        r = key_add(key, "list");
        for (size_t i = 0; r == 0 && i < list->n; i++)
                r = key_add(key, list->items[i]);

        return r;
}

int credential_store_trust(CredentialStore *store, const SecurityPolicy *policy, TrustSet **ret) {
        _cleanup_(trust_set_freep) TrustSet *set = NULL;
        _cleanup_free_ char *key = NULL;
        TrustSet *old;
        int r;

        policy = policy ? policy : &no_policy;
        r = key_add_list(&key, &policy->trust_anchors);
        if (r == 0)
                r = key_add_list(&key, &policy->revocation_lists);
        if (r < 0)
                return r;

        list_for_each(old, &store->trust_sets, by_store)
                if (streq(old->key, key)) {
                        *ret = old;
                        return 0;
                }

        set = calloc(1, sizeof(*set));
        if (!set)
                return -ENOMEM;
        list_init(&set->by_store);
        set->key = TAKE_PTR(key);

        set->result = trust_set_load(store, policy, set);
        if (set->result == -ENOMEM)
                return -ENOMEM;
        if (set->result < 0)
                set->trust = trust_free(set->trust);

        if (store->n_trust_sets == CREDENTIAL_CACHE_MAX)
                (void) trust_set_free(list_first(&store->trust_sets, TrustSet, by_store));
        else
                store->n_trust_sets++;

        list_append(&store->trust_sets, &set->by_store);
        *ret = TAKE_PTR(set);
        return 0;
}

int credential_store_shown(CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server,
                           Shown **ret) {
        _cleanup_(shown_freep) Shown *shown = NULL;
        _cleanup_free_ char *key = NULL;
        Shown *old;
        int r;

        r = key_add(&key, server ? "server" : "client");
        if (r == 0)
                r = key_add(&key, name);
        if (r == 0)
                r = key_add(&key, policy ? strempty(policy->certificate) : "");
        if (r == 0)
                r = key_add(&key, policy ? strempty(policy->private_key) : "");
        if (r < 0)
                return r;

        list_for_each(old, &store->shown, by_store)
                if (streq(old->key, key)) {
                        list_unlink(&old->by_store);            /* the last one was asked for last */
                        list_append(&store->shown, &old->by_store);
                        *ret = old;
                        return 0;
                }

        r = shown_load(store, name, policy, server, &shown);
        if (r < 0)
                return r;
        shown->key = TAKE_PTR(key);

        if (store->n_shown == CREDENTIAL_CACHE_MAX)
                (void) shown_free(list_first(&store->shown, Shown, by_store));
        else
                store->n_shown++;

        list_append(&store->shown, &shown->by_store);
        *ret = TAKE_PTR(shown);
        return 0;
}

/* What failed is tried again, changed or not: descriptors or memory may be there again. That alone is no news. */
int credential_store_refresh(CredentialStore *store) {
        TrustSet *set, *next_set;
        Shown *shown, *next_shown;
        int news = 0;

        list_for_each_safe(set, next_set, &store->trust_sets, by_store) {
                bool changed = file_stamps_have_changed(&set->stamps);

                if (changed || set->result < 0) {
                        (void) trust_set_free(set);
                        store->n_trust_sets--;
                        news |= changed;
                }
        }

        list_for_each_safe(shown, next_shown, &store->shown, by_store) {
                bool changed = file_stamps_have_changed(&shown->stamps);

                if (changed || shown->result < 0) {
                        (void) shown_free(shown);
                        store->n_shown--;
                        news |= changed;
                }
        }

        store->generation += (unsigned) news;
        return news;
}

uint64_t credential_store_generation(const CredentialStore *store) {
        return store->generation;
}

int credential_store_reload(CredentialStore *store, char text[AUTH_TEXT_BYTES_MAX]) {
        TrustSet *set;
        int r;

        forget_all(store);
        store->generation++;

        r = credential_store_trust(store, NULL, &set);
        if (r < 0)
                return credentials_fail(text, "%s", strerrordesc_np(-r));
        if (set->result < 0)
                (void) copy_string(text, AUTH_TEXT_BYTES_MAX, set->text);

        return set->result;
}

/* -- for one handshake -- */

static void find_encryption(const SecurityPolicy *policy, const Shown *shown, Credentials *c) {
        c->none = shown->have_enc_conf && shown->enc_conf.none;
        if (shown->have_enc_conf && !c->none) {
                c->key_exchange = oap_key_exchange_to_string(shown->enc_conf.key_exchange);
                c->cipher = shown->enc_conf.cipher->name;
                c->derivation = shown->enc_conf.derivation->name;
                c->digest = shown->enc_conf.digest->name;
        }

        /* A file that names ciphers means them: the reference takes no plain answer then, nor do we. */
        if (policy->encryption != ENCRYPTION_DEFAULT)
                c->encryption = policy->encryption;
        else
                c->encryption = !shown->have_enc_conf ? ENCRYPTION_OPPORTUNISTIC
                                : c->none             ? ENCRYPTION_NO
                                                      : ENCRYPTION_REQUIRED;

        c->peer = policy->peer != PEER_DEFAULT ? policy->peer : PEER_ANY;
}

/* What is asked for must be possible: with what we show, and with what we could check the peer by. */
static int find_authentication(const char *name, const SecurityPolicy *policy, bool server, bool can_check,
                               Credentials *c, char text[AUTH_TEXT_BYTES_MAX]) {
        bool must_show, must_check;

        c->authentication = policy->authentication;
        if (c->authentication == AUTHENTICATION_DEFAULT)
                c->authentication = (server ? c->certificate != NULL : can_check) ? AUTHENTICATION_SERVER
                                                                                  : AUTHENTICATION_NONE;

        must_show = c->authentication == AUTHENTICATION_MUTUAL ||
                    (server && c->authentication == AUTHENTICATION_SERVER);
        must_check = c->authentication == AUTHENTICATION_MUTUAL ||
                     (!server && c->authentication == AUTHENTICATION_SERVER);

        if (must_show && !c->certificate)
                return credentials_fail(
                        text,
                        "Authentication=%s needs a certificate %s %.200s, and there is none (Certificate= and "
                        "PrivateKey=, or crt.pem and key.pem in " BASE
                        "/%s/%.200s)",
                        authentication_to_string(c->authentication), server ? "of" : "to show to", name,
                        server ? "server" : "client", name);
        if (must_check && !can_check)
                return credentials_fail(
                        text,
                        "Authentication=%s needs a trust anchor or a pin for %.200s, and there is none "
                        "(TrustAnchor=, Pin=, or a file in " BASE
                        "/cacert)",
                        authentication_to_string(c->authentication), name);

        return 0;
}

static int find_shown(const Shown *shown, uint64_t now_realtime_nsec, Credentials *c, char text[AUTH_TEXT_BYTES_MAX]) {
        char reason[AUTH_TEXT_BYTES_MAX];

        if (!shown->certificate)
                return 0;
        if (trust_check_time(shown->certificate->crt, now_realtime_nsec, reason) < 0)
                return credentials_fail(text, "%s cannot be used: %s", shown->certificate_path, reason);

        c->certificate = shown->der;
        c->certificate_size = shown->der_size;
        c->shown = shown->certificate;
        (void) copy_string(c->private_key, sizeof(c->private_key), shown->private_key);
        return 0;
}

int credentials_find(CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server,
                     uint64_t now_realtime_nsec, Credentials *ret, char text[AUTH_TEXT_BYTES_MAX]) {
        Credentials c = {};
        TrustSet *set;
        Shown *shown;
        bool can_check;
        int r;

        assert(store);
        assert(name);
        assert(ret);

        policy = policy ? policy : &no_policy;
        r = credential_store_trust(store, policy, &set);
        if (r < 0)
                return r;
        if (set->result < 0)
                return credentials_fail(text, "%s", set->text);

        r = credential_store_shown(store, name, policy, server, &shown);
        if (r < 0)
                return r;
        if (shown->result < 0)
                return credentials_fail(text, "%s", shown->text);

        r = find_shown(shown, now_realtime_nsec, &c, text);
        if (r < 0)
                return r;

        can_check = trust_n_anchors(set->trust) > 0 || policy->pins.n > 0;
        c.trust = can_check ? set->trust : NULL;
        find_encryption(policy, shown, &c);

        r = find_authentication(name, policy, server, can_check, &c, text);
        if (r < 0)
                return r;

        *ret = c;
        return 0;
}
