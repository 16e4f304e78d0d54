/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts of a message between the IRM and the authentication service, in protobuf and back. Both processes distrust
 * what they read. */

#include "services/common/auth-message-internal.h"

#define ERRNO_MAX 4095

int auth_refer_text(const char *text, size_t size, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret) {
        size_t n = strnlen(text, size);

        if (n == size)
                return -EINVAL;

        *ret_has = n > 0;
        *ret = auth_refer_bytes((const uint8_t *) text, n);
        return 0;
}

int auth_take_text(char *to, size_t size, protobuf_c_boolean has, const ProtobufCBinaryData *from) {
        if (!has)
                return 0;
        if (from->len >= size || (from->len > 0 && memchr(from->data, 0, from->len)))
                return -EBADMSG;

        if (from->len > 0)
                memcpy(to, from->data, from->len);
        to[from->len] = '\0';
        return 0;
}

int auth_take_sentence(char *to, size_t size, protobuf_c_boolean has, const ProtobufCBinaryData *from) {
        int r;

        r = auth_take_text(to, size, has, from);
        if (r < 0)
                return r;

        utf8_mend(to);
        return 0;
}

/* The same, where another spelling would be another meaning. */
static int take_identifier(char *to, size_t size, protobuf_c_boolean has, const ProtobufCBinaryData *from) {
        int r;

        r = auth_take_text(to, size, has, from);
        if (r < 0)
                return r;

        return utf8_is_valid(to, strlen(to)) ? 0 : -EBADMSG;
}

/* -- policies -- */

/* Where the lists of a policy are in its record. */
static const struct {
        size_t list;            /* ConfStrings */
        size_t n;               /* size_t */
        size_t entries;         /* ProtobufCBinaryData * */
} lists[] = {
#define LIST(field)                                                                                                    \
        { offsetof(SecurityPolicy, field), offsetof(AuthPolicyRecord, n_##field), offsetof(AuthPolicyRecord, field) }
        LIST(key_exchanges),    LIST(ciphers), LIST(derivations), LIST(digests), LIST(trust_anchors),
        LIST(revocation_lists), LIST(pins),    LIST(allow),       LIST(deny),
#undef LIST
};

#define MEMBER(type, object, offset) ((type *) ((uint8_t *) (object) + (offset)))

void auth_policy_record_done(AuthPolicyRecord *record) {
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                free(*MEMBER(ProtobufCBinaryData *, record, lists[i].entries));
}

static int pack_list(const ConfStrings *list, size_t *ret_n, ProtobufCBinaryData **ret) {
        _cleanup_free_ ProtobufCBinaryData *entries = NULL;

        if (list->n == 0)
                return 0;
        if (list->n > SECURITY_MERGED_MAX)
                return -EINVAL;

        entries = calloc(list->n, sizeof(*entries));
        if (!entries)
                return -ENOMEM;

        for (size_t i = 0; i < list->n; i++) {
                size_t n = strlen(list->items[i]);

                if (n == 0 || n >= SECURITY_ENTRY_BYTES_MAX)
                        return -EINVAL;
                entries[i] = auth_refer_bytes((const uint8_t *) list->items[i], n);
        }

        *ret_n = list->n;
        *ret = TAKE_PTR(entries);
        return 0;
}

static int pack_path(const char *path, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret) {
        size_t n;

        if (!path)
                return 0;

        n = strlen(path);
        if (n == 0 || n >= SECURITY_ENTRY_BYTES_MAX)
                return -EINVAL;

        *ret_has = true;
        *ret = auth_refer_bytes((const uint8_t *) path, n);
        return 0;
}

static bool choices_are_valid(uint32_t authentication, uint32_t encryption, uint32_t peer) {
        return authentication < _AUTHENTICATION_MAX && encryption < _ENCRYPTION_MAX && peer < _PEER_KIND_MAX;
}

int auth_policy_pack(const SecurityPolicy *policy, AuthPolicyRecord *record) {
        int r;

        auth_policy_record__init(record);

        if (!choices_are_valid((uint32_t) policy->authentication, (uint32_t) policy->encryption,
                               (uint32_t) policy->peer))
                return -EINVAL;

        record->has_authentication = true;
        record->authentication = (uint32_t) policy->authentication;
        record->has_encryption = true;
        record->encryption = (uint32_t) policy->encryption;
        record->has_peer = true;
        record->peer = (uint32_t) policy->peer;
        record->has_common_name = true;
        record->common_name = policy->common_name;
        record->has_common_name_refused = true;
        record->common_name_refused = policy->common_name_refused;

        r = pack_path(policy->certificate, &record->has_certificate, &record->certificate);
        if (r < 0)
                return r;

        r = pack_path(policy->private_key, &record->has_private_key, &record->private_key);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                r = pack_list(MEMBER(ConfStrings, policy, lists[i].list), MEMBER(size_t, record, lists[i].n),
                              MEMBER(ProtobufCBinaryData *, record, lists[i].entries));
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Returns: 0; -EBADMSG: empty, too long, or a NUL inside; -ENOMEM. */
static int take_entry(const ProtobufCBinaryData *entry, char **ret) {
        char text[SECURITY_ENTRY_BYTES_MAX];

        if (entry->len == 0 || auth_take_text(text, sizeof(text), true, entry) < 0)
                return -EBADMSG;

        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int parse_list(const ProtobufCBinaryData *entries, size_t n, ConfStrings *list) {
        int r;

        if (n > SECURITY_MERGED_MAX)
                return -EBADMSG;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *text = NULL;

                r = take_entry(entries + i, &text);
                if (r < 0)
                        return r;

                r = conf_strings_add(list, text);
                if (r < 0)
                        return r;
        }

        return 0;
}

int auth_policy_parse(const AuthPolicyRecord *record, SecurityPolicy *ret) {
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        int r;

        if (!choices_are_valid(record->authentication, record->encryption, record->peer))
                return -EBADMSG;

        policy.authentication = (int) record->authentication;
        policy.encryption = (int) record->encryption;
        policy.peer = (int) record->peer;
        policy.common_name = record->common_name;
        policy.common_name_refused = record->common_name_refused;

        if (record->has_certificate) {
                r = take_entry(&record->certificate, &policy.certificate);
                if (r < 0)
                        return r;
        }

        if (record->has_private_key) {
                r = take_entry(&record->private_key, &policy.private_key);
                if (r < 0)
                        return r;
        }

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                r = parse_list(*MEMBER(ProtobufCBinaryData *, record, lists[i].entries),
                               *MEMBER(size_t, record, lists[i].n), MEMBER(ConfStrings, &policy, lists[i].list));
                if (r < 0)
                        return r;
        }

        *ret = policy;
        policy = (SecurityPolicy) {};
        return 0;
}

/* -- findings -- */

/* One block: the pointers, then what they point at. */
int auth_findings_pack(const AuthFinding *findings, unsigned n, AuthFindingRecord ***ret) {
        _cleanup_free_ AuthFindingRecord **records = NULL;
        AuthFindingRecord *first;

        if (n > AUTH_FINDINGS_MAX || (n > 0 && !findings))
                return -EINVAL;
        if (n == 0)
                return 0;

        records = malloc(n * (sizeof(*records) + sizeof(**records)));
        if (!records)
                return -ENOMEM;

        first = (AuthFindingRecord *) (void *) (records + n);
        for (unsigned i = 0; i < n; i++) {
                records[i] = first + i;
                auth_finding_record__init(records[i]);
                if (findings[i].result > 0 || findings[i].result < -ERRNO_MAX)
                        return -EINVAL;

                records[i]->has_result = true;
                records[i]->result = findings[i].result;
                records[i]->has_expiry_usec = true;
                records[i]->expiry_usec = findings[i].expiry_usec;
                if (auth_refer_text(findings[i].subject, sizeof(findings[i].subject), &records[i]->has_subject,
                                    &records[i]->subject) < 0 ||
                    auth_refer_text(findings[i].text, sizeof(findings[i].text), &records[i]->has_text,
                                    &records[i]->text) < 0)
                        return -EINVAL;
        }

        *ret = TAKE_PTR(records);
        return 0;
}

void auth_findings_record_done(AuthFindingRecord **records) {
        free(records);
}

int auth_findings_parse(AuthFindingRecord *const *records, size_t n, AuthFinding **ret) {
        _cleanup_free_ AuthFinding *findings = NULL;

        if (n == 0)
                return 0;
        if (n > AUTH_FINDINGS_MAX)
                return -EBADMSG;

        findings = calloc(n, sizeof(*findings));
        if (!findings)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                const AuthFindingRecord *record = records[i];

                if (record->result > 0 || record->result < -ERRNO_MAX ||
                    auth_take_sentence(findings[i].subject, sizeof(findings[i].subject), record->has_subject,
                                       &record->subject) < 0 ||
                    auth_take_sentence(findings[i].text, sizeof(findings[i].text), record->has_text, &record->text) < 0)
                        return -EBADMSG;
                findings[i].result = record->result;
                findings[i].expiry_usec = record->expiry_usec;
        }

        *ret = TAKE_PTR(findings);
        return 0;
}

/* -- peers and keys -- */

int auth_peer_pack(const AuthPeer *peer, AuthPeerRecord *record) {
        auth_peer_record__init(record);

        record->has_o7s = true;
        record->o7s = peer->o7s;
        record->has_verified = true;
        record->verified = peer->verified;
        if (auth_refer_text(peer->identity, sizeof(peer->identity), &record->has_identity, &record->identity) < 0 ||
            auth_refer_text(peer->key_exchange, sizeof(peer->key_exchange), &record->has_key_exchange,
                            &record->key_exchange) < 0 ||
            auth_refer_text(peer->protection, sizeof(peer->protection), &record->has_protection, &record->protection) <
                    0)
                return -EINVAL;

        return 0;
}

int auth_peer_parse(const AuthPeerRecord *record, AuthPeer *peer) {
        if (take_identifier(peer->identity, sizeof(peer->identity), record->has_identity, &record->identity) < 0 ||
            take_identifier(peer->key_exchange, sizeof(peer->key_exchange), record->has_key_exchange,
                            &record->key_exchange) < 0 ||
            take_identifier(peer->protection, sizeof(peer->protection), record->has_protection, &record->protection) <
                    0)
                return -EBADMSG;

        peer->o7s = record->o7s;
        peer->verified = record->verified;
        return 0;
}

bool auth_keys_are_valid(const SealKeys *keys) {
        return (int) keys->suite >= 0 && keys->suite < _SEAL_SUITE_MAX && (unsigned) keys->cipher <= UINT16_MAX &&
               !(keys->suite != SEAL_O7S && keys->mac_only);
}

void auth_keys_pack(const SealKeys *keys, AuthSealRecord *record) {
        auth_seal_record__init(record);

        record->suite = keys->suite;
        record->cipher = keys->cipher;
        record->mac_only = keys->mac_only;
        record->client = keys->client;
        record->label = auth_refer_bytes(keys->label, sizeof(keys->label));
        record->send = auth_refer_bytes(keys->send, sizeof(keys->send));
        record->receive = auth_refer_bytes(keys->receive, sizeof(keys->receive));
        record->agreement = auth_refer_bytes(keys->agreement, sizeof(keys->agreement));
}

int auth_keys_parse(const AuthSealRecord *record, SealKeys *keys) {
        if (record->suite == SEAL_NONE || record->suite >= _SEAL_SUITE_MAX || record->cipher > UINT16_MAX ||
            (record->suite != SEAL_O7S && record->mac_only) || record->label.len != sizeof(keys->label) ||
            record->send.len != sizeof(keys->send) || record->receive.len != sizeof(keys->receive) ||
            record->agreement.len != sizeof(keys->agreement))
                return -EBADMSG;

        keys->suite = (SealSuite) record->suite;
        keys->cipher = (SealCipher) record->cipher;
        keys->mac_only = record->mac_only;
        keys->client = record->client;
        memcpy(keys->label, record->label.data, sizeof(keys->label));
        memcpy(keys->send, record->send.data, sizeof(keys->send));
        memcpy(keys->receive, record->receive.data, sizeof(keys->receive));
        memcpy(keys->agreement, record->agreement.data, sizeof(keys->agreement));
        return 0;
}
