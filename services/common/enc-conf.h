/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * enc.conf, the file in which the reference implementation keeps what a name's flows are encrypted with. It stands
 * beside a certificate; o7s reads it where there is no policy of its own, and o7sctl turns it into one.
 *
 *   # comment, blank lines          kex=X25519  cipher=aes-256-gcm  kdf=sha256  digest=sha256  kem_mode=server|client
 *   none                            no encryption is asked for: forgets everything above
 *
 * White space around keys and values does not count, unknown keys are passed over, a later line overrides an earlier
 * one. A file that says nothing stands for the defaults. What our libraries do not carry is read all the same: its
 * refusal says why.
 */

#include "services/common/oap-algorithm.h"

#define ENC_CONF_BYTES_MAX 65536U
#define ENC_CONF_LINE_BYTES_MAX 255U

typedef struct EncConf {
        bool none;                              /* then the other fields say nothing */
        OapKeyExchange key_exchange;            /* a floor for whoever is asked */
        const OapAlgorithm *cipher;             /* static, never NULL without none */
        const OapAlgorithm *derivation;
        const OapAlgorithm *digest;
        bool client_encapsulates;               /* kem_mode=client */
} EncConf;

/* text need not end in a NUL. Returns: 0; -EBADMSG: *ret_line (from 1; 0: the file) and *ret_problem (static, a
 * clause) say what is wrong. */
int enc_conf_parse(const char *text, size_t size, EncConf *ret, unsigned *ret_line, const char **ret_problem);
