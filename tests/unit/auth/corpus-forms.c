/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of the corpus about form: bytes that are no certificate, or could be read as two. */

#include "tests/unit/auth/corpus.h"

#define YES(name_, ...)                                                                                           \
        { .name = name_, .verdict = GOOD, __VA_ARGS__ }
#define NO(name_, says_, ...)                                                                                     \
        { .name = name_, .verdict = REFUSED, .says = says_, __VA_ARGS__ }
#define BAD(name_, ...)                                                                                           \
        { .name = name_, .verdict = UNREADABLE, __VA_ARGS__ }

static const CorpusRow rows[] = {
        BAD("nothing", .surgery = EMPTY_BYTES),
        BAD("a byte behind it", .surgery = TRAILING_BYTE),
        BAD("another one behind it", .surgery = TRAILING_CERTIFICATE),
        BAD("a byte before it", .surgery = LEADING_BYTE),
        BAD("of indefinite length", .surgery = INDEFINITE_LENGTH),
        BAD("a length in too many bytes", .surgery = LONG_LENGTH),
        BAD("PEM", .surgery = AS_PEM),
        BAD("only what is signed", .surgery = WITHOUT_SIGNATURE),

        BAD("two extensions of names", .made.twice = "names"),
        BAD("two extensions of constraints", .made.twice = "constraints", .made.constraints = CONSTRAINTS_LEAF),
        BAD("two extensions of usage", .made.twice = "usage"),
        BAD("two extensions of purposes", .made.twice = "purposes", .made.purposes = "server"),
        BAD("two extensions that nobody knows", .made.twice = "extension", .made.extension = "1.2.3.4"),
        BAD("more extensions than there can be", .made.many_extensions = 70),
        YES("many extensions", .made.many_extensions = 40),
        YES("an extension that nobody knows", .made.extension = "1.2.3.4"),
        NO("a critical extension that nobody knows", "critical extension 1.2.3.4", .made.extension = "1.2.3.4",
           .made.extension_critical = true),
        NO("critical policies", "critical extension 2.5.29.32", .made.extension = "2.5.29.32",
           .made.extension_critical = true),
        NO("name constraints in a leaf", "critical extension 2.5.29.30", .made.permitted = "D:example"),
        NO("constraints that are none", "constraints", .made.constraints = CONSTRAINTS_ODD),
        YES("an extension of 8 KiB", .made.extension = "1.2.3.4", .made.extension_padding = 8192),
        BAD("an extension of 16 KiB", .made.extension = "1.2.3.4", .made.extension_padding = 16384),
        BAD("an extension of 60 KiB", .made.extension = "1.2.3.4", .made.extension_padding = 61440),
        YES("the o7s extension", .made.extension_promise = true),

        YES("version 1 with a common name", .made.version = 1, .nameless = true, .made.subject = "C:web.example",
            .common_name = true,
            .identity = "CN=web.example"),
        NO("version 1 without the switch", "CommonName=yes", .made.version = 1, .nameless = true,
           .made.subject = "C:web.example"),
        BAD("times that are none", .made.null_times = true),
        BAD("a key of no kind", .made.odd_key = true),
        NO("a wrong bit in the signature", "is not that of", .made.signature = SIGNED_BADLY, .issuer = ROOT_ED25519),
        NO("a wrong bit in the signature of RSA", "is not that of", .made.signature = SIGNED_BADLY, .issuer = ROOT_RSA),
        NO("no signature", "is not that of", .made.signature = SIGNED_NOT),
        BAD("two algorithms", .made.signature = SIGNED_AS_ANOTHER),
};

const CorpusRow *corpus_forms(size_t *ret_n) {
        *ret_n = ELEMENTSOF(rows);
        return rows;
}
