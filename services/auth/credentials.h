/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What this host shows, and whom it trusts: certificates, trust anchors and revocation lists, found by the policy of
 * a name or in its directory, read again when a file changes. No private key ever comes here: private_key is only the
 * name by which o7s-keyd knows it.
 *
 *   /etc/o7s/security/
 *           cacert/                                   trust anchors
 *           untrusted/                                intermediates: never anchors
 *           crl/                                      revocation lists
 *           server/NAME/{crt.pem,key.pem,enc.conf}    what NAME shows where it is served here
 *           client/NAME/...                           what this host shows to NAME
 *
 * The same below /etc/ouroboros/security where that is all there is.
 *
 * A file that is there and cannot be read, or is no certificate, fails what depends on it (-ENOKEY, with its path in
 * the text): nothing is ever weaker because of an error. Only a directory or file that does not exist means "none".
 */

#include "services/common/auth-message.h"
#include "services/auth/trust.h"

typedef struct CredentialStore CredentialStore;

/* root: "" or a directory in front of /etc, for tests. Returns: 0; -ENOMEM. */
int credential_store_new(const char *root, CredentialStore **ret);
CredentialStore *credential_store_free(CredentialStore *store);
DEFINE_CLEANUP(CredentialStore, credential_store_free);

/* For one handshake. The pointers live until credential_store_refresh(). */
typedef struct Credentials {
        const uint8_t *certificate;             /* DER, leaf; NULL: none to show */
        size_t certificate_size;
        const Certificate *shown;               /* the same, parsed; NULL: whoever wants to look into it parses it */
        char private_key[512];                  /* for o7s-keyd */
        const Trust *trust;                     /* NULL: no anchor for this name; trust_ref() where it is used after a
                                                 * refresh */
        /* What the files decide where the policy leaves it open. */
        int authentication;                     /* never AUTHENTICATION_DEFAULT */
        int encryption;
        int peer;
        const char *key_exchange, *cipher, *derivation, *digest;        /* of enc.conf, static; NULL: not said */
        bool none;                              /* enc.conf says "none" */
} Credentials;

/* Returns: 0; -ENOKEY: a file is no good, text says which and why; -ENOMEM. */
int credentials_find(CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server,
                     uint64_t now_realtime_nsec, Credentials *ret, char text[AUTH_TEXT_BYTES_MAX]);

/* Looks whether files have changed. At most once a second is enough. Returns: 1: something is new; 0. */
int credential_store_refresh(CredentialStore *store);

/* A number that is another one after each refresh with news, and after each reload: what was decided before may be
 * decided otherwise now. */
uint64_t credential_store_generation(const CredentialStore *store);

/* Everything is read again. Returns: 0; -ENOKEY. */
int credential_store_reload(CredentialStore *store, char text[AUTH_TEXT_BYTES_MAX]);

/* For people: one finding per file that counts for this name. name NULL: of all names, for warnings in advance.
 * Returns: how many; -ENOMEM. */
int credentials_inspect(CredentialStore *store, const char *name, const SecurityPolicy *policy, bool server,
                        uint64_t now_realtime_nsec, AuthFinding *ret, unsigned n);
