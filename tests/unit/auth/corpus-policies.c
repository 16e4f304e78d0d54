/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of the corpus about whom a host wants to speak to: pins, allowed and denied peers. */

#include "tests/unit/auth/corpus.h"

#define URI "U:o7s:name:web.example"
#define OTHER_PIN "sha256:0000000000000000000000000000000000000000000000000000000000000000"

#define YES(name_, names_, ...)                                                                                   \
        { .name = name_, .verdict = GOOD, .made.names = names_, __VA_ARGS__ }
#define NO(name_, names_, says_, ...)                                                                             \
        { .name = name_, .verdict = REFUSED, .says = says_, .made.names = names_, __VA_ARGS__ }

static const CorpusRow rows[] = {
        /* Where anybody may call. */
        YES("anybody", "U:o7s:name:client", .anybody = true, .client = true, .identity = "o7s:name:client"),
        YES("anybody, by DNS", "D:client.example", .anybody = true, .client = true, .identity = "client.example"),
        YES("anybody, by another URI", "U:spiffe://example/client", .anybody = true, .client = true,
            .identity = "spiffe://example/client"),
        YES("anybody, the first of two", "D:a.example|U:o7s:name:b", .anybody = true, .client = true,
            .identity = "a.example"),
        NO("anybody without a name", "I:\\x7f\\x00\\x00\\x01", "no alternative name", .anybody = true, .client = true),
        NO("anybody with a common name", NULL, "CommonName=yes", .nameless = true, .made.subject = "C:client",
           .anybody = true, .client = true),
        YES("anybody with a common name, switched on", NULL, .nameless = true, .made.subject = "C:client",
            .anybody = true, .client = true, .common_name = true,
            .identity = "CN=client"),

        /* Allowed ones. */
        YES("allowed", "U:o7s:name:client", .anybody = true, .client = true, .allow = "o7s:name:client",
            .identity = "o7s:name:client"),
        YES("the second of the allowed", "U:o7s:name:client", .anybody = true, .client = true,
            .allow = "o7s:name:a o7s:name:client",
            .identity = "o7s:name:client"),
        YES("allowed by its second name", "D:a.example|U:o7s:name:client", .anybody = true, .client = true,
            .allow = "o7s:name:client",
            .identity = "o7s:name:client"),
        YES("allowed by a pattern", "U:o7s:name:client.example", .anybody = true, .client = true, .allow = "o7s:name:*",
            .identity = "o7s:name:client.example"),
        YES("allowed as everybody", "D:client.example", .anybody = true, .client = true, .allow = "*",
            .identity = "client.example"),
        YES("allowed by DNS in capitals", "D:client.example", .anybody = true, .client = true, .allow = "CLIENT.*",
            .identity = "client.example"),
        NO("not allowed", "U:o7s:name:other", "AllowPeer=", .anybody = true, .client = true,
           .allow = "o7s:name:client"),
        NO("not allowed by a prefix without a star", "U:o7s:name:client2", "AllowPeer=", .anybody = true,
           .client = true, .allow = "o7s:name:client"),
        NO("not allowed in capitals", "U:o7s:name:CLIENT", "AllowPeer=", .anybody = true, .client = true,
           .allow = "o7s:name:client"),
        NO("a star elsewhere is a star", "D:a.example", "AllowPeer=", .anybody = true, .client = true,
           .allow = "*.example"),
        NO("not allowed by the bare name", "U:o7s:name:client", "AllowPeer=", .anybody = true, .client = true,
           .allow = "client"),
        NO("a common name is not its text", NULL, "AllowPeer=", .nameless = true, .made.subject = "C:o7s:name:client",
           .anybody = true, .client = true,
           .common_name = true, .allow = "o7s:name:client"),
        YES("a common name with its mark", NULL, .nameless = true, .made.subject = "C:client", .anybody = true,
            .client = true, .common_name = true,
            .allow = "CN=client", .identity = "CN=client"),
        NO("the right server, and not allowed", URI, "AllowPeer=", .allow = "o7s:name:other"),
        YES("the right server, allowed", URI, .allow = "o7s:name:web.*"),
        YES("the right server, allowed by its other name", URI "|D:farm.example", .allow = "farm.example"),
        NO("allowed, and another server", "D:farm.example", "not for the name", .allow = "farm.example"),

        /* Denied ones. */
        NO("denied", URI, "DenyPeer=", .deny = "o7s:name:web.example"),
        NO("denied by a pattern", URI, "DenyPeer=", .deny = "o7s:*"),
        NO("denied as everybody", URI, "DenyPeer=", .deny = "*"),
        NO("denied by its second name", URI "|D:evil.example", "DenyPeer=", .deny = "evil.example"),
        NO("denied and allowed", URI, "DenyPeer=", .allow = "o7s:name:web.example", .deny = "o7s:name:web.example"),
        NO("denied by DNS in capitals", URI "|D:evil.example", "DenyPeer=", .deny = "EVIL.example"),
        NO("a denied client", "U:o7s:name:client", "DenyPeer=", .anybody = true, .client = true,
           .deny = "o7s:name:client"),
        YES("another is denied", URI, .deny = "o7s:name:web"),

        /* Pins. */
        YES("pinned", URI, .pin = "this"),
        NO("pinned to another key", URI, "none of those that are pinned", .pin = OTHER_PIN),
        NO("a good chain, pinned to another key", URI, "Pin=sha256:", .issuer = LOWEST, .pin = OTHER_PIN),
        YES("pinned, self-signed", URI, .issuer = ITSELF, .pin = "this"),
        YES("pinned, self-signed, an authority", URI, .issuer = ITSELF, .made.constraints = CONSTRAINTS_AUTHORITY,
            .pin = "this"),
        YES("pinned, of a stranger", URI, .issuer = STRANGER, .made.serial = 2, .pin = "this"),
        YES("pinned, without any trust", URI, .issuer = STRANGER, .pin = "this", .without_trust = true),
        YES("pinned, with no purpose", URI, .issuer = ITSELF, .made.purposes = "code", .pin = "this"),
        NO("pinned, self-signed, another name", "U:o7s:name:other", "not for the name", .issuer = ITSELF,
           .pin = "this"),
        NO("pinned, expired", URI, "expired", .issuer = ITSELF, .pin = "this", .now = DAYS(31)),
        NO("pinned, not yet valid", URI, "valid from", .issuer = ITSELF, .pin = "this", .now = DAYS(-2)),
        NO("pinned, weak", URI, "1024 bits", .issuer = ITSELF, .made.key = MAKER_RSA_1024, .pin = "this"),
        NO("pinned, denied", URI, "DenyPeer=", .issuer = ITSELF, .pin = "this", .deny = "o7s:*"),
        NO("pinned, not allowed", URI, "AllowPeer=", .issuer = ITSELF, .pin = "this", .allow = "o7s:name:other"),
        NO("pinned, revoked", URI, "revoked", .made.serial = 99, .pin = "this"),
        NO("pinned, revoked by a stranger's list", URI, "revoked", .issuer = STRANGER, .pin = "this"),
        NO("pinned, with a critical extension", URI, "critical", .issuer = ITSELF, .made.extension = "1.2.3.4",
           .made.extension_critical = true,
           .pin = "this"),
        YES("pinned by its common name", NULL, .nameless = true, .made.subject = "C:web.example", .issuer = ITSELF,
            .common_name = true, .pin = "this",
            .identity = "CN=web.example"),
        NO("nothing to check it by", URI, "neither a trust anchor nor a pin", .without_trust = true),
};

const CorpusRow *corpus_policies(size_t *ret_n) {
        *ret_n = ELEMENTSOF(rows);
        return rows;
}
