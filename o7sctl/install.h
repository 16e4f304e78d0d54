/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where certificates have to be for o7s-auth and o7s-keyd to find them, below ROOT/etc/o7s/security:
 *
 *   server/NAME/{crt.pem,key.pem}  what this host shows where it serves the name; the key is o7s-keyd's alone, 0400
 *   client/NAME/{crt.pem,key.pem}  ... where it calls it
 *   cacert/AUTHORITY.pem           whom it trusts
 *   crl/AUTHORITY.pem              what of that no longer
 */

#include "o7sctl/ca.h"

#define SECURITY_DIRECTORY "/etc/o7s/security"
#define KEYD_USER "o7s-keyd"

typedef struct Installed {
        char *directory;        /* owned */
        bool owned;             /* the key belongs to o7s-keyd; else to whoever ran this, who has to see to it */
} Installed;

void installed_done(Installed *installed);

/* Whether a name can be a directory: all but "." and "..". */
bool install_name_is_valid(const char *name);

/* The pair of a name. One that is there is replaced, the key first. Returns: 0; errors of files. */
int install_pair(const char *root, const char *name, bool client, const CaPair *pair, Installed *ret);

/* A trust anchor, and a revocation list of it; the same authority has the same file each time. Returns: 0; errors of
 * files. */
int install_anchor(const char *root, const CaCertificate *authority, const char *pem, char **ret_path);
int install_revocations(const char *root, const CaCertificate *authority, const char *pem, char **ret_path);

/* Whether it is an anchor here. */
bool install_is_anchor(const char *root, const CaCertificate *authority);
