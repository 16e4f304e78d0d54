/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an administrator wants of the flows of a name ([Server] where it is served, [Client] where it is called) or of
 * a layer ([Security]: of the flows that its member has with others over the layers below). One key list, one parser,
 * for the files, for the bus and for "o7sctl verify".
 *
 *   Authentication=none|server|mutual      default: server as soon as a trust anchor for the name exists, else none
 *   Encryption=no|opportunistic|required   default: opportunistic. With "no" a flow between two o7s hosts that is
 *                                          authenticated is still protected against alteration (a MAC)
 *   Peer=any|o7s                           default: any
 *   KeyExchange=  Cipher=  KeyDerivation=  Digest=      lists, by preference; the first is asked for, none outside the
 *                                          list is accepted: a floor. Names as in enc.conf of the reference
 *   Certificate=PATH                       ours; default: the directory of the name, if it has both files
 *   PrivateKey=credential:NAME|PATH|pkcs11:URL
 *   TrustAnchor=PATH                       list; files or directories of PEM; default: those of the host
 *   RevocationList=PATH                    list, likewise
 *   Pin=sha256:HEX                         list: the peer's public key (SPKI) is one of these; a chain is not needed
 *   AllowPeer=PATTERN  DenyPeer=PATTERN    lists: identities of the peer (SAN), "*" at the end matches any rest; deny
 *                                          wins; an allow list means that nobody else may
 *   CommonName=BOOL                        default: no. Yes: a certificate without any SAN counts by its one CN
 *
 * Of a name's own policy and its layer's, the stricter of each holds (security_policy_merge()). Where one says nothing,
 * the other's holds.
 */

#include "basic/conf.h"
#include "basic/enum.h"
#include "basic/string.h"

typedef enum Authentication {
        AUTHENTICATION_DEFAULT,
        AUTHENTICATION_NONE,
        AUTHENTICATION_SERVER,
        AUTHENTICATION_MUTUAL,
        _AUTHENTICATION_MAX,
        _AUTHENTICATION_INVALID = -EINVAL,
} Authentication;

typedef enum Encryption {
        ENCRYPTION_DEFAULT,
        ENCRYPTION_NO,
        ENCRYPTION_OPPORTUNISTIC,
        ENCRYPTION_REQUIRED,
        _ENCRYPTION_MAX,
        _ENCRYPTION_INVALID = -EINVAL,
} Encryption;

typedef enum PeerKind {
        PEER_DEFAULT,
        PEER_ANY,
        PEER_O7S,
        _PEER_KIND_MAX,
        _PEER_KIND_INVALID = -EINVAL,
} PeerKind;

DECLARE_ENUM_NAMES(authentication, Authentication);
DECLARE_ENUM_NAMES(encryption, Encryption);
DECLARE_ENUM_NAMES(peer_kind, PeerKind);

#define SECURITY_LIST_MAX 32U           /* entries of each list */
#define SECURITY_MERGED_MAX (4 * SECURITY_LIST_MAX)     /* entries of each list where several policies met */
#define SECURITY_ENTRY_BYTES_MAX 512U   /* of one entry */

typedef struct SecurityPolicy {
        int authentication;             /* Authentication */
        int encryption;                 /* Encryption */
        int peer;                       /* PeerKind */
        bool common_name;
        bool common_name_refused;       /* a "no" that was said */
        ConfStrings key_exchanges;
        ConfStrings ciphers;
        ConfStrings derivations;
        ConfStrings digests;
        char *certificate;              /* NULL: of the name's directory */
        char *private_key;
        ConfStrings trust_anchors;
        ConfStrings revocation_lists;
        ConfStrings pins;
        ConfStrings allow;
        ConfStrings deny;
} SecurityPolicy;

void security_policy_done(SecurityPolicy *policy);

/* Returns: 0; -ENOMEM. */
int security_policy_copy(const SecurityPolicy *policy, SecurityPolicy *ret);

/* The stricter of both, for each key. Lists of algorithms, anchors, pins and allowed peers: what is in both (empty:
 * all); none left: -ENOTUNIQ, and *ret has nothing to be freed; revocation lists and denied peers: all. Our own
 * certificate and key, as a pair: those of a, else of b. Returns: 0; -ENOMEM; -ENOTUNIQ; -E2BIG: a list has too many
 * entries. */
int security_policy_merge(const SecurityPolicy *a, const SecurityPolicy *b, SecurityPolicy *ret);

/* One key from its text, for the bus: the same checks as in files. An empty text brings the default back. Returns: 0;
 * -ENOENT: no such key; -EINVAL: *ret_problem is a sentence (static); -ENOMEM. */
int security_policy_set(SecurityPolicy *policy, const char *key, const char *value, const char **ret_problem);

/* Whether anything in it needs the authentication service: all but Encryption=no with Authentication=none,
 * and no list of who may or may not: nobody is on one who does not say who he is. */
bool security_policy_is_plain(const SecurityPolicy *policy);

/* What differs from the defaults, as text of files, for the bus and for people: calls back for each key, in order of
 * the list above. Stops where the callback returns < 0, and returns that. Returns: 0; -ENOMEM. */
int security_policy_describe(const SecurityPolicy *policy,
                             int (*key)(void *userdata, const char *key, const char *value), void *userdata);

/* Equal policies have the same. For comparing what holds now with what held before; not against forgers. Returns: 0;
 * -ENOMEM. */
int security_policy_digest(const SecurityPolicy *policy, uint64_t *ret);

/* The keys of one section; field is a SecurityPolicy of the object. */
#define SECURITY_POLICY_KEYS(section, type, field)                                                                    \
        { section, "Authentication", conf_parse_authentication, offsetof(type, field.authentication), NULL },         \
        { section, "Encryption", conf_parse_encryption, offsetof(type, field.encryption), NULL },                     \
        { section, "Peer", conf_parse_peer_kind, offsetof(type, field.peer), NULL },                                  \
        { section, "CommonName", conf_parse_common_name, offsetof(type, field.common_name), NULL },                   \
        { section, "KeyExchange", conf_parse_key_exchanges, offsetof(type, field.key_exchanges), NULL },              \
        { section, "Cipher", conf_parse_ciphers, offsetof(type, field.ciphers), NULL },                               \
        { section, "KeyDerivation", conf_parse_digests, offsetof(type, field.derivations), NULL },                    \
        { section, "Digest", conf_parse_digests, offsetof(type, field.digests), NULL },                               \
        { section, "Certificate", conf_parse_security_path, offsetof(type, field.certificate), NULL },                \
        { section, "PrivateKey", conf_parse_private_key, offsetof(type, field.private_key), NULL },                   \
        { section, "TrustAnchor", conf_parse_security_paths, offsetof(type, field.trust_anchors), NULL },             \
        { section, "RevocationList", conf_parse_security_paths, offsetof(type, field.revocation_lists), NULL },       \
        { section, "Pin", conf_parse_pins, offsetof(type, field.pins), NULL },                                        \
        { section, "AllowPeer", conf_parse_peer_patterns, offsetof(type, field.allow), NULL },                        \
        { section, "DenyPeer", conf_parse_peer_patterns, offsetof(type, field.deny), NULL }

int conf_parse_authentication(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_encryption(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_peer_kind(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_common_name(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_key_exchanges(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_ciphers(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_digests(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_security_path(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_security_paths(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_private_key(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_pins(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int conf_parse_peer_patterns(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
