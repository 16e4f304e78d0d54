/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the IRM and the authentication service say to each other, in bytes and on a socket. Both sides distrust what
 * they read: one of them reads certificates of strangers. Messages carry the keys of flows, so whatever memory they
 * passed through is wiped: the buffer of the record here, what protobuf allocates in wiped_free().
 */

#include "basic/record.h"
#include "basic/wiped.h"
#include "services/common/auth-message-internal.h"

#define ERRNO_MAX 4095

static ProtobufCAllocator wiping_allocator(void) {
        return (ProtobufCAllocator) { .alloc = wiped_alloc, .free = wiped_free };
}

static AuthRecord *record_free(AuthRecord *record) {
        ProtobufCAllocator allocator = wiping_allocator();

        if (record)
                auth_record__free_unpacked(record, &allocator);
        return NULL;
}
DEFINE_CLEANUP(AuthRecord, record_free);

void auth_message_done(AuthMessage *message) {
        security_policy_done(&message->policy);
        free(message->oap);
        free(message->findings);
        explicit_bzero(message, sizeof(*message));
}

/* -- packing -- */

/* What does not depend on how it was written: checked before packing and after parsing. */
static bool ranges_are_valid(uint32_t type, int32_t result, size_t binding_size, size_t oap_size) {
        return type < _AUTH_MESSAGE_TYPE_MAX && result <= 0 && result >= -ERRNO_MAX &&
               binding_size <= AUTH_BINDING_BYTES_MAX && oap_size <= AUTH_OAP_BYTES_MAX;
}

static void pack_numbers(const AuthMessage *message, AuthRecord *record) {
        record->type = message->type;
        record->has_version = true;
        record->version = message->version;
        record->has_id = true;
        record->id = message->id;
        record->has_session = true;
        record->session = message->session;
        record->has_result = true;
        record->result = message->result;
        record->has_server = true;
        record->server = message->server;
        record->has_capabilities = true;
        record->capabilities = message->capabilities;
        record->has_stamp = true;
        record->stamp = message->stamp;
        record->has_size = true;
        record->size = message->size;
        record->has_expiry_usec = true;
        record->expiry_usec = message->expiry_usec;
}

static void pack_bytes(const AuthMessage *message, AuthRecord *record) {
        record->has_token = message->have_token;
        record->token = auth_refer_bytes(message->token, sizeof(message->token));
        record->has_replaced = message->have_replaced;
        record->replaced = auth_refer_bytes(message->replaced, sizeof(message->replaced));
        record->has_reset = message->have_reset;
        record->reset = auth_refer_bytes(message->reset, sizeof(message->reset));
        record->has_oap_id = true;
        record->oap_id = auth_refer_bytes(message->oap_id, sizeof(message->oap_id));
        record->has_epoch = true;
        record->epoch = auth_refer_bytes(message->epoch, sizeof(message->epoch));
        record->has_binding = message->binding_size > 0;
        record->binding = auth_refer_bytes(message->binding, message->binding_size);
        record->has_oap = message->oap_size > 0;
        record->oap = auth_refer_bytes(message->oap, message->oap_size);
}

static bool has_policy(AuthMessageType type) {
        return type == AUTH_BUILD_REQUEST || type == AUTH_CHECK_REQUEST || type == AUTH_INSPECT;
}

static bool has_peer(AuthMessageType type) {
        return type == AUTH_RESPONSE_CHECKED || type == AUTH_REQUEST_CHECKED || type == AUTH_RESPONSE_BUILT;
}

/* Only where a handshake ends do keys travel. */
static bool has_keys(AuthMessageType type) {
        return type == AUTH_RESPONSE_CHECKED || type == AUTH_RESPONSE_BUILT;
}

static ssize_t pack_record(const AuthMessage *message, AuthRecord *record, AuthPolicyRecord *policy, void *buffer,
                           size_t size) {
        AuthPeerRecord peer;
        AuthSealRecord keys;
        AuthControlRecord control = AUTH_CONTROL_RECORD__INIT;
        int r;

        pack_numbers(message, record);
        pack_bytes(message, record);
        if (auth_refer_text(message->name, sizeof(message->name), &record->has_name, &record->name) < 0 ||
            auth_refer_text(message->source, sizeof(message->source), &record->has_source, &record->source) < 0 ||
            auth_refer_text(message->text, sizeof(message->text), &record->has_text, &record->text) < 0)
                return -EINVAL;

        if (has_policy(message->type)) {
                r = auth_policy_pack(&message->policy, policy);
                if (r < 0)
                        return r;
                record->policy = policy;
        }

        if (has_peer(message->type)) {
                r = auth_peer_pack(&message->peer, &peer);
                if (r < 0)
                        return r;
                record->peer = &peer;
        }

        if (has_keys(message->type) && message->keys.suite != SEAL_NONE) {
                auth_keys_pack(&message->keys, &keys);
                record->keys = &keys;
        }

        if (has_keys(message->type) && message->control.present) {
                control.send = auth_refer_bytes(message->control.send, sizeof(message->control.send));
                control.receive = auth_refer_bytes(message->control.receive, sizeof(message->control.receive));
                record->control = &control;
        }

        r = auth_findings_pack(message->findings, message->n_findings, &record->findings);
        if (r < 0)
                return r;
        record->n_findings = message->n_findings;

        if (auth_record__get_packed_size(record) > size)
                return -ENOBUFS;

        return (ssize_t) auth_record__pack(record, buffer);
}

ssize_t auth_message_pack(const AuthMessage *message, void *buffer, size_t size) {
        AuthPolicyRecord policy = AUTH_POLICY_RECORD__INIT;
        AuthRecord record = AUTH_RECORD__INIT;
        ssize_t n;

        assert(message);
        assert(buffer);

        if (!ranges_are_valid(message->type, message->result, message->binding_size, message->oap_size) ||
            (message->oap_size > 0 && !message->oap) || !auth_keys_are_valid(&message->keys))
                return -EINVAL;

        n = pack_record(message, &record, &policy, buffer, size);
        auth_policy_record_done(&policy);
        auth_findings_record_done(record.findings);
        return n;
}

/* -- parsing -- */

static int take_bytes(uint8_t *to, size_t size, protobuf_c_boolean has, const ProtobufCBinaryData *from) {
        if (!has)
                return 0;
        if (from->len != size)
                return -EBADMSG;

        memcpy(to, from->data, size);
        return 0;
}

static int parse_bytes(const AuthRecord *record, AuthMessage *message) {
        if (take_bytes(message->token, sizeof(message->token), record->has_token, &record->token) < 0 ||
            take_bytes(message->replaced, sizeof(message->replaced), record->has_replaced, &record->replaced) < 0 ||
            take_bytes(message->reset, sizeof(message->reset), record->has_reset, &record->reset) < 0 ||
            take_bytes(message->oap_id, sizeof(message->oap_id), record->has_oap_id, &record->oap_id) < 0 ||
            take_bytes(message->epoch, sizeof(message->epoch), record->has_epoch, &record->epoch) < 0)
                return -EBADMSG;

        message->have_token = record->has_token;
        message->have_replaced = record->has_replaced;
        message->have_reset = record->has_reset;

        if (record->has_binding && record->binding.len > 0) {
                message->binding_size = record->binding.len;
                memcpy(message->binding, record->binding.data, record->binding.len);
        }

        if (record->has_oap && record->oap.len > 0) {
                message->oap = malloc(record->oap.len);
                if (!message->oap)
                        return -ENOMEM;
                message->oap_size = record->oap.len;
                memcpy(message->oap, record->oap.data, record->oap.len);
        }

        return 0;
}

static int parse_control(const AuthControlRecord *record, ControlKeys *control) {
        if (record->send.len != sizeof(control->send) || record->receive.len != sizeof(control->receive))
                return -EBADMSG;

        control->present = true;
        memcpy(control->send, record->send.data, sizeof(control->send));
        memcpy(control->receive, record->receive.data, sizeof(control->receive));
        return 0;
}

/* What only some types have is an error in the others: nothing may come in unnoticed. */
static int parse_parts(const AuthRecord *record, AuthMessage *message) {
        int r;

        if ((record->policy && !has_policy(message->type)) || (record->peer && !has_peer(message->type)) ||
            ((record->keys || record->control) && !has_keys(message->type)) ||
            (record->n_findings > 0 && message->type != AUTH_INSPECTED))
                return -EBADMSG;

        if (record->policy) {
                r = auth_policy_parse(record->policy, &message->policy);
                if (r < 0)
                        return r;
        }

        if (record->peer) {
                r = auth_peer_parse(record->peer, &message->peer);
                if (r < 0)
                        return r;
        }

        if (record->keys) {
                r = auth_keys_parse(record->keys, &message->keys);
                if (r < 0)
                        return r;
        }

        if (record->control) {
                r = parse_control(record->control, &message->control);
                if (r < 0)
                        return r;
        }

        r = auth_findings_parse(record->findings, record->n_findings, &message->findings);
        if (r < 0)
                return r;

        message->n_findings = (unsigned) record->n_findings;
        return 0;
}

static int parse_record(const AuthRecord *record, AuthMessage *message) {
        int r;

        if (record->type >= _AUTH_MESSAGE_TYPE_MAX)
                return -EPROTO;
        if (!ranges_are_valid(record->type, record->result, record->has_binding ? record->binding.len : 0,
                              record->has_oap ? record->oap.len : 0))
                return -EBADMSG;

        message->type = (AuthMessageType) record->type;
        message->version = record->version;
        message->id = record->id;
        message->session = record->session;
        message->result = record->result;
        message->server = record->server;
        message->capabilities = record->capabilities;
        message->stamp = record->stamp;
        message->size = record->size;
        message->expiry_usec = record->expiry_usec;

        if (auth_take_text(message->name, sizeof(message->name), record->has_name, &record->name) < 0 ||
            auth_take_text(message->source, sizeof(message->source), record->has_source, &record->source) < 0 ||
            auth_take_sentence(message->text, sizeof(message->text), record->has_text, &record->text) < 0)
                return -EBADMSG;

        r = parse_bytes(record, message);
        if (r < 0)
                return r;

        return parse_parts(record, message);
}

int auth_message_parse(const void *data, size_t size, AuthMessage *ret) {
        _cleanup_(auth_message_done) AuthMessage message = {};
        _cleanup_(record_freep) AuthRecord *record = NULL;
        ProtobufCAllocator allocator = wiping_allocator();
        int r;

        assert(data);
        assert(ret);

        if (size > AUTH_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        record = auth_record__unpack(&allocator, size, data);
        if (!record)
                return -EBADMSG;

        r = parse_record(record, &message);
        if (r < 0)
                return r;

        *ret = message;
        explicit_bzero(&message, sizeof(message));      /* handed over */
        return 0;
}

/* -- on a socket -- */

int auth_message_send(int socket_fd, const AuthMessage *message, int fd) {
        uint8_t buffer[AUTH_MESSAGE_BYTES_MAX];
        ssize_t n;
        int r;

        assert((message->type == AUTH_KEYS) == (fd >= 0));

        n = auth_message_pack(message, buffer, sizeof(buffer));
        if (n < 0)
                return (int) n;

        r = record_send(socket_fd, buffer, (size_t) n, &fd, fd >= 0);
        explicit_bzero(buffer, (size_t) n);
        return r;
}

int auth_message_receive(int socket_fd, AuthMessage *ret, int *ret_fd) {
        _cleanup_(auth_message_done) AuthMessage message = {};
        uint8_t buffer[AUTH_MESSAGE_BYTES_MAX];
        _cleanup_(record_fds_close) RecordFds fds = RECORD_FDS_INIT;
        ssize_t n;
        int r;

        assert(ret);
        assert(ret_fd);

        n = record_receive(socket_fd, buffer, sizeof(buffer), &fds);
        r = n < 0 ? (int) n : auth_message_parse(buffer, (size_t) n, &message);
        explicit_bzero(buffer, n < 0 ? sizeof(buffer) : (size_t) n);
        if (r < 0)
                return r;
        if (fds.n != (message.type == AUTH_KEYS ? 1 : 0))
                return -EBADMSG;

        *ret = message;
        *ret_fd = TAKE_FD(fds.fds[0]);
        explicit_bzero(&message, sizeof(message));      /* handed over */
        return 0;
}
