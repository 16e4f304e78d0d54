/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Credentials for people: what would be used for a name, until when, and what is wrong with it. "o7sctl doctor" and
 * the warnings in advance read this; it decides nothing.
 */

#include <dirent.h>

#include "services/auth/credentials-internal.h"

#define NSEC_PER_SECOND 1000000000ULL
#define USEC_PER_SECOND 1000000ULL

typedef struct Findings {
        AuthFinding *items;
        unsigned n, max;
        uint64_t now_realtime_nsec;
} Findings;

static AuthFinding *findings_add(Findings *f, int result, const char *subject) {
        AuthFinding *finding;

        if (f->n == f->max)
                return NULL;

        finding = &f->items[f->n++];
        *finding = (AuthFinding) { .result = result };
        (void) copy_string(finding->subject, sizeof(finding->subject), subject);
        trust_clean(finding->subject);
        return finding;
}

static void findings_say(Findings *f, int result, const char *subject, const char *text) {
        AuthFinding *finding = findings_add(f, result, subject);

        if (finding)
                (void) copy_string(finding->text, sizeof(finding->text), text);
}

/* A certificate by itself: its time and its key. what: "trust anchor", ... */
static void inspect_certificate(Findings *f, const char *subject, gnutls_x509_crt_t crt, const char *what) {
        char name[TRUST_SUBJECT_BYTES_MAX], issuer[TRUST_SUBJECT_BYTES_MAX], when[TRUST_TIME_BYTES_MAX];
        time_t until = gnutls_x509_crt_get_expiration_time(crt);
        AuthFinding *finding;

        finding = findings_add(f, 0, subject ? subject : trust_subject(crt, name));
        if (!finding)
                return;

        finding->expiry_usec = until > 0 ? (uint64_t) until * USEC_PER_SECOND : 0;
        finding->result = trust_check_time(crt, f->now_realtime_nsec, finding->text);
        if (finding->result == 0)
                finding->result = trust_check_key(crt, finding->text);
        if (finding->result == 0)
                trust_say(finding->text, "%s %s, issued by %s, valid until %s", what, trust_subject(crt, name),
                          trust_issuer(crt, issuer), trust_time(until, when));
}

static void inspect_list(Findings *f, gnutls_x509_crl_t crl) {
        char issuer[TRUST_SUBJECT_BYTES_MAX] = "", when[TRUST_TIME_BYTES_MAX];
        int64_t until = gnutls_x509_crl_get_next_update(crl);
        size_t size = sizeof(issuer);
        AuthFinding *finding;

        if (gnutls_x509_crl_get_issuer_dn(crl, issuer, &size) < 0)
                (void) copy_string(issuer, sizeof(issuer), "an authority with a long name");
        for (char *p = issuer; *p != '\0'; p++)
                if ((unsigned char) *p < ' ' || (unsigned char) *p >= 0x7f)
                        *p = '?';

        finding = findings_add(f, 0, issuer);
        if (!finding)
                return;
        if (until < 0) {
                (void) copy_string(finding->text, sizeof(finding->text),
                                   "revocation list that does not say until when");
                return;
        }

        finding->expiry_usec = (uint64_t) until * USEC_PER_SECOND;
        finding->result = until < (int64_t) (f->now_realtime_nsec / NSEC_PER_SECOND) ? -EKEYEXPIRED : 0;
        trust_say(finding->text,
                  finding->result < 0 ? "revocation list that is out of date since %s: what it is about is refused"
                                      : "revocation list, up to date until %s",
                  trust_time(until, when));
}

static void inspect_trust(Findings *f, const TrustSet *set) {
        const Trust *trust = set->trust;

        if (set->result < 0) {
                findings_say(f, set->result, "trust", set->text);
                return;
        }
        if (trust->n_anchors == 0)
                findings_say(f, 0, "trust",
                             "no trust anchors: peers cannot prove who they are, unless they are pinned");

        for (unsigned i = 0; i < trust->n_anchors; i++)
                inspect_certificate(f, NULL, trust->anchors[i], "trust anchor");
        for (unsigned i = 0; i < trust->n_intermediates; i++)
                inspect_certificate(f, NULL, trust->intermediates[i], "intermediate");
        for (unsigned i = 0; i < trust->n_revocations; i++)
                inspect_list(f, trust->revocations[i]);
}

/* Would we believe it ourselves? Then peers with the same anchors do. */
static void inspect_own_proof(Findings *f, const char *name, bool server, const TrustSet *set, const Shown *shown) {
        char identity[AUTH_IDENTITY_BYTES_MAX], text[AUTH_TEXT_BYTES_MAX], subject[AUTH_IDENTITY_BYTES_MAX];
        const SecurityPolicy policy = { .common_name = true };
        const Expectation expected = { .name = server ? name : NULL, .policy = &policy, .server = server,
                                       .now_realtime_nsec = f->now_realtime_nsec };
        int r;

        if (set->result < 0 || trust_n_anchors(set->trust) == 0)
                return;

        (void) copy_string(subject, sizeof(subject), shown->certificate_path);
        r = trust_verify(set->trust, shown->certificate, &expected, identity, text);
        if (r < 0) {
                findings_say(f, r, subject, text);
                return;
        }

        trust_say(text, "proves %.200s to whoever has the same trust anchors%s", identity,
                  startswith(identity, "CN=") ? ", where CommonName=yes is set: it has no alternative name" : "");
        findings_say(f, 0, subject, text);
}

static void inspect_shown(Findings *f, const char *name, bool server, const TrustSet *set, const Shown *shown) {
        char text[AUTH_TEXT_BYTES_MAX];

        if (shown->result < 0) {
                findings_say(f, shown->result, name, shown->text);
                return;
        }

        if (shown->certificate) {
                inspect_certificate(f, shown->certificate_path, shown->certificate->crt, "certificate of");
                inspect_own_proof(f, name, server, set, shown);
                trust_say(text, "private key of %.200s; o7s-keyd opens it", name);
                findings_say(f, 0, shown->private_key, text);
        }
        if (shown->have_enc_conf) {
                trust_say(text, "enc.conf of %.200s: %s", name,
                          shown->enc_conf.none ? "no encryption is asked for" : shown->enc_conf.cipher->name);
                findings_say(f, 0, name, text);
        }
}

static int inspect_name(CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server,
                        const TrustSet *set, Findings *f) {
        Shown *shown;
        int r;

        r = credential_store_shown(store, name, policy, server, &shown);
        if (r < 0)
                return r;

        inspect_shown(f, name, server, set, shown);
        return 0;
}

static int is_shown(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

static int inspect_side(CredentialStore *store, bool server, const TrustSet *set, Findings *f) {
        _cleanup_(file_stamps_done) FileStamps stamps = {};     /* not kept: people ask anew */
        _cleanup_free_ char *base = NULL, *path = NULL;
        struct dirent **entries = NULL;
        int n, r;

        r = credential_store_base(store, &stamps, &base);
        if (r == 0)
                r = format_string(&path, "%s/%s", base, server ? "server" : "client");
        if (r < 0)
                return r;

        n = scandir(path, &entries, is_shown, alphasort);
        if (n < 0) {
                if (errno != ENOENT)
                        findings_say(f, -ENOKEY, path, credentials_reason(-errno));
                return 0;
        }

        for (int i = 0; i < n; i++) {
                if (r == 0 && f->n < f->max)
                        r = inspect_name(store, entries[i]->d_name, NULL, server, set, f);
                free(entries[i]);
        }
        free(entries);

        return r;
}

int credentials_inspect(CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server,
                        uint64_t now_realtime_nsec, AuthFinding *ret, unsigned n) {
        Findings f = { .items = ret, .max = n, .now_realtime_nsec = now_realtime_nsec };
        TrustSet *set;
        int r;

        assert(store);

        r = credential_store_trust(store, policy, &set);
        if (r < 0)
                return r;

        /* What a name shows comes first: there is room for so many findings, and there may be many anchors. */
        if (name)
                r = inspect_name(store, name, policy, server, set, &f);
        else {
                r = inspect_side(store, true, set, &f);
                if (r == 0)
                        r = inspect_side(store, false, set, &f);
        }
        if (r < 0)
                return r;

        inspect_trust(&f, set);
        return (int) f.n;
}
