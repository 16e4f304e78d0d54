/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The corpus of certificates: its rows, and the authorities that they are issued by. */

#include "services/auth/trust.h"
#include "tests/unit/auth/certificate-maker.h"

#define CORPUS_NAME "web.example"

/* Who has issued it; where he stands is in corpus-authorities.c. */
typedef enum Authority {
        ROOT,                   /* an anchor */
        ITSELF,
        ROOT_ED25519,
        ROOT_ED448,
        ROOT_RSA,
        ROOT_P384,
        ROOT_P521,
        MIDDLE,                 /* below the root, installed as an intermediate */
        LOWEST,                 /* below the middle */
        MISSING,                /* below the root, and not installed */
        STRANGER,
        SELF_SIGNED_MIDDLE,     /* among the intermediates, and so no anchor */
        FORGED_ROOT,            /* another key with the root's name */
        NO_AUTHORITY,           /* an intermediate that is none */
        NO_CONSTRAINTS,         /* without any basic constraints */
        NO_SIGNING,             /* its key is not for certificates */
        FOR_CODE,
        FOR_SERVERS,
        SHORT,                  /* path length 0 */
        BELOW_SHORT,
        EXPIRED_MIDDLE,
        FUTURE_MIDDLE,
        EXPIRED_ROOT,
        SHA1_MIDDLE,            /* is signed with SHA-1 */
        SHA1_ROOT,              /* signs itself with SHA-1, which nobody has to believe */
        WEAK_MIDDLE,            /* RSA of 1024 bits */
        WEAK_ROOT,
        CRITICAL_MIDDLE,        /* has an unknown critical extension */
        OLD_ROOT,               /* version 1 */
        REVOKED_MIDDLE,
        STALE_ROOT,             /* its list is of last month */
        HASTY_ROOT,             /* its list is of tomorrow */
        ROBBED_ROOT,            /* its list is signed by another */
        WEAK_LIST_ROOT,         /* its list is signed with SHA-1 */
        PERMITTED,              /* only names below example */
        EXCLUDED,               /* all names but those below evil.example */
        URI_PERMITTED,
        TWIN_ONE,               /* two keys of one name, both anchors */
        TWIN_TWO,
        LOOP_ONE,               /* have issued each other */
        LOOP_TWO,
        DEEP_1,                 /* one below the other */
        DEEP_2,
        DEEP_3,
        DEEP_4,
        DEEP_5,
        DEEP_6,
        DEEP_7,
        LEAF_ANCHOR,            /* a leaf that somebody put among the anchors */
        CROSSED,                /* certified by a stranger and by the root */
        _AUTHORITY_MAX,
} Authority;

typedef enum Verdict {
        REFUSED,
        GOOD,
        UNREADABLE,
} Verdict;

typedef enum Surgery {
        SURGERY_NONE,
        TRAILING_BYTE,
        TRAILING_CERTIFICATE,
        LEADING_BYTE,
        INDEFINITE_LENGTH,
        LONG_LENGTH,            /* a length in more bytes than it needs */
        EMPTY_BYTES,
        AS_PEM,
        WITHOUT_SIGNATURE,
} Surgery;

typedef struct CorpusRow {
        const char *name;
        Verdict verdict;
        const char *says;       /* REFUSED: part of the sentence */
        const char *identity;   /* GOOD: NULL: "o7s:name:web.example" */
        Authority issuer;
        Recipe made;            /* without names: with the right one */
        bool nameless;          /* without names indeed */
        Surgery surgery;
        /* Who asks, and how. */
        const char *called;     /* NULL: CORPUS_NAME */
        bool anybody;           /* no name is called */
        bool client;            /* it is a client's certificate */
        bool common_name;
        bool without_trust;
        const char *pin;        /* "this": the right one */
        const char *allow, *deny;       /* with blanks between */
        int64_t now;            /* seconds after MAKER_NOW */
} CorpusRow;

typedef struct Corpus {
        Trust *trust;
} Corpus;

void corpus_init(Corpus *corpus);
void corpus_make(const CorpusRow *row, Blob *ret);
void corpus_public_key(const Recipe *recipe, Blob *ret);

const CorpusRow *corpus_names(size_t *ret_n);
const CorpusRow *corpus_policies(size_t *ret_n);
const CorpusRow *corpus_chains(size_t *ret_n);
const CorpusRow *corpus_forms(size_t *ret_n);
