/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * By which name a certificate counts. The identity that comes out says its kind: a URI has its scheme, a DNS name has
 * dots and no colon, a common name is behind "CN=". So a pattern for one kind never covers another.
 */

#include "basic/string.h"
#include "services/auth/certificate-internal.h"

#define NAME_SCHEME "o7s:name:"

static bool matches_name(const Identity *identity, const char *name) {
        switch (identity->kind) {
        case IDENTITY_URI:
                return startswith(identity->text, NAME_SCHEME) && streq(identity->text + STRLEN(NAME_SCHEME), name);
        case IDENTITY_DNS:
                return name_is_dns_like(name) && strcasecmp(identity->text, name) == 0;
        case IDENTITY_COMMON_NAME:
                return streq(identity->text + STRLEN("CN="), name);
        }

        return false;
}

/* "*" at the end stands for any rest, elsewhere for itself. */
static bool matches_pattern(const Identity *identity, const char *pattern) {
        size_t n = strlen(pattern);
        bool prefix = n > 0 && pattern[n - 1] == '*';
        bool ignore_case = identity->kind == IDENTITY_DNS;

        if (!prefix)
                return (ignore_case ? strcasecmp(identity->text, pattern) : strcmp(identity->text, pattern)) == 0;

        return (ignore_case ? strncasecmp(identity->text, pattern, n - 1) : strncmp(identity->text, pattern, n - 1)) ==
               0;
}

static bool matches_any(const Identity *identity, const ConfStrings *patterns) {
        for (size_t i = 0; i < patterns->n; i++)
                if (matches_pattern(identity, patterns->items[i]))
                        return true;

        return false;
}

/* What the certificate may be known by: the names of its SAN, or its common name where that is switched on and there
 * is no SAN. */
typedef struct Candidates {
        const Identity *items;
        unsigned n;
} Candidates;

static Candidates candidates_of(const Certificate *certificate, const SecurityPolicy *policy) {
        if (certificate->has_alternatives)
                return (Candidates) { certificate->names, certificate->n_names };
        if (policy->common_name && certificate->n_common_names == 1 && certificate->common_name.text)
                return (Candidates) { &certificate->common_name, 1 };

        return (Candidates) {};
}

static int refuse_nameless(const Certificate *certificate, const SecurityPolicy *policy,
                           char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX];

        (void) trust_subject(certificate->crt, subject);
        if (certificate->has_alternatives)
                return trust_refuse(text, "The certificate of %s has no alternative name that could be an identity",
                                    subject);
        if (certificate->n_common_names == 1 && !policy->common_name)
                return trust_refuse(
                        text, "The certificate of %s has only a common name, which counts only with CommonName=yes",
                        subject);

        return trust_refuse(text, "The certificate of %s has no name, or several, none of which could be an identity",
                            subject);
}

static const Identity *find_denied(const Candidates *candidates, const ConfStrings *deny) {
        for (unsigned i = 0; i < candidates->n; i++)
                if (matches_any(candidates->items + i, deny))
                        return candidates->items + i;

        return NULL;
}

/* The one that was called, else the first that is allowed. */
static const Identity *choose(const Candidates *candidates, const char *name, const ConfStrings *allow) {
        for (unsigned i = 0; i < candidates->n; i++) {
                const Identity *identity = candidates->items + i;

                if (name ? matches_name(identity, name) : allow->n == 0 || matches_any(identity, allow))
                        return identity;
        }

        return NULL;
}

static bool any_is_allowed(const Candidates *candidates, const ConfStrings *allow) {
        for (unsigned i = 0; i < candidates->n; i++)
                if (matches_any(candidates->items + i, allow))
                        return true;

        return allow->n == 0;
}

int trust_check_names(const Certificate *certificate, const Expectation *expected, const Identity **ret_identity,
                      char text[AUTH_TEXT_BYTES_MAX]) {
        const SecurityPolicy *policy = expected->policy;
        const Identity *identity;
        Candidates candidates;

        candidates = candidates_of(certificate, policy);
        if (candidates.n == 0)
                return refuse_nameless(certificate, policy, text);

        identity = find_denied(&candidates, &policy->deny);
        if (identity) {
                (void) trust_refuse(text, "The peer %.200s is denied (DenyPeer=)", identity->text);
                *ret_identity = identity;
                return -EACCES;
        }

        if (!any_is_allowed(&candidates, &policy->allow)) {
                (void) trust_refuse(text, "The peer %.200s is none of those that are allowed (AllowPeer=)",
                                    candidates.items[0].text);
                *ret_identity = candidates.items;
                return -EACCES;
        }

        identity = choose(&candidates, expected->name, &policy->allow);
        if (!identity)
                return trust_refuse(text, "The certificate is for %.150s, not for the name %.150s",
                                    candidates.items[0].text, strempty(expected->name));
        if (strlen(identity->text) >= AUTH_IDENTITY_BYTES_MAX)
                return trust_refuse(text, "The identity %.100s... is longer than 255 bytes", identity->text);

        *ret_identity = identity;
        return 0;
}
