/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of private keys on tokens: "pkcs11:token=LABEL;object=LABEL" and more of RFC 7512, section 2.3, by which a key
 * is found. A name comes from files and people, and through a process that strangers talk to; whoever reads it may be
 * made to load a library or to open a file by it. So nothing passes but attributes that only compare: no module-name,
 * module-path, pin-source or pin-value, in whichever place, and none that we do not know. Which libraries there are the
 * host's p11-kit decides, and PINs are credentials of o7s-keyd.
 */

#include "basic/string.h"

#define PKCS11_URL_PREFIX "pkcs11:"
#define PKCS11_LABEL_BYTES_MAX 64U      /* of a token: 32 in PKCS#11 */

typedef struct Pkcs11Url {
        /* The token's label, decoded: UTF-8 without control characters, not empty. */
        char token[PKCS11_LABEL_BYTES_MAX + 1];
} Pkcs11Url;

/* Returns: 0; -EINVAL: *ret_problem is a clause about what is wrong with it. */
int pkcs11_url_parse(const char *url, Pkcs11Url *ret, const char **ret_problem);
