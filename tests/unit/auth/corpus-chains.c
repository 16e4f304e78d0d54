/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of the corpus about chains: who has issued it, for what, until when, and who has taken it back. */

#include "tests/unit/auth/corpus.h"

#define URI "U:o7s:name:web.example"

#define YES(name_, issuer_, ...)                                                                                  \
        { .name = name_, .verdict = GOOD, .issuer = issuer_, __VA_ARGS__ }
#define NO(name_, issuer_, says_, ...)                                                                            \
        { .name = name_, .verdict = REFUSED, .says = says_, .issuer = issuer_, __VA_ARGS__ }

static const CorpusRow rows[] = {
        /* Ways up. */
        YES("the root", ROOT),
        YES("without key identifiers", ROOT, .made.without_key_ids = true),
        YES("one intermediate", MIDDLE),
        YES("two intermediates", LOWEST),
        YES("six intermediates", DEEP_6),
        NO("seven intermediates", DEEP_7, "nothing leads to a trust anchor"),
        NO("itself", ITSELF, "issued by itself"),
        NO("itself, an authority", ITSELF, "authority", .made.constraints = CONSTRAINTS_AUTHORITY),
        NO("itself, with the root's name", ITSELF, "is not that of", .made.subject = "C:Root",
           .made.without_key_ids = true),
        NO("a leaf among the anchors", LEAF_ANCHOR, "no authority"),
        NO("the leaf that is among the anchors", ITSELF, "issued by itself", .made.subject = "C:Leaf anchor",
           .made.key = MAKER_ED25519),
        NO("a stranger", STRANGER, "nothing leads to a trust anchor"),
        NO("an intermediate that is not here", MISSING, "nothing leads to a trust anchor"),
        NO("a self-signed intermediate is no anchor", SELF_SIGNED_MIDDLE, "nothing leads to a trust anchor"),
        NO("the root's name on another key", FORGED_ROOT, "is not that of", .made.without_key_ids = true),
        NO("the root's name on another key, identified", FORGED_ROOT, "is not that of"),
        NO("a stranger who says that the root has issued it", STRANGER, "is not that of", .made.issuer = "C:Root",
           .made.without_key_ids = true),
        NO("two that have issued each other", LOOP_ONE, "nothing leads to a trust anchor"),
        YES("the first of two anchors of one name", TWIN_ONE),
        YES("the second of two anchors of one name", TWIN_TWO),
        YES("the second of two anchors, nothing said", TWIN_TWO, .made.without_key_ids = true),
        YES("certified by a stranger and by the root", CROSSED),

        /* Authorities that are none, or not for this. */
        NO("an issuer that is no authority", NO_AUTHORITY, "is no authority"),
        NO("an issuer without constraints", NO_CONSTRAINTS, "is no authority"),
        NO("an anchor of version 1", OLD_ROOT, "is no authority"),
        NO("an issuer whose key is for other things", NO_SIGNING, "may not be used for issuing"),
        NO("an issuer of code", FOR_CODE, "may not issue certificates for a server"),
        YES("an issuer of servers", FOR_SERVERS),
        NO("an issuer of servers, for a client", FOR_SERVERS, "may not issue certificates for a client",
           .client = true),
        YES("path length 0", SHORT),
        NO("below path length 0", BELOW_SHORT, "more authorities than"),
        NO("an issuer with a critical extension", CRITICAL_MIDDLE, "critical extension 1.2.3.4"),

        /* Time, for everybody on the way. */
        YES("the last second", ROOT_ED25519, .now = DAYS(30)),
        NO("one second later", ROOT_ED25519, "expired", .now = DAYS(30) + 1),
        YES("the first second", ROOT, .now = DAYS(-1)),
        NO("one second earlier", ROOT, "valid from", .now = DAYS(-1) - 1),
        NO("expired last year", ROOT, "expired", .made.from = DAYS(-800), .made.until = DAYS(-400)),
        NO("expired a second ago", ROOT, "expired", .made.from = DAYS(-800), .made.until = -1),
        NO("valid from the next second on", ROOT, "valid from", .made.from = 1, .made.until = DAYS(1)),
        NO("valid next year", ROOT, "valid from", .made.from = DAYS(365), .made.until = DAYS(730)),
        NO("valid the wrong way round", ROOT, "valid from", .made.from = DAYS(10), .made.until = DAYS(-10)),
        YES("valid for sixty years", ROOT, .made.from = DAYS(-1), .made.until = DAYS(60 * 365)),
        YES("valid for ever", ROOT, .made.from = DAYS(-1), .made.until = INT64_C(253402300799) - MAKER_NOW),
        YES("valid since 1951", ROOT, .made.from = DAYS(-75 * 365), .made.until = DAYS(1)),
        NO("an intermediate that expired", EXPIRED_MIDDLE, "Expired middle expired"),
        NO("an intermediate of tomorrow", FUTURE_MIDDLE, "Future middle is valid from"),
        NO("an anchor that expired", EXPIRED_ROOT, "Expired root expired"),

        /* Purpose. */
        YES("for servers", ROOT, .made.purposes = "server"),
        YES("for servers and clients", ROOT, .made.purposes = "server|client"),
        YES("for code and servers", ROOT, .made.purposes = "code|server"),
        NO("for clients only", ROOT, "not for a server", .made.purposes = "client"),
        NO("for code only", ROOT, "not for a server", .made.purposes = "code"),
        NO("for nothing", ROOT, "not for a server", .made.purposes = ""),
        NO("for anything is not for servers", ROOT, "not for a server", .made.purposes = "any"),
        YES("a client for clients", ROOT, .client = true, .made.purposes = "client"),
        YES("a client for anything that nobody wrote down", ROOT, .client = true),
        NO("a client with a server's", ROOT, "not for a client", .client = true, .made.purposes = "server"),
        NO("an authority as a server", ROOT, "that of an authority", .made.constraints = CONSTRAINTS_AUTHORITY,
           .made.usage = USAGE_SIGNATURE | USAGE_CERTIFICATES),
        YES("said to be no authority", ROOT, .made.constraints = CONSTRAINTS_LEAF),
        YES("usage not given", ROOT, .made.usage = USAGE_ABSENT),
        YES("signatures among others", ROOT, .made.usage = USAGE_SIGNATURE | USAGE_ENCIPHERMENT),
        NO("for encipherment only", ROOT, "may not be used for signatures", .made.usage = USAGE_ENCIPHERMENT),
        NO("for key agreement only", ROOT, "may not be used for signatures", .made.usage = USAGE_AGREEMENT),
        NO("for certificates only", ROOT, "may not be used for signatures", .made.usage = USAGE_CERTIFICATES),

        /* Name constraints bind flow names as they bind DNS names. */
        YES("permitted", PERMITTED),
        YES("permitted by DNS", PERMITTED, .made.names = "D:web.example", .identity = "web.example"),
        NO("not permitted", PERMITTED, "name constraints", .made.names = "U:o7s:name:bank.test", .called = "bank.test"),
        NO("not permitted, without a dot", PERMITTED, "name constraints", .made.names = "U:o7s:name:bank",
           .called = "bank"),
        NO("not permitted, beside one that is", PERMITTED, "name constraints",
           .made.names = URI "|U:o7s:name:bank.test"),
        NO("not permitted by DNS, beside one that is", PERMITTED, "name constraints", .made.names = URI "|D:bank.test"),
        NO("a URI below DNS constraints", PERMITTED, "name constraints", .made.names = URI "|U:spiffe://web.example/x"),
        NO("a common name that is not permitted", PERMITTED, "name constraints", .nameless = true,
           .made.subject = "C:bank.test", .called = "bank.test",
           .common_name = true),
        YES("not excluded", EXCLUDED),
        NO("excluded", EXCLUDED, "name constraints", .made.names = "U:o7s:name:www.evil.example",
           .called = "www.evil.example"),
        NO("excluded by DNS", EXCLUDED, "name constraints", .made.names = "D:www.evil.example",
           .called = "www.evil.example"),
        NO("constraints over URIs", URI_PERMITTED, "not understood"),

        /* Strength. */
        YES("P-256", ROOT, .made.key = MAKER_P256),
        YES("P-384", ROOT, .made.key = MAKER_P384),
        YES("P-521", ROOT, .made.key = MAKER_P521),
        YES("Ed25519", ROOT, .made.key = MAKER_ED25519),
        YES("Ed448", ROOT, .made.key = MAKER_ED448),
        YES("RSA of 2048", ROOT, .made.key = MAKER_RSA_2048),
        YES("RSA of 3072", ROOT, .made.key = MAKER_RSA_3072),
        NO("RSA of 1024", ROOT, "1024 bits", .made.key = MAKER_RSA_1024),
        NO("RSA of 2040", ROOT, "2040 bits", .made.key = MAKER_RSA_2047),
        NO("RSA with exponent 1", ROOT, "exponent", .made.key = MAKER_RSA_2048, .made.exponent_one = true),
        NO("P-192", ROOT, "none of the curves", .made.key = MAKER_P192),
        NO("P-224", ROOT, "none of the curves", .made.key = MAKER_P224),
        NO("DSA", ROOT, "of a kind that is not accepted", .made.key = MAKER_DSA),
        NO("below RSA of 1024", WEAK_MIDDLE, "1024 bits"),
        NO("below an anchor of RSA 2040", WEAK_ROOT, "2040 bits"),
        YES("by Ed25519", ROOT_ED25519),
        YES("by Ed448", ROOT_ED448),
        YES("by RSA", ROOT_RSA),
        YES("by P-384", ROOT_P384),
        YES("by P-521", ROOT_P521),
        YES("by RSA with SHA-384", ROOT_RSA, .made.signature = SIGNED_SHA384),
        YES("by RSA with SHA-512", ROOT_RSA, .made.signature = SIGNED_SHA512),
        YES("by P-384 with SHA-384", ROOT_P384, .made.signature = SIGNED_SHA384),
        YES("by P-521 with SHA-512", ROOT_P521, .made.signature = SIGNED_SHA512),
        NO("by RSA with SHA-1", ROOT_RSA, "not accepted", .made.signature = SIGNED_SHA1),
        NO("by RSA with MD5", ROOT_RSA, "not accepted", .made.signature = SIGNED_MD5),
        NO("by P-256 with SHA-1", ROOT, "not accepted", .made.signature = SIGNED_SHA1),
        NO("below an intermediate by SHA-1", SHA1_MIDDLE, "not accepted"),
        YES("by an anchor that signed itself with SHA-1", SHA1_ROOT),

        /* Taken back. */
        NO("revoked", ROOT, "was revoked", .made.serial = 99),
        YES("the number that another authority revoked", ROOT, .made.serial = 98),
        NO("revoked by the intermediate", MIDDLE, "was revoked", .made.serial = 98),
        NO("below an intermediate that was revoked", REVOKED_MIDDLE, "was revoked"),
        NO("the list is out of date", STALE_ROOT, "out of date"),
        NO("the list is out of date, and revokes it", STALE_ROOT, "out of date", .made.serial = 99),
        NO("the list is of tomorrow", HASTY_ROOT, "from the future"),
        NO("the list is signed by another", ROBBED_ROOT, "not signed by it"),
        NO("the list is signed with SHA-1", WEAK_LIST_ROOT, "not accepted"),
};

const CorpusRow *corpus_chains(size_t *ret_n) {
        *ret_n = ELEMENTSOF(rows);
        return rows;
}
