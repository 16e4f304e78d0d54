/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A security policy as an object: copied, merged with another, set key by key, shown as text. One table says which key
 * is which field; what its value may be is security-value.c's.
 */

#include "basic/siphash.h"
#include "services/common/security-policy.h"
#include "services/common/security-value.h"

static const struct {
        const char *key;
        SecurityValueKind kind;
        size_t offset;
} keys[] = {
#define KEY(name, kind, field) { name, kind, offsetof(SecurityPolicy, field) }
        KEY("Authentication", SECURITY_AUTHENTICATION, authentication),
        KEY("Encryption", SECURITY_ENCRYPTION, encryption),
        KEY("Peer", SECURITY_PEER_KIND, peer),
        KEY("CommonName", SECURITY_COMMON_NAME, common_name),
        KEY("KeyExchange", SECURITY_KEY_EXCHANGES, key_exchanges),
        KEY("Cipher", SECURITY_CIPHERS, ciphers),
        KEY("KeyDerivation", SECURITY_DIGESTS, derivations),
        KEY("Digest", SECURITY_DIGESTS, digests),
        KEY("Certificate", SECURITY_PATH, certificate),
        KEY("PrivateKey", SECURITY_PRIVATE_KEY, private_key),
        KEY("TrustAnchor", SECURITY_PATHS, trust_anchors),
        KEY("RevocationList", SECURITY_PATHS, revocation_lists),
        KEY("Pin", SECURITY_PINS, pins),
        KEY("AllowPeer", SECURITY_PEER_PATTERNS, allow),
        KEY("DenyPeer", SECURITY_PEER_PATTERNS, deny),
#undef KEY
};

static void *field_of(SecurityPolicy *policy, size_t key) {
        return (uint8_t *) policy + keys[key].offset;
}

static const void *const_field_of(const SecurityPolicy *policy, size_t key) {
        return (const uint8_t *) policy + keys[key].offset;
}

void security_policy_done(SecurityPolicy *policy) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (security_value_is_list(keys[i].kind))
                        conf_strings_done(field_of(policy, i));

        free(policy->certificate);
        free(policy->private_key);
        *policy = (SecurityPolicy) {};
}

/* -- copies -- */

static int copy_text(const char *text, char **ret) {
        char *copy = NULL;

        if (text) {
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
        }

        *ret = copy;
        return 0;
}

static int add_all(ConfStrings *to, const ConfStrings *from) {
        int r;

        for (size_t i = 0; i < from->n; i++) {
                r = conf_strings_add(to, from->items[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}

int security_policy_copy(const SecurityPolicy *policy, SecurityPolicy *ret) {
        _cleanup_(security_policy_done) SecurityPolicy copy = {};
        int r;

        assert(policy);
        assert(ret);

        copy.authentication = policy->authentication;
        copy.encryption = policy->encryption;
        copy.peer = policy->peer;
        copy.common_name = policy->common_name;
        copy.common_name_refused = policy->common_name_refused;

        r = copy_text(policy->certificate, &copy.certificate);
        if (r < 0)
                return r;

        r = copy_text(policy->private_key, &copy.private_key);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (security_value_is_list(keys[i].kind)) {
                        r = add_all(field_of(&copy, i), const_field_of(policy, i));
                        if (r < 0)
                                return r;
                }

        *ret = copy;
        copy = (SecurityPolicy) {};
        return 0;
}

/* -- merging -- */

static bool contains(const ConfStrings *list, const char *entry) {
        for (size_t i = 0; i < list->n; i++)
                if (streq(list->items[i], entry))
                        return true;

        return false;
}

static int add_once(ConfStrings *list, const char *entry) {
        if (contains(list, entry))
                return 0;
        if (list->n == SECURITY_MERGED_MAX)
                return -E2BIG;

        return conf_strings_add(list, entry);
}

static int add_all_once(ConfStrings *to, const ConfStrings *from) {
        int r;

        for (size_t i = 0; i < from->n; i++) {
                r = add_once(to, from->items[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* What both lists say, in the order of a. Of two patterns that overlap one covers the other: the narrower one is what
 * both say. */
static int intersect(const ConfStrings *a, const ConfStrings *b, bool patterns, ConfStrings *ret) {
        int r;

        for (size_t i = 0; i < a->n; i++)
                for (size_t j = 0; j < b->n; j++) {
                        const char *x = a->items[i], *y = b->items[j];

                        if (patterns ? security_pattern_covers(y, x) : streq(x, y))
                                r = add_once(ret, x);
                        else if (patterns && security_pattern_covers(x, y))
                                r = add_once(ret, y);
                        else
                                continue;
                        if (r < 0)
                                return r;
                }

        return ret->n > 0 ? 0 : -ENOTUNIQ;
}

static int merge_list(size_t key, const ConfStrings *a, const ConfStrings *b, ConfStrings *ret) {
        bool adds_up = keys[key].offset == offsetof(SecurityPolicy, deny) ||
                       keys[key].offset == offsetof(SecurityPolicy, revocation_lists);
        int r;

        if (a->n > 0 && b->n > 0 && !adds_up)
                return intersect(a, b, keys[key].kind == SECURITY_PEER_PATTERNS, ret);

        r = add_all_once(ret, a);
        return r < 0 ? r : add_all_once(ret, b);
}

int security_policy_merge(const SecurityPolicy *a, const SecurityPolicy *b, SecurityPolicy *ret) {
        _cleanup_(security_policy_done) SecurityPolicy merged = {};
        const SecurityPolicy *ours;
        int r;

        assert(a);
        assert(b);
        assert(ret);

        /* Enumerators rise with strictness, and "default", which is 0, has no opinion. */
        merged.authentication = MAX(a->authentication, b->authentication);
        merged.encryption = MAX(a->encryption, b->encryption);
        merged.peer = MAX(a->peer, b->peer);
        merged.common_name_refused = a->common_name_refused || b->common_name_refused;
        merged.common_name = (a->common_name || b->common_name) && !merged.common_name_refused;

        /* A certificate without its key is of no use. */
        ours = a->certificate || a->private_key ? a : b;
        r = copy_text(ours->certificate, &merged.certificate);
        if (r < 0)
                return r;

        r = copy_text(ours->private_key, &merged.private_key);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (security_value_is_list(keys[i].kind)) {
                        r = merge_list(i, const_field_of(a, i), const_field_of(b, i), field_of(&merged, i));
                        if (r < 0)
                                return r;
                }

        *ret = merged;
        merged = (SecurityPolicy) {};
        return 0;
}

/* -- one key -- */

int security_policy_set(SecurityPolicy *policy, const char *key, const char *value, const char **ret_problem) {
        _cleanup_(conf_strings_done) ConfStrings list = {};
        ConfStrings *field;
        int r;

        assert(policy);
        assert(key);
        assert(value);
        assert(ret_problem);

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (!streq(keys[i].key, key))
                        continue;
                if (!security_value_is_list(keys[i].kind))
                        return security_value_assign(keys[i].kind, field_of(policy, i), value, ret_problem);

                /* In files a second line adds; here the new text is all there is. */
                r = security_value_assign(keys[i].kind, &list, value, ret_problem);
                if (r < 0)
                        return r;

                field = field_of(policy, i);
                conf_strings_done(field);
                *field = list;
                list = (ConfStrings) {};
                return 0;
        }

        return -ENOENT;
}

bool security_policy_is_plain(const SecurityPolicy *policy) {
        return policy->encryption == ENCRYPTION_NO && policy->authentication == AUTHENTICATION_NONE &&
               policy->pins.n == 0 && policy->allow.n == 0 && policy->deny.n == 0;
}

/* -- as text -- */

/* Entries with blanks in them get quotes: those that hold no such quote themselves. */
static int join_list(const ConfStrings *list, char **ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        for (size_t i = 0; i < list->n; i++) {
                const char *entry = list->items[i], *quote = "";
                char *longer;

                if (strpbrk(entry, " \t\"'"))
                        quote = strchr(entry, '"') ? "'" : "\"";

                r = format_string(&longer, "%s%s%s%s%s", strempty(text), text ? " " : "", quote, entry, quote);
                if (r < 0)
                        return r;

                free(text);
                text = longer;
        }

        *ret = TAKE_PTR(text);
        return 0;
}

static const char *text_of(const SecurityPolicy *policy, size_t key) {
        switch (keys[key].kind) {
        case SECURITY_AUTHENTICATION:
                return policy->authentication ? authentication_to_string((Authentication) policy->authentication)
                                              : NULL;
        case SECURITY_ENCRYPTION:
                return policy->encryption ? encryption_to_string((Encryption) policy->encryption) : NULL;
        case SECURITY_PEER_KIND:
                return policy->peer ? peer_kind_to_string((PeerKind) policy->peer) : NULL;
        case SECURITY_COMMON_NAME:
                return policy->common_name ? "yes" : policy->common_name_refused ? "no" : NULL;
        case SECURITY_PATH:
        case SECURITY_PRIVATE_KEY:
                return *(char *const *) const_field_of(policy, key);
        case SECURITY_KEY_EXCHANGES:
        case SECURITY_CIPHERS:
        case SECURITY_DIGESTS:
        case SECURITY_PATHS:
        case SECURITY_PINS:
        case SECURITY_PEER_PATTERNS:
        case _SECURITY_VALUE_KIND_MAX:
        case _SECURITY_VALUE_KIND_INVALID:
                break;
        }

        return NULL;
}

int security_policy_describe(const SecurityPolicy *policy,
                             int (*key)(void *userdata, const char *key, const char *value), void *userdata) {
        int r;

        assert(policy);
        assert(key);

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                _cleanup_free_ char *list = NULL;
                const char *text;

                if (security_value_is_list(keys[i].kind)) {
                        r = join_list(const_field_of(policy, i), &list);
                        if (r < 0)
                                return r;
                }

                text = list ? list : text_of(policy, i);
                if (!text)
                        continue;

                r = key(userdata, keys[i].key, text);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int add_to_digest(void *userdata, const char *key, const char *value) {
        uint8_t before[SIPHASH_KEY_BYTES] = {};
        uint64_t *digest = userdata;

        memcpy(before, digest, sizeof(*digest));
        *digest = siphash24(before, key, strlen(key));
        memcpy(before, digest, sizeof(*digest));
        *digest = siphash24(before, value, strlen(value));
        return 0;
}

int security_policy_digest(const SecurityPolicy *policy, uint64_t *ret) {
        uint64_t digest = 0;
        int r;

        r = security_policy_describe(policy, add_to_digest, &digest);
        if (r < 0)
                return r;

        *ret = digest;
        return 0;
}
