/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "services/auth/negotiation.h"

#define DEFAULT_CIPHER "aes-128-gcm"
#define DEFAULT_DIGEST "sha256"
#define CIPHER_AES_192_GCM 898U         /* not between o7s hosts */

typedef const OapAlgorithm *(*FindAlgorithm)(const char *name);
typedef const OapAlgorithm *(*FindRank)(unsigned rank);

static uint32_t bit(unsigned n) {
        return UINT32_C(1) << n;
}

static int refuse(char text[AUTH_TEXT_BYTES_MAX], const char *key, const char *name, const char *refusal) {
        (void) snprintf(text, AUTH_TEXT_BYTES_MAX, "%s %s cannot be used: %s", key, name, refusal);
        return -EOPNOTSUPP;
}

/* -- what is asked for, and what is taken -- */

static int init_key_exchange(Negotiation *n, const ConfStrings *list, const char *configured,
                             char text[AUTH_TEXT_BYTES_MAX]) {
        const char *refusal = NULL, *refused = NULL;
        bool found = false;

        for (size_t i = 0; i < list->n; i++) {
                OapKeyExchange kex = oap_key_exchange_from_string(list->items[i]);
                const char *why = oap_key_exchange_refusal(kex);

                if (why) {
                        refusal = why;
                        refused = list->items[i];
                        continue;
                }
                if (!found)
                        n->key_exchange = kex;
                n->key_exchanges |= bit(kex);
                found = true;
        }
        if (list->n > 0)
                return found ? 0 : refuse(text, "Key exchange", refused, refusal);

        n->key_exchange = configured ? oap_key_exchange_from_string(configured) : OAP_X25519;
        refusal = oap_key_exchange_refusal(n->key_exchange);
        if (refusal)
                return refuse(text, "Key exchange", configured, refusal);

        for (unsigned kex = configured ? n->key_exchange : 0; kex < _OAP_KEY_EXCHANGE_OURS_MAX; kex++)
                n->key_exchanges |= bit(kex);

        return 0;
}

typedef struct Kind {
        const char *key;                /* for people */
        const char *fallback;
        FindAlgorithm by_name;
        FindRank not_below;
} Kind;

static int init_algorithm(const Kind *kind, const ConfStrings *list, const char *configured,
                          const OapAlgorithm **ret_asked, uint32_t *ret_taken, char text[AUTH_TEXT_BYTES_MAX]) {
        const OapAlgorithm *asked = NULL, *refused = NULL;
        uint32_t taken = 0;

        for (size_t i = 0; i < list->n; i++) {
                const OapAlgorithm *algorithm = kind->by_name(list->items[i]);

                if (!algorithm)
                        return refuse(text, kind->key, list->items[i], "there is no such algorithm");
                if (algorithm->refusal) {
                        refused = algorithm;
                        continue;
                }
                if (!asked)
                        asked = algorithm;
                taken |= bit(algorithm->rank);
        }
        if (list->n > 0 && !asked)
                return refuse(text, kind->key, refused->name, refused->refusal);

        if (list->n == 0) {
                asked = kind->by_name(configured ? configured : kind->fallback);
                if (!asked || asked->refusal)
                        return refuse(text, kind->key, configured,
                                      asked ? asked->refusal : "there is no such algorithm");

                for (const OapAlgorithm *a = kind->not_below(configured ? asked->rank : 0); a;
                     a = kind->not_below(a->rank + 1U))
                        taken |= bit(a->rank);
        }

        *ret_asked = asked;
        *ret_taken = taken;
        return 0;
}

static void add_suite(Negotiation *n, const OapAlgorithm *cipher, uint16_t flag) {
        if (cipher->id == CIPHER_AES_192_GCM)
                return;

        for (unsigned i = 0; i < n->n_suites; i++)
                if (n->suites[i] == (cipher->id | flag))
                        return;

        if (n->n_suites < OAP_SUITES_MAX)
                n->suites[n->n_suites++] = cipher->id | flag;
}

/* What is asked for stands first, then the others that are taken. Who wants no encryption takes it from whoever needs
 * it. */
static void init_suites(Negotiation *n, const ConfStrings *list) {
        static const uint16_t flags[] = { OAP_SUITE_MAC_ONLY, 0 };

        for (size_t i = n->encryption == ENCRYPTION_NO ? 0 : 1; i < ELEMENTSOF(flags); i++) {
                add_suite(n, n->cipher, flags[i]);
                for (size_t k = 0; k < list->n; k++) {
                        const OapAlgorithm *cipher = oap_cipher_by_name(list->items[k]);

                        if (cipher && !cipher->refusal)
                                add_suite(n, cipher, flags[i]);
                }
                for (const OapAlgorithm *a = oap_cipher_not_below(0); a; a = oap_cipher_not_below(a->rank + 1U))
                        if (n->ciphers & bit(a->rank))
                                add_suite(n, a, flags[i]);
        }
}

static int init_algorithms(Negotiation *n, const SecurityPolicy *policy, const Credentials *credentials,
                           char text[AUTH_TEXT_BYTES_MAX]) {
        static const Kind cipher = { "Cipher", DEFAULT_CIPHER, oap_cipher_by_name, oap_cipher_not_below };
        static const Kind derivation = { "Key derivation", DEFAULT_DIGEST, oap_digest_by_name, oap_digest_not_below };
        static const Kind digest = { "Digest", DEFAULT_DIGEST, oap_digest_by_name, oap_digest_not_below };
        int r;

        r = init_key_exchange(n, &policy->key_exchanges, credentials->key_exchange, text);
        if (r < 0)
                return r;
        r = init_algorithm(&cipher, &policy->ciphers, credentials->cipher, &n->cipher, &n->ciphers, text);
        if (r < 0)
                return r;
        r = init_algorithm(&derivation, &policy->derivations, credentials->derivation, &n->derivation, &n->derivations,
                           text);
        if (r < 0)
                return r;

        /* A digest in enc.conf is what we sign with; the reference knows no floor of it. */
        r = init_algorithm(&digest, &policy->digests, credentials->digest, &n->digest, &n->digests, text);
        if (r < 0)
                return r;
        if (policy->digests.n == 0)
                n->digests = UINT32_MAX;

        init_suites(n, &policy->ciphers);
        return 0;
}

/* -- what is wanted -- */

static int resolve_encryption(const SecurityPolicy *policy, const Credentials *credentials) {
        if (policy->encryption != ENCRYPTION_DEFAULT)
                return policy->encryption;
        if (credentials->encryption != ENCRYPTION_DEFAULT)
                return credentials->encryption;
        if (credentials->none)
                return ENCRYPTION_NO;

        /* The reference refuses what comes without as soon as its enc.conf has a key exchange. */
        return credentials->key_exchange ? ENCRYPTION_REQUIRED : ENCRYPTION_OPPORTUNISTIC;
}

/* Lists of who may and who may not are worth nothing among those who do not say who they are. */
static bool lists_peers(const SecurityPolicy *policy) {
        return policy->pins.n > 0 || policy->allow.n > 0 || policy->deny.n > 0;
}

int negotiation_init(const SecurityPolicy *policy, const Credentials *credentials, bool server, Negotiation *ret,
                     char text[AUTH_TEXT_BYTES_MAX]) {
        Negotiation n = {};
        int r;

        assert(policy);
        assert(credentials);
        assert(ret);
        assert(text);

        n.authentication =
                policy->authentication != AUTHENTICATION_DEFAULT ? policy->authentication : credentials->authentication;
        n.encryption = resolve_encryption(policy, credentials);
        n.peer = policy->peer != PEER_DEFAULT ? policy->peer : credentials->peer;
        n.show = policy->authentication != AUTHENTICATION_NONE && credentials->certificate;
        n.want_peer = n.authentication == AUTHENTICATION_MUTUAL ||
                      (n.authentication == AUTHENTICATION_SERVER && !server) || lists_peers(policy);

        r = init_algorithms(&n, policy, credentials, text);
        if (r < 0)
                return r;

        /* A server without a certificate only fails where somebody said that it has to have one; that there are
         * anchors on the host says nothing about it. */
        if (!n.show && (n.authentication == AUTHENTICATION_MUTUAL ||
                        (server && policy->authentication == AUTHENTICATION_SERVER))) {
                (void) snprintf(text, AUTH_TEXT_BYTES_MAX,
                                "Authentication=%s needs a certificate of ours for this name, and there is none",
                                n.authentication == AUTHENTICATION_MUTUAL ? "mutual" : "server");
                return -ENOKEY;
        }

        *ret = n;
        return 0;
}

/* -- with a peer -- */

bool negotiation_takes_key_exchange(const Negotiation *n, OapKeyExchange kex) {
        return (int) kex >= 0 && kex < _OAP_KEY_EXCHANGE_OURS_MAX && (n->key_exchanges & bit(kex));
}

bool negotiation_takes_cipher(const Negotiation *n, const OapAlgorithm *cipher) {
        return cipher && !cipher->refusal && (n->ciphers & bit(cipher->rank));
}

bool negotiation_takes_derivation(const Negotiation *n, const OapAlgorithm *derivation) {
        return derivation && !derivation->refusal && (n->derivations & bit(derivation->rank));
}

bool negotiation_takes_digest(const Negotiation *n, const OapAlgorithm *digest) {
        return digest && !digest->refusal && (n->digests & bit(digest->rank));
}

static const OapAlgorithm *choose(uint32_t taken, unsigned rank, FindRank not_below) {
        for (const OapAlgorithm *a = not_below(rank); a; a = not_below(a->rank + 1U))
                if (taken & bit(a->rank))
                        return a;

        return NULL;
}

const OapAlgorithm *negotiation_cipher(const Negotiation *n, uint16_t id) {
        const OapAlgorithm *asked = oap_cipher_by_id(id);

        return choose(n->ciphers, MAX(asked ? asked->rank : 0U, (unsigned) n->cipher->rank), oap_cipher_not_below);
}

const OapAlgorithm *negotiation_derivation(const Negotiation *n, uint16_t id) {
        const OapAlgorithm *asked = oap_digest_by_id(id);

        return choose(n->derivations, MAX(asked ? asked->rank : 0U, (unsigned) n->derivation->rank),
                      oap_digest_not_below);
}

uint16_t negotiation_suite(const Negotiation *n, const uint16_t *suites, unsigned n_suites, bool header) {
        for (unsigned i = 0; i < n_suites; i++) {
                const OapAlgorithm *cipher = oap_cipher_by_id(suites[i] & ~OAP_SUITE_MAC_ONLY);
                bool mac_only = suites[i] & OAP_SUITE_MAC_ONLY;

                if (!negotiation_takes_cipher(n, cipher) || cipher->id == CIPHER_AES_192_GCM)
                        continue;
                if (mac_only && (header || n->encryption == ENCRYPTION_REQUIRED))
                        continue;

                return suites[i];
        }

        return 0;
}
