/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes of the three messages of an enrollment. See enrollment.h; the fields are in enrollment.proto. Parsing checks
 * form alone: lengths, texts, and that nothing is missing which somebody would look at later. Whether the values are
 * ones that we can live with is layer_config_check()'s business.
 */

#include "services/common/enrollment.h"
#include "enrollment.pb-c.h"

#define SECONDS_MAX (INT64_MAX / (int64_t) NSEC_PER_SEC)

/* Of the policies of routing and of the directory there is one each. */
#define ROUTING_POLICY_LINK_STATE 0U
#define DIRECTORY_POLICY_DHT 0U

static void request_freep(O7s__Enrollment__Request **message) {
        if (*message)
                o7s__enrollment__request__free_unpacked(*message, NULL);
}

static void response_freep(O7s__Enrollment__Response **message) {
        if (*message)
                o7s__enrollment__response__free_unpacked(*message, NULL);
}

static void ack_freep(O7s__Enrollment__Ack **message) {
        if (*message)
                o7s__enrollment__ack__free_unpacked(*message, NULL);
}

/* -- packing -- */

static ProtobufCBinaryData bytes_of(const void *data, size_t size) {
        /* packing only reads */
        return (ProtobufCBinaryData) { .len = size, .data = (uint8_t *) (uintptr_t) data };
}

ssize_t enrollment_request_pack(const EnrollmentRequest *message, void *buffer, size_t size) {
        O7s__Enrollment__Request request = O7S__ENROLLMENT__REQUEST__INIT;

        request.id = bytes_of(message->id, sizeof(message->id));
        if (o7s__enrollment__request__get_packed_size(&request) > size)
                return -ENOBUFS;

        return (ssize_t) o7s__enrollment__request__pack(&request, buffer);
}

ssize_t enrollment_ack_pack(const EnrollmentAck *message, void *buffer, size_t size) {
        O7s__Enrollment__Ack ack = O7S__ENROLLMENT__ACK__INIT;

        ack.id = bytes_of(message->id, sizeof(message->id));
        ack.result = message->result;
        if (o7s__enrollment__ack__get_packed_size(&ack) > size)
                return -ENOBUFS;

        return (ssize_t) o7s__enrollment__ack__pack(&ack, buffer);
}

/* A configuration in the form of the generated code, with all its parts. */
typedef struct ConfigParts {
        O7s__Enrollment__Config config;
        O7s__Enrollment__Layer layer;
        O7s__Enrollment__Unicast unicast;
        O7s__Enrollment__Transfer transfer;
        O7s__Enrollment__Routing routing;
        O7s__Enrollment__LinkState link_state;
        O7s__Enrollment__Directory directory;
        O7s__Enrollment__Dht dht;
} ConfigParts;

static void unicast_to_parts(const LayerConfig *config, ConfigParts *parts) {
        o7s__enrollment__unicast__init(&parts->unicast);
        o7s__enrollment__transfer__init(&parts->transfer);
        o7s__enrollment__routing__init(&parts->routing);
        o7s__enrollment__link_state__init(&parts->link_state);
        o7s__enrollment__directory__init(&parts->directory);
        o7s__enrollment__dht__init(&parts->dht);

        parts->config.unicast = &parts->unicast;
        parts->unicast.transfer = &parts->transfer;
        parts->unicast.directory = &parts->directory;
        parts->unicast.address_policy = config->address_policy;
        parts->unicast.congestion = config->congestion;

        parts->transfer.address_bytes = config->address_bytes;
        parts->transfer.eid_bytes = config->eid_bytes;
        parts->transfer.ttl_max = config->ttl_max;
        parts->transfer.routing = &parts->routing;

        parts->routing.policy = ROUTING_POLICY_LINK_STATE;
        parts->routing.link_state = &parts->link_state;
        parts->link_state.forwarding = config->forwarding;
        parts->link_state.recalculate = config->recalculate_sec;
        parts->link_state.update = config->update_sec;
        parts->link_state.timeout = config->timeout_sec;

        parts->directory.policy = DIRECTORY_POLICY_DHT;
        parts->directory.dht = &parts->dht;
        parts->dht.alpha = config->alpha;
        parts->dht.k = config->k;
        parts->dht.expire = config->expire_sec;
        parts->dht.refresh = config->refresh_sec;
        parts->dht.replicate = config->replicate_sec;
        parts->dht.peer = config->peer;
}

static void config_to_parts(const LayerConfig *config, ConfigParts *parts) {
        o7s__enrollment__config__init(&parts->config);
        o7s__enrollment__layer__init(&parts->layer);

        parts->config.layer = &parts->layer;
        parts->config.type = (uint32_t) config->type;
        parts->layer.name = bytes_of(config->layer, strnlen(config->layer, FLOW_NAME_WIRE_BYTES_MAX));
        parts->layer.hash = (uint32_t) config->hash;
        parts->layer.has_id = config->have_id;
        parts->layer.id = bytes_of(config->id, sizeof(config->id));

        if (config->type == LAYER_UNICAST)
                unicast_to_parts(config, parts);
}

ssize_t enrollment_response_pack(const EnrollmentResponse *message, void *buffer, size_t size) {
        O7s__Enrollment__Response response = O7S__ENROLLMENT__RESPONSE__INIT;
        ConfigParts parts;

        if (message->has_config != (message->result >= 0))
                return -EINVAL;         /* a welcome without a configuration is none */

        response.id = bytes_of(message->id, sizeof(message->id));
        response.seconds = (int64_t) (message->time_nsec / NSEC_PER_SEC);
        response.nanoseconds = (int32_t) (message->time_nsec % NSEC_PER_SEC);
        response.result = message->result;
        if (message->has_config) {
                config_to_parts(&message->config, &parts);
                response.config = &parts.config;
        }

        if (o7s__enrollment__response__get_packed_size(&response) > size)
                return -ENOBUFS;

        return (ssize_t) o7s__enrollment__response__pack(&response, buffer);
}

/* -- parsing -- */

static bool id_from(const ProtobufCBinaryData *data, uint8_t id[ENROLLMENT_ID_BYTES]) {
        if (data->len != ENROLLMENT_ID_BYTES)
                return false;

        memcpy(id, data->data, ENROLLMENT_ID_BYTES);
        return true;
}

int enrollment_request_parse(const void *data, size_t size, EnrollmentRequest *ret) {
        _cleanup_(request_freep) O7s__Enrollment__Request *message = NULL;
        EnrollmentRequest request = {};

        if (size > ENROLLMENT_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        message = o7s__enrollment__request__unpack(NULL, size, data);
        if (!message || !id_from(&message->id, request.id))
                return -EBADMSG;

        *ret = request;
        return 0;
}

int enrollment_ack_parse(const void *data, size_t size, EnrollmentAck *ret) {
        _cleanup_(ack_freep) O7s__Enrollment__Ack *message = NULL;
        EnrollmentAck ack = {};

        if (size > ENROLLMENT_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        message = o7s__enrollment__ack__unpack(NULL, size, data);
        if (!message || !id_from(&message->id, ack.id))
                return -EBADMSG;

        ack.result = message->result;
        *ret = ack;
        return 0;
}

static int unicast_from_message(const O7s__Enrollment__Unicast *unicast, LayerConfig *config) {
        const O7s__Enrollment__Transfer *transfer;
        const O7s__Enrollment__LinkState *link_state;
        const O7s__Enrollment__Dht *dht;

        if (!unicast)
                return -EBADMSG;
        if (unicast->transfer->routing->policy != ROUTING_POLICY_LINK_STATE ||
            unicast->directory->policy != DIRECTORY_POLICY_DHT)
                return -EOPNOTSUPP;

        transfer = unicast->transfer;
        link_state = transfer->routing->link_state;
        dht = unicast->directory->dht;
        if (!link_state || !dht)
                return -EBADMSG;

        config->address_policy = unicast->address_policy;
        config->congestion = unicast->congestion;
        config->address_bytes = transfer->address_bytes;
        config->eid_bytes = transfer->eid_bytes;
        config->ttl_max = transfer->ttl_max;
        config->forwarding = link_state->forwarding;
        config->recalculate_sec = link_state->recalculate;
        config->update_sec = link_state->update;
        config->timeout_sec = link_state->timeout;
        config->alpha = dht->alpha;
        config->k = dht->k;
        config->expire_sec = dht->expire;
        config->refresh_sec = dht->refresh;
        config->replicate_sec = dht->replicate;
        config->peer = dht->peer;
        return 0;
}

static int config_from_message(const O7s__Enrollment__Config *message, LayerConfig *config) {
        const ProtobufCBinaryData *name = &message->layer->name;

        if (name->len == 0 || name->len >= sizeof(config->layer) || memchr(name->data, '\0', name->len))
                return -EBADMSG;
        memcpy(config->layer, name->data, name->len);
        config->layer[name->len] = '\0';

        if (message->type != LAYER_UNICAST && message->type != LAYER_BROADCAST)
                return -EBADMSG;
        config->type = (LayerType) message->type;

        if (message->layer->hash >= _HASH_DIRECTORY_MAX)
                return -EBADMSG;
        config->hash = (HashAlgorithm) message->layer->hash;

        config->have_id = message->layer->has_id;
        if (config->have_id && message->layer->id.len != sizeof(config->id))
                return -EBADMSG;
        if (config->have_id)
                memcpy(config->id, message->layer->id.data, sizeof(config->id));

        return config->type == LAYER_UNICAST ? unicast_from_message(message->unicast, config) : 0;
}

int enrollment_response_parse(const void *data, size_t size, EnrollmentResponse *ret) {
        _cleanup_(response_freep) O7s__Enrollment__Response *message = NULL;
        EnrollmentResponse response = {};
        int r;

        if (size > ENROLLMENT_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        message = o7s__enrollment__response__unpack(NULL, size, data);
        if (!message || !id_from(&message->id, response.id))
                return -EBADMSG;
        if (message->seconds < 0 || message->seconds > SECONDS_MAX - 1 || message->nanoseconds < 0 ||
            (uint32_t) message->nanoseconds >= NSEC_PER_SEC)
                return -EBADMSG;

        response.time_nsec = (uint64_t) message->seconds * NSEC_PER_SEC + (uint64_t) message->nanoseconds;
        response.result = message->result;
        if (response.result >= 0) {
                if (!message->config)
                        return -EBADMSG;

                r = config_from_message(message->config, &response.config);
                if (r < 0)
                        return r;
                response.has_config = true;
        }

        *ret = response;
        return 0;
}
