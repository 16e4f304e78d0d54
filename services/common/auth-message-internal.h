/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of a message between the IRM and the authentication service: between auth-message.c, which has the whole,
 * and auth-message-parts.c. */

#include "auth.pb-c.h"
#include "services/common/auth-message.h"

/* Refers to text that ends in a NUL within size bytes. Returns: 0; -EINVAL: it does not end. */
int auth_refer_text(const char *text, size_t size, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret);

/* Copies text that was read. Returns: 0; -EBADMSG: too long, or a NUL inside. */
int auth_take_text(char *to, size_t size, protobuf_c_boolean has, const ProtobufCBinaryData *from);

/* The same, and it is for people: a foreign byte quoted in it, or a character that was cut, becomes "?". */
int auth_take_sentence(char *to, size_t size, protobuf_c_boolean has, const ProtobufCBinaryData *from);

static inline ProtobufCBinaryData auth_refer_bytes(const uint8_t *bytes, size_t size) {
        return (ProtobufCBinaryData) { .len = size, .data = (uint8_t *) bytes };
}

/* A record of a policy points into the policy; only its lists are its own: auth_policy_record_done(). Returns: 0;
 * -EINVAL; -ENOMEM. */
int auth_policy_pack(const SecurityPolicy *policy, AuthPolicyRecord *record);
void auth_policy_record_done(AuthPolicyRecord *record);
/* Returns: 0; -EBADMSG; -ENOMEM. On failure there is nothing to be freed. */
int auth_policy_parse(const AuthPolicyRecord *record, SecurityPolicy *ret);

/* Findings likewise. */
int auth_findings_pack(const AuthFinding *findings, unsigned n, AuthFindingRecord ***ret);
void auth_findings_record_done(AuthFindingRecord **records);
int auth_findings_parse(AuthFindingRecord *const *records, size_t n, AuthFinding **ret);

int auth_peer_pack(const AuthPeer *peer, AuthPeerRecord *record);
int auth_peer_parse(const AuthPeerRecord *record, AuthPeer *peer);

bool auth_keys_are_valid(const SealKeys *keys);
void auth_keys_pack(const SealKeys *keys, AuthSealRecord *record);
int auth_keys_parse(const AuthSealRecord *record, SealKeys *keys);
