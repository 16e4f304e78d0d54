/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What people ask before a flow fails: what would be used for this name, and is it good? The files are credentials.c's;
 * here is what only both services together know, whether the private key can be used and belongs to the certificate.
 */

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdio.h>

#include "services/auth/service.h"

/* The public key of a certificate. Returns: its bytes; -EBADMSG; -ENOBUFS. */
static ssize_t public_key_of(const uint8_t *certificate, size_t certificate_size, uint8_t *ret, size_t size) {
        gnutls_datum_t der = {
                .data = (uint8_t *) (uintptr_t) certificate,    /* only read */
                .size = (unsigned) certificate_size,
        };
        gnutls_x509_crt_t crt;
        gnutls_pubkey_t key;
        int r;

        if (gnutls_x509_crt_init(&crt) < 0)
                return -ENOMEM;
        if (gnutls_pubkey_init(&key) < 0) {
                gnutls_x509_crt_deinit(crt);
                return -ENOMEM;
        }

        r = gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER);
        if (r >= 0)
                r = gnutls_pubkey_import_x509(key, crt, 0);
        if (r >= 0)
                r = gnutls_pubkey_export(key, GNUTLS_X509_FMT_DER, ret, &size);

        gnutls_pubkey_deinit(key);
        gnutls_x509_crt_deinit(crt);
        return r < 0 ? -EBADMSG : (ssize_t) size;
}

static void inspect_key(Signer *signer, const Credentials *credentials, usec_t now, AuthFinding *ret) {
        uint8_t theirs[KEY_PUBLIC_BYTES_MAX], ours[KEY_PUBLIC_BYTES_MAX];
        ssize_t n, size;

        (void) copy_string(ret->subject, sizeof(ret->subject),
                           isempty(credentials->private_key) ? "private key" : credentials->private_key);
        utf8_mend(ret->subject);

        n = signer_public(signer, credentials->private_key, now, theirs, ret->text);
        if (n < 0) {
                ret->result = (int32_t) n;
                return;
        }

        size = public_key_of(credentials->certificate, credentials->certificate_size, ours, sizeof(ours));
        if (size != n || memcmp(ours, theirs, (size_t) n) != 0) {
                ret->result = -ENOKEY;
                (void) copy_string(ret->text, sizeof(ret->text), "The private key does not belong to the certificate");
                return;
        }

        (void) copy_string(ret->text, sizeof(ret->text),
                           "The private key belongs to the certificate, and o7s-keyd can use it");
}

/* What the policy comes to with the files that there are. */
static void inspect_policy(const char *name, const Credentials *credentials, AuthFinding *ret) {
        (void) copy_string(ret->subject, sizeof(ret->subject), name);
        utf8_mend(ret->subject);
        (void) snprintf(ret->text, sizeof(ret->text), "Authentication=%s, Encryption=%s, Peer=%s; %s, %s",
                        strempty(authentication_to_string((Authentication) credentials->authentication)),
                        strempty(encryption_to_string((Encryption) credentials->encryption)),
                        strempty(peer_kind_to_string((PeerKind) credentials->peer)),
                        credentials->certificate ? "with a certificate of our own" : "without a certificate of our own",
                        credentials->trust ? "with trust anchors" : "without trust anchors");
}

int service_inspect(Service *s, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer) {
        _cleanup_free_ AuthFinding *findings = NULL;
        Credentials credentials = {};
        unsigned n = 0;
        int r;

        if (!flow_name_is_valid_on_wire(message->name)) {
                (void) copy_string(answer->text, sizeof(answer->text),
                                   "What is asked about is a name, and there is none");
                return -EPROTO;
        }

        findings = calloc(AUTH_FINDINGS_MAX, sizeof(*findings));
        if (!findings)
                return -ENOMEM;

        (void) credential_store_refresh(s->store);
        r = credentials_find(s->store, message->name, &message->policy, message->server, now.realtime_nsec,
                             &credentials, answer->text);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                (void) copy_string(findings[n].subject, sizeof(findings[n].subject), message->name);
                utf8_mend(findings[n].subject);
                (void) copy_string(findings[n].text, sizeof(findings[n].text), answer->text);
                findings[n++].result = r;
                answer->text[0] = '\0';
        } else
                inspect_policy(message->name, &credentials, findings + n++);
        if (r >= 0 && credentials.certificate)
                inspect_key(&peer->signer, &credentials, now.monotonic, findings + n++);

        r = credentials_inspect(s->store, message->name, &message->policy, message->server, now.realtime_nsec,
                                findings + n, AUTH_FINDINGS_MAX - n);
        if (r < 0)
                return r;

        answer->n_findings = n + MIN((unsigned) r, AUTH_FINDINGS_MAX - n);
        answer->findings = TAKE_PTR(findings);
        return 0;
}
