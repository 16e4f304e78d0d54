/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From a leaf to an anchor. The peer sends its leaf alone; what stands in between is in this host's directory of
 * intermediates, and none of these is ever an anchor, self-signed or not. There may be several ways up (an authority
 * that was certified twice, a key that was renewed): each is tried, up to a limit, and one that holds is enough.
 *
 * A way holds when each certificate on it is signed by the next, every one passes every rule (trust-rule.c), nobody
 * on it is revoked, and the names in the leaf are within what the authorities may certify.
 */

#include "basic/string.h"
#include "services/auth/certificate-internal.h"

#define ATTEMPTS_MAX 32U
#define NAME_SCHEME "o7s:name:"

/* Depth first, without recursion: how far each step has looked is in .next. */
typedef struct Search {
        const Trust *trust;
        gnutls_x509_crt_t path[CHAIN_MAX];
        unsigned next[CHAIN_MAX];
        unsigned n;
        unsigned attempts;
        bool found;                     /* a way that leads to an anchor, if not one that holds: its reason is the one
                                         * to tell */
} Search;

/* -- names that authorities may certify -- */

/*
 * Constraints know DNS names. A flow name is one of the same kind, whatever it is written into: who may certify only
 * below example.com must not certify "o7s:name:bank" by calling it a URI. Other URIs have no place below a
 * constrained authority.
 */
static bool name_is_permitted(gnutls_x509_name_constraints_t constraints, const Identity *identity) {
        const char *name = identity->text;
        gnutls_datum_t datum;

        if (identity->kind == IDENTITY_URI && !startswith(name, NAME_SCHEME))
                return false;
        if (identity->kind == IDENTITY_URI)
                name += STRLEN(NAME_SCHEME);
        if (identity->kind == IDENTITY_COMMON_NAME)
                name += STRLEN("CN=");

        /* only read */
        datum = (gnutls_datum_t) { .data = (uint8_t *) (uintptr_t) name, .size = (unsigned) strlen(name) };
        return gnutls_x509_name_constraints_check(constraints, GNUTLS_SAN_DNSNAME, &datum) != 0;
}

/* Constraints of kinds that are not checked above could forbid anything. */
static bool kinds_are_understood(gnutls_x509_name_constraints_t constraints) {
        typedef int (*get_t)(gnutls_x509_name_constraints_t, unsigned, unsigned *, gnutls_datum_t *);
        static const get_t lists[] = { gnutls_x509_name_constraints_get_permitted,
                                       gnutls_x509_name_constraints_get_excluded };

        for (size_t list = 0; list < ELEMENTSOF(lists); list++)
                for (unsigned i = 0;; i++) {
                        gnutls_datum_t name;
                        unsigned kind;
                        int r;

                        r = lists[list](constraints, i, &kind, &name);
                        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                                break;
                        if (r < 0 || (kind != GNUTLS_SAN_DNSNAME && kind != GNUTLS_SAN_RFC822NAME &&
                                      kind != GNUTLS_SAN_IPADDRESS))
                                return false;
                }

        return true;
}

/* Returns: 1: there are constraints; 0: none; -EBADMSG. */
static int gather_constraints(gnutls_x509_crt_t const *path, unsigned n, gnutls_x509_name_constraints_t constraints) {
        int found = 0;

        for (unsigned i = 1; i < n; i++) {
                unsigned critical;
                int r;

                r = gnutls_x509_crt_get_name_constraints(path[i], constraints, GNUTLS_NAME_CONSTRAINTS_FLAG_APPEND,
                                                         &critical);
                if (r >= 0)
                        found = 1;
                else if (r != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        return -EBADMSG;
        }

        return found && !kinds_are_understood(constraints) ? -EBADMSG : found;
}

static int check_constraints(gnutls_x509_crt_t const *path, unsigned n, const Certificate *certificate,
                             const Identity *identity, char text[AUTH_TEXT_BYTES_MAX]) {
        gnutls_x509_name_constraints_t constraints;
        const Identity *outside = NULL;
        char subject[TRUST_SUBJECT_BYTES_MAX];
        int r;

        r = gnutls_x509_name_constraints_init(&constraints);
        if (r < 0)
                return certificate_error(r);

        r = gather_constraints(path, n, constraints);
        if (r > 0) {
                if (!name_is_permitted(constraints, identity))
                        outside = identity;
                for (unsigned i = 0; !outside && i < certificate->n_names; i++)
                        if (!name_is_permitted(constraints, certificate->names + i))
                                outside = certificate->names + i;
        }

        gnutls_x509_name_constraints_deinit(constraints);
        if (r < 0)
                return trust_refuse(text, "The name constraints above %s are not understood here",
                                    trust_subject(path[0], subject));
        if (outside)
                return trust_refuse(text, "An authority above %s may not certify the name %.200s (name constraints)",
                                    trust_subject(path[0], subject), outside->text);

        return 0;
}

/* -- one way -- */

static bool is_self_issued(gnutls_x509_crt_t crt) {
        gnutls_datum_t subject = {}, issuer = {};
        bool same;

        same = gnutls_x509_crt_get_raw_dn(crt, &subject) >= 0 && gnutls_x509_crt_get_raw_issuer_dn(crt, &issuer) >= 0 &&
               subject.size == issuer.size && memcmp(subject.data, issuer.data, subject.size) == 0;

        gnutls_free(subject.data);
        gnutls_free(issuer.data);
        return same;
}

static int check_issuers(gnutls_x509_crt_t const *path, unsigned n, const Expectation *expected,
                         char text[AUTH_TEXT_BYTES_MAX]) {
        unsigned below = 0;

        for (unsigned i = 1; i < n; i++) {
                int r;

                r = trust_check_issuer(path[i], expected->server, below, text);
                if (r == 0)
                        r = trust_check_key(path[i], text);
                if (r == 0)
                        r = trust_check_extensions(path[i], true, text);
                if (r == 0)
                        r = trust_check_time(path[i], expected->now_realtime_nsec, text);
                if (r < 0)
                        return r;

                if (!is_self_issued(path[i]))
                        below++;
        }

        return 0;
}

static int check_path(const Search *s, unsigned n, const Certificate *certificate, const Expectation *expected,
                      const Identity *identity, char text[AUTH_TEXT_BYTES_MAX]) {
        int r;

        r = check_issuers(s->path, n, expected, text);
        if (r < 0)
                return r;

        r = check_constraints(s->path, n, certificate, identity, text);
        if (r < 0)
                return r;

        for (unsigned i = 0; i + 1 < n; i++) {
                r = trust_check_revocation(s->trust, s->path[i], s->path[i + 1], expected->now_realtime_nsec, text);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* -- all ways -- */

static bool fits(const Search *s, gnutls_x509_crt_t candidate) {
        if (gnutls_x509_crt_check_issuer(s->path[s->n - 1], candidate) != 1)
                return false;

        for (unsigned i = 0; i < s->n; i++)
                if (gnutls_x509_crt_equals(s->path[i], candidate))
                        return false;

        return true;
}

/* Whether the candidate has signed the certificate that the search stands at. */
static bool signs(const Search *s, gnutls_x509_crt_t candidate, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX], issuer[TRUST_SUBJECT_BYTES_MAX], reason[AUTH_TEXT_BYTES_MAX];
        gnutls_x509_crt_t crt = s->path[s->n - 1];
        int r;

        r = trust_check_signature_algorithm(gnutls_x509_crt_get_signature_algorithm(crt), crt, reason);
        if (r == 0 && trust_signs_certificate(candidate, crt))
                return true;

        if (s->found)
                return false;
        if (r < 0)
                (void) copy_string(text, AUTH_TEXT_BYTES_MAX, reason);
        else
                (void) trust_refuse(text, "The signature in the certificate of %s is not that of %s",
                                    trust_subject(crt, subject), trust_subject(candidate, issuer));
        return false;
}

static void refuse_unknown(const Certificate *certificate, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX], issuer[TRUST_SUBJECT_BYTES_MAX];

        if (gnutls_x509_crt_check_issuer(certificate->crt, certificate->crt) == 1)
                (void) trust_refuse(
                        text,
                        "The certificate of %s is issued by itself; it counts only where its key is pinned (Pin=)",
                        trust_subject(certificate->crt, subject));
        else
                (void) trust_refuse(
                        text,
                        "The certificate of %s is issued by %s, from which nothing leads to a "
                        "trust anchor of this host",
                        trust_subject(certificate->crt, subject), trust_issuer(certificate->crt, issuer));
}

/* The next candidate for the step that the search is at, or NULL: then the step is taken back. */
static gnutls_x509_crt_t next_candidate(Search *s, bool *ret_anchor) {
        const Trust *trust = s->trust;

        while (s->next[s->n - 1] < trust->n_anchors + trust->n_intermediates) {
                unsigned i = s->next[s->n - 1]++;
                gnutls_x509_crt_t candidate = i < trust->n_anchors ? trust->anchors[i]
                                                                   : trust->intermediates[i - trust->n_anchors];

                *ret_anchor = i < trust->n_anchors;
                if (fits(s, candidate))
                        return candidate;
        }

        s->n--;
        return NULL;
}

int trust_check_chain(const Trust *trust, const Certificate *certificate, const Expectation *expected,
                      const Identity *identity, char text[AUTH_TEXT_BYTES_MAX]) {
        Search s = { .trust = trust, .path = { certificate->crt }, .n = 1 };

        refuse_unknown(certificate, text);      /* unless a way is found */

        while (s.n > 0 && s.attempts < ATTEMPTS_MAX) {
                gnutls_x509_crt_t candidate;
                bool anchor;
                int r;

                candidate = next_candidate(&s, &anchor);
                if (!candidate)
                        continue;

                s.attempts++;
                if (!signs(&s, candidate, text))
                        continue;

                s.path[s.n] = candidate;
                if (anchor) {
                        r = check_path(&s, s.n + 1, certificate, expected, identity, text);
                        if (r != -EKEYREJECTED)
                                return r;
                        s.found = true;
                } else if (s.n + 1 < CHAIN_MAX) {
                        s.next[s.n++] = 0;
                }
        }

        return -EKEYREJECTED;
}
