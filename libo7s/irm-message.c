/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an application and the IRM say to each other, in bytes and on a socket. Both sides distrust what
 * they read: the IRM because anybody may connect, the library because its own bugs should not become the
 * application's. */

#include <stdio.h>
#include <sys/socket.h>

#include "basic/wiped.h"
#include "irm.pb-c.h"
#include "libo7s/doorbell.h"
#include "libo7s/irm-message.h"

#define ERRNO_MAX 4095

/* A record, with what a doorbell puts in front. */
typedef uint8_t RecordBuffer[1 + IRM_MESSAGE_BYTES_MAX];

static void record_buffer_wipe(RecordBuffer *buffer) {
        explicit_bzero(*buffer, sizeof(*buffer));
}

/* What protobuf-c takes for a message is wiped before it goes: there may be keys in it, also in one that turns out to
 * be bad. */
static const ProtobufCAllocator wiped_allocator = { .alloc = wiped_alloc, .free = wiped_free };

/* How many descriptors travel with each type. */
static const struct {
        uint8_t least;
        uint8_t most;
} type_fds[_IRM_MESSAGE_TYPE_MAX] = {
        [IRM_LANE] = { 1, 1 },
        [IRM_REPLY] = { 0, 1 },
        [IRM_OUTCOME] = { 0, 1 },
        [IRM_ESTABLISHED] = { 2, 2 },
};

/* Refers to text that ends in a NUL within size bytes. Returns: 0; -EINVAL: it does not end. */
static int refer_text(const char *text, size_t size, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret) {
        size_t n = strnlen(text, size);

        if (n == size)
                return -EINVAL;

        *ret_has = n > 0;
        *ret = (ProtobufCBinaryData) { .len = n, .data = (uint8_t *) text };
        return 0;
}

/* Copies text that was read. Returns: 0; -EBADMSG: too long, or a NUL inside. */
static int take_text(char *to, size_t size, protobuf_c_boolean has, const ProtobufCBinaryData *from) {
        if (!has)
                return 0;
        if (from->len >= size || (from->len > 0 && memchr(from->data, 0, from->len)))
                return -EBADMSG;

        if (from->len > 0)
                memcpy(to, from->data, from->len);
        to[from->len] = '\0';
        return 0;
}

static void pack_qos(const o7s_qos *qos, IrmQosRecord *record) {
        irm_qos_record__init(record);

#define SET(member)                                                                                               \
        ({                                                                                                        \
                record->has_##member = true;                                                                      \
                record->member = qos->member;                                                                     \
        })
        SET(delay_ms);
        SET(bandwidth_bps);
        SET(availability_nines);
        SET(loss);
        SET(ber);
        SET(in_order);
        SET(max_gap_ms);
        SET(timeout_ms);
#undef SET
}

static int parse_qos(const IrmQosRecord *record, o7s_qos *qos) {
        if (record->availability_nines > UINT8_MAX || record->in_order > 1)
                return -EBADMSG;

        qos->delay_ms = record->delay_ms;
        qos->bandwidth_bps = record->bandwidth_bps;
        qos->availability_nines = (uint8_t) record->availability_nines;
        qos->loss = record->loss;
        qos->ber = record->ber;
        qos->in_order = (uint8_t) record->in_order;
        qos->max_gap_ms = record->max_gap_ms;
        qos->timeout_ms = record->timeout_ms;
        return 0;
}

static int parse_info(const IrmInfoRecord *record, IrmFlowInfo *info) {
        int r;

        r = take_text(info->name, sizeof(info->name), record->has_name, &record->name);
        if (r < 0)
                return r;

        r = take_text(info->layer, sizeof(info->layer), record->has_layer, &record->layer);
        if (r < 0)
                return r;
        if (!isempty(info->layer) && !layer_name_is_valid(info->layer))
                return -EBADMSG;

        r = take_text(info->peer, sizeof(info->peer), record->has_peer, &record->peer);
        if (r < 0)
                return r;
        if (!utf8_is_valid(info->peer, strlen(info->peer)))
                return -EBADMSG;

        r = take_text(info->protection, sizeof(info->protection), record->has_protection, &record->protection);
        if (r < 0)
                return r;

        r = take_text(info->key_exchange, sizeof(info->key_exchange), record->has_key_exchange, &record->key_exchange);
        if (r < 0)
                return r;
        if (!utf8_is_valid(info->protection, strlen(info->protection)) ||
            !utf8_is_valid(info->key_exchange, strlen(info->key_exchange)))
                return -EBADMSG;

        info->verified = record->verified;
        info->mtu = record->mtu;
        info->local = record->local;
        info->transfer = record->transfer;
        info->mpl_ms = record->mpl_ms;

        return record->qos ? parse_qos(record->qos, &info->qos) : 0;
}

/* They come with a flow. */
static bool type_has_keys(IrmMessageType type) {
        return type == IRM_OUTCOME || type == IRM_ESTABLISHED;
}

static ProtobufCBinaryData refer_bytes(const uint8_t *bytes, size_t size) {
        return (ProtobufCBinaryData) { .len = size, .data = (uint8_t *) bytes };
}

static void pack_keys(const SealKeys *keys, IrmKeysRecord *record) {
        irm_keys_record__init(record);

        record->suite = keys->suite;
        record->cipher = keys->cipher;
        record->mac_only = keys->mac_only;
        record->client = keys->client;
        record->label = refer_bytes(keys->label, sizeof(keys->label));
        record->send = refer_bytes(keys->send, sizeof(keys->send));
        record->receive = refer_bytes(keys->receive, sizeof(keys->receive));
        record->agreement = refer_bytes(keys->agreement, sizeof(keys->agreement));
}

static int parse_keys(const IrmKeysRecord *record, SealKeys *keys) {
        if (record->suite == SEAL_NONE || record->suite >= _SEAL_SUITE_MAX || record->cipher > UINT16_MAX ||
            record->label.len != sizeof(keys->label) || record->send.len != sizeof(keys->send) ||
            record->receive.len != sizeof(keys->receive) || record->agreement.len != sizeof(keys->agreement))
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

/* What does not depend on how it was written: checked before packing and after parsing. */
static bool ranges_are_valid(uint32_t type, int32_t result, uint32_t lane_class, uint32_t close_reason) {
        return type < _IRM_MESSAGE_TYPE_MAX && result <= 0 && result >= -ERRNO_MAX && lane_class < _LANE_CLASS_MAX &&
               close_reason < _CLOSE_REASON_MAX;
}

ssize_t irm_message_pack(const IrmMessage *message, void *buffer, size_t size) {
        IrmRecord record = IRM_RECORD__INIT;
        IrmInfoRecord info = IRM_INFO_RECORD__INIT;
        char text[IRM_TEXT_BYTES_MAX];
        IrmKeysRecord keys;
        IrmQosRecord qos;

        assert(message);
        assert(buffer);

        if (!ranges_are_valid(message->type, message->result, message->lane_class, message->close_reason))
                return -EINVAL;

        record.type = message->type;
        record.has_flow_id = true;
        record.flow_id = message->flow_id;
        record.has_result = true;
        record.result = message->result;
        record.has_lane_class = true;
        record.lane_class = message->lane_class;
        record.has_flags = true;
        record.flags = message->flags;
        record.has_timeout_usec = true;
        record.timeout_usec = message->timeout_usec;
        record.has_close_reason = true;
        record.close_reason = message->close_reason;
        record.has_version = true;
        record.version = message->version;
        record.info = &info;
        info.qos = &qos;
        info.has_mtu = true;
        info.mtu = message->info.mtu;
        info.has_local = true;
        info.local = message->info.local;
        info.has_transfer = true;
        info.transfer = message->info.transfer;
        info.has_mpl_ms = true;
        info.mpl_ms = message->info.mpl_ms;
        info.has_verified = true;
        info.verified = message->info.verified;
        pack_qos(&message->info.qos, &qos);
        if (message->keys.suite != SEAL_NONE) {
                if (!type_has_keys(message->type))
                        return -EINVAL;

                pack_keys(&message->keys, &keys);
                record.keys = &keys;
        }

        /* A sentence may quote a name, whose bytes may be anything, and may have been cut to fit. */
        if (!memchr(message->text, '\0', sizeof(message->text)) || !copy_string(text, sizeof(text), message->text))
                return -EINVAL;
        utf8_mend(text);

        if (refer_text(message->program, sizeof(message->program), &record.has_program, &record.program) < 0 ||
            refer_text(text, sizeof(text), &record.has_text, &record.text) < 0 ||
            refer_text(message->info.name, sizeof(message->info.name), &info.has_name, &info.name) < 0 ||
            refer_text(message->info.layer, sizeof(message->info.layer), &info.has_layer, &info.layer) < 0 ||
            refer_text(message->info.peer, sizeof(message->info.peer), &info.has_peer, &info.peer) < 0 ||
            refer_text(message->info.protection, sizeof(message->info.protection), &info.has_protection,
                       &info.protection) < 0 ||
            refer_text(message->info.key_exchange, sizeof(message->info.key_exchange), &info.has_key_exchange,
                       &info.key_exchange) < 0)
                return -EINVAL;

        if (irm_record__get_packed_size(&record) > size)
                return -ENOBUFS;

        return (ssize_t) irm_record__pack(&record, buffer);
}

static IrmRecord *record_free(IrmRecord *record) {
        if (record)
                irm_record__free_unpacked(record, (ProtobufCAllocator *) &wiped_allocator);
        return NULL;
}
DEFINE_CLEANUP(IrmRecord, record_free);

int irm_message_parse(const void *data, size_t size, IrmMessage *ret) {
        _cleanup_(record_freep) IrmRecord *record = NULL;
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        int r;

        assert(data);
        assert(ret);

        if (size > IRM_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        record = irm_record__unpack((ProtobufCAllocator *) &wiped_allocator, size, data);
        if (!record)
                return -EBADMSG;
        if (record->type >= _IRM_MESSAGE_TYPE_MAX)
                return -EPROTO;
        if (!ranges_are_valid(record->type, record->result, record->lane_class, record->close_reason))
                return -EBADMSG;

        message.type = (IrmMessageType) record->type;
        message.flow_id = record->flow_id;
        message.result = record->result;
        message.lane_class = (LaneClass) record->lane_class;
        message.flags = record->flags;
        message.timeout_usec = record->timeout_usec;
        message.close_reason = record->close_reason;
        message.version = record->version;

        r = take_text(message.program, sizeof(message.program), record->has_program, &record->program);
        if (r < 0)
                return r;

        r = take_text(message.text, sizeof(message.text), record->has_text, &record->text);
        if (r < 0)
                return r;
        if (!utf8_is_valid(message.program, strlen(message.program)) ||
            !utf8_is_valid(message.text, strlen(message.text)))
                return -EBADMSG;

        if (record->info) {
                r = parse_info(record->info, &message.info);
                if (r < 0)
                        return r;
        }

        if (record->keys) {
                if (!type_has_keys(message.type))
                        return -EBADMSG;

                r = parse_keys(record->keys, &message.keys);
                if (r < 0)
                        return r;
        }

        *ret = message;
        return 0;
}

/* -- on a socket -- */

/* As parse, after the descriptors: the number that came has to fit the type, and an outcome its result. */
static bool fds_are_valid(const IrmMessage *message, unsigned n_fds) {
        if (n_fds < type_fds[message->type].least || n_fds > type_fds[message->type].most)
                return false;

        return message->type != IRM_OUTCOME || (message->result == 0) == (n_fds == 1);
}

static int send_record(int socket_fd, const void *record, size_t size, const int *fds, unsigned n_fds) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * IRM_FDS_MAX)];
        } control = {};
        struct iovec part = { .iov_base = (void *) record, .iov_len = size };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

        if (n_fds > 0) {
                struct cmsghdr *c;

                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c = CMSG_FIRSTHDR(&header);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }

        for (;;) {
                if (sendmsg(socket_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno == ECONNRESET)
                        return -EPIPE;
                if (errno != EINTR)
                        return -errno;
        }
}

int irm_message_send(int socket_fd, const IrmMessage *message, const int *fds, unsigned n_fds) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        ssize_t n;

        assert(n_fds <= IRM_FDS_MAX);

        n = irm_message_pack(message, buffer, IRM_MESSAGE_BYTES_MAX);
        if (n < 0)
                return (int) n;

        return send_record(socket_fd, buffer, (size_t) n, fds, n_fds);
}

int irm_message_send_outcome(int doorbell_fd, const IrmMessage *message, int lane_fd) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        ssize_t n;

        assert(message->type == IRM_OUTCOME);

        n = irm_message_pack(message, buffer + 1, sizeof(buffer) - 1);
        if (n < 0)
                return (int) n;

        buffer[0] = DOORBELL_OUTCOME;
        return send_record(doorbell_fd, buffer, (size_t) n + 1, &lane_fd, lane_fd >= 0);
}

/* Puts away every descriptor that came, so that none is lost whatever the message says: those that have a place
 * in ret_fds stay, others are closed. Returns how many came. */
static unsigned take_fds(struct msghdr *header, int ret_fds[IRM_FDS_MAX]) {
        unsigned n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
                size_t n_here;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
                        continue;

                n_here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n_here; i++, n++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (n < IRM_FDS_MAX)
                                ret_fds[n] = fd;
                        else
                                (void) safe_close(fd);
                }
        }

        return n;
}

static int receive_record(int socket_fd, void *buffer, size_t size, int ret_fds[IRM_FDS_MAX], unsigned *ret_n_fds,
                          size_t *ret_size) {
        /* More room than we accept: what is sent on top is then ours to close and to complain about. */
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * (IRM_FDS_MAX + 2)) + CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec part = { .iov_base = buffer, .iov_len = size };
        struct msghdr header = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;

        /* ECONNRESET: the other end closed with records of ours unread. It is said once, before what it sent. */
        do
                n = recvmsg(socket_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0)
                return -errno;

        *ret_n_fds = take_fds(&header, ret_fds);
        if (n == 0)
                return -EPIPE;
        if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return -EBADMSG;

        *ret_size = (size_t) n;
        return 0;
}

static void close_fds(int fds[IRM_FDS_MAX]) {
        for (unsigned i = 0; i < IRM_FDS_MAX; i++)
                fds[i] = safe_close(fds[i]);
}

/* prefix: the record type in front of the message on a doorbell; 0: none. */
static int receive_message(int socket_fd, uint8_t prefix, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        int fds[IRM_FDS_MAX] = { -1, -1 };
        size_t skip = prefix ? 1 : 0, size = 0;
        unsigned n_fds = 0;
        int r;

        r = receive_record(socket_fd, buffer, IRM_MESSAGE_BYTES_MAX + skip, fds, &n_fds, &size);
        if (r >= 0 && prefix && buffer[0] != prefix)
                r = -EBADMSG;
        if (r >= 0)
                r = irm_message_parse(buffer + skip, size - skip, &message);
        if (r >= 0 && !fds_are_valid(&message, n_fds))
                r = -EBADMSG;
        if (r < 0) {
                close_fds(fds);
                return r;
        }

        memcpy(ret_fds, fds, sizeof(fds));
        *ret = message;
        return 0;
}

int irm_message_receive(int socket_fd, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]) {
        return receive_message(socket_fd, 0, ret, ret_fds);
}

int irm_message_receive_outcome(int doorbell_fd, IrmMessage *ret, int *ret_lane_fd) {
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        int fds[IRM_FDS_MAX] = { -1, -1 };
        int r;

        r = receive_message(doorbell_fd, DOORBELL_OUTCOME, &message, fds);
        if (r < 0)
                return r;
        if (message.type != IRM_OUTCOME) {
                close_fds(fds);
                return -EBADMSG;
        }

        *ret_lane_fd = fds[0];
        *ret = message;
        return 0;
}
