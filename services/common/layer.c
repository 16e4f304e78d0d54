/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/log.h"
#include "services/common/layer-internal.h"
#include "services/common/message-id.h"

/* -- the connection -- */

static void irm_received(void *userdata, const LayerMessage *message, int fds[LAYER_FDS_MAX]) {
        layer_dispatch(userdata, message, fds, time_now());

        for (unsigned i = 0; i < LAYER_FDS_MAX; i++)
                fds[i] = safe_close(fds[i]);
}

static void irm_connected(void *userdata) {
        Layer *layer = userdata;
        LayerFlow *flow;

        layer_send_hello(layer);

        list_for_each(flow, &layer->flows->all, by_table)
                if (flow->state == LAYER_FLOW_ESTABLISHED)
                        layer_send_flow(layer, flow);

        layer_send_state(layer);
        if (layer->ops->tell_neighbours)
                layer->ops->tell_neighbours(layer->userdata, time_now());
        log_debug("Layer %s is connected to the IRM.", layer->name);
}

static void irm_lost(void *userdata) {
        Layer *layer = userdata;

        log_debug("Layer %s lost the IRM.", layer->name);
        layer->ops->irm_lost(layer->userdata, time_now());
}

/* -- from above -- */

static unsigned budget(void *userdata, LayerFlow *flow, unsigned max, usec_t now) {
        Layer *layer = userdata;

        return layer->ops->budget(layer->userdata, flow, max, now);
}

static unsigned transmit(void *userdata, LayerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        Layer *layer = userdata;

        return layer->ops->transmit(layer->userdata, flow, packets, n, now);
}

static void ended(void *userdata, LayerFlow *flow, CloseReason reason, usec_t now) {
        Layer *layer = userdata;
        uint64_t flow_id = flow->key.flow_id;

        layer->ops->close(layer->userdata, flow, now);
        layer_send_down(layer, flow_id, reason);
}

/* -- waiting -- */

static bool look(void *userdata) {
        Layer *layer = userdata;
        bool received = layer->ops->look && layer->ops->look(layer->userdata);

        return upper_look(&layer->upper) || received;
}

static bool go_to_sleep(void *userdata) {
        Layer *layer = userdata;

        return upper_sleep(&layer->upper);
}

void layer_look_before_sleep(Layer *layer) {
        static const DaemonIdle idle = { .look = look, .sleep = go_to_sleep };

        upper_set_looks(&layer->upper);
        daemon_set_idle(layer->daemon, &idle, layer);
}

/* -- the object -- */

Layer *layer_free(Layer *layer) {
        if (!layer)
                return NULL;

        layer_irm_done(&layer->irm);
        upper_done(&layer->upper);
        state_store_free(layer->store);
        capture_free(layer->capture);
        free(layer->reason);
        free(layer->name);
        explicit_bzero(layer->reset_key, sizeof(layer->reset_key));
        return mfree(layer);
}

int layer_new(Daemon *daemon, const char *name, const LayerOps *ops, void *userdata, LayerFlows *flows, Layer **ret) {
        _cleanup_(layer_freep) Layer *layer = NULL;
        int r;

        layer = calloc(1, sizeof(*layer));
        if (!layer)
                return -ENOMEM;

        layer->daemon = daemon;
        layer->ops = ops;
        layer->userdata = userdata;
        layer->flows = flows;
        layer->state = LAYER_STARTING;
        layer->irm.fd = -1;

        layer->name = strdup(name);
        if (!layer->name)
                return -ENOMEM;

        r = upper_init(&layer->upper, daemon->event, transmit, ended, layer);
        if (r < 0)
                return r;
        if (ops->budget)
                upper_set_budget(&layer->upper, budget);

        if (ops->n_interfaces > 0) {
                r = capture_new(daemon->event, name, ops->interfaces, ops->n_interfaces, ops->watch,
                                userdata, &layer->capture);
                if (r < 0)
                        return r;
        }

        r = layer_irm_init(&layer->irm, daemon->event, NULL);
        if (r < 0)
                return r;

        layer->irm.connected = irm_connected;
        layer->irm.received = irm_received;
        layer->irm.lost = irm_lost;
        layer->irm.userdata = layer;

        *ret = TAKE_PTR(layer);
        return 0;
}

static int restore_flow(Layer *layer, const LayerFlowRecord *record, uint32_t slot, usec_t now) {
        LayerFlow *flow;
        int r;

        r = layer->ops->restore_flow(layer->userdata, record, now, &flow);
        if (r < 0)
                return r;

        layer_flow_restore(flow, record, layer->store, slot);
        return 0;
}

/* Flow after flow, until there are no more of them. Returns: how many go on. */
static unsigned restore_flows(Layer *layer) {
        LayerFlowRecord record;
        uint32_t position = 0, slot;
        unsigned n = 0;

        while (layer_store_next_flow(layer->store, &position, &record, &slot) > 0) {
                int r;

                r = layer->ops->restore_flow ? restore_flow(layer, &record, slot, time_now()) : -EOPNOTSUPP;
                if (r < 0) {
                        log_debug_errno(r, "Flow %" PRIu64 " of before is over: %m", record.key.flow_id);
                        state_store_remove(layer->store, LAYER_KEPT_FLOW, slot);
                        continue;
                }
                n++;
        }

        explicit_bzero(&record, sizeof(record));
        return n;
}

static void restore_block(Layer *layer) {
        uint8_t bytes[LAYER_BLOCK_BYTES_MAX];
        size_t size = layer_store_get_block(layer->store, bytes);

        if (size > 0 && layer->ops->restore_block)
                layer->ops->restore_block(layer->userdata, bytes, size, time_now());
}

int layer_restore(Layer *layer) {
        unsigned n;
        int r;

        assert(!layer->store);

        r = layer_store_open(layer->daemon, &layer->store);
        if (r < 0)
                return r;

        r = layer_store_key(layer->store, layer->reset_key);
        if (r < 0)
                return r;

        restore_block(layer);
        n = restore_flows(layer);
        if (n == 0)
                return 0;

        log_with(LOG_INFO, LOG_FIELDS(MESSAGE_FLOWS_KEPT), "Took over %u flows of before.", n);

        /* Until the network is known; applications may attach before it is. */
        return upper_set_packet_max(&layer->upper, LANE_SLOT_BYTES);
}

const uint8_t *layer_reset_key(const Layer *layer) {
        return layer->reset_key;
}

/* Where this fails the flow ends with our process, as it always did. */
void layer_keep_flow(Layer *layer, LayerFlow *flow) {
        uint8_t bytes[LAYER_FLOW_BYTES_MAX];
        ssize_t size;
        int r = 0;

        if (!layer->store || !layer->ops->save_flow || flow->state != LAYER_FLOW_ESTABLISHED)
                return;

        size = layer->ops->save_flow(layer->userdata, flow, bytes);
        if (size >= 0)
                r = layer_store_flow(layer->store, flow, bytes, (size_t) size);
        if (size < 0 || r < 0)
                log_debug_errno(size < 0 ? (int) size : r, "Flow %" PRIu64 " will end with this process: %m",
                                flow->key.flow_id);
}

int layer_keep_block(Layer *layer, const void *bytes, size_t size) {
        return layer->store ? layer_store_set_block(layer->store, bytes, size) : 0;
}

int layer_start(Layer *layer) {
        return layer_irm_start(&layer->irm);
}

void layer_set_state(Layer *layer, LayerState state, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = vasprintf(&reason, format, arguments);
        va_end(arguments);
        if (r < 0) {
                reason = NULL;          /* undefined after a failure */
                return;
        }

        if (state == layer->state && layer->reason && streq(reason, layer->reason))
                return;

        assert(layer_state_may_follow(layer->state, state));
        log_info("Layer %s is %s: %s", layer->name, layer_state_to_string(state), reason);

        layer->state = state;
        free(layer->reason);
        layer->reason = TAKE_PTR(reason);

        daemon_status(layer->daemon, "%s: %s", layer_state_to_string(state), layer->reason);
        layer_send_state(layer);
}

static void tell_path(Layer *layer, bool down) {
        const PathState path = { .down = down, .packet_max = layer->mtu };

        if (path.down != layer->upper.path.down || path.packet_max != layer->upper.path.packet_max)
                upper_set_path(&layer->upper, &path);
}

int layer_set_packet_max(Layer *layer, uint32_t packet_max) {
        int r;

        if (packet_max == layer->mtu)
                return 0;

        /* Without a network below there is no size; flows still need buffers to take, and drop, what is written. */
        if (packet_max > 0) {
                r = upper_set_packet_max(&layer->upper, packet_max);
                if (r < 0)
                        return r;
        }

        layer->mtu = packet_max;
        layer_send_state(layer);
        tell_path(layer, layer->upper.path.down);
        return 0;
}

void layer_set_down(Layer *layer, bool down) {
        tell_path(layer, down);
}

void layer_set_member(Layer *layer, uint64_t address, const uint8_t id[LAYER_ID_BYTES]) {
        static const uint8_t none[LAYER_ID_BYTES] = {};
        const uint8_t *bytes = id ? id : none;

        if (address == layer->address && (id != NULL) == layer->have_id &&
            memcmp(bytes, layer->id, LAYER_ID_BYTES) == 0)
                return;

        layer->address = address;
        layer->have_id = id != NULL;
        memcpy(layer->id, bytes, LAYER_ID_BYTES);
        layer_send_state(layer);
}

LayerState layer_state(const Layer *layer) {
        return layer->state;
}

const char *layer_state_reason(const Layer *layer) {
        return strempty(layer->reason);
}

bool layer_is_connected(const Layer *layer) {
        return layer->irm.fd >= 0;
}

Upper *layer_upper(Layer *layer) {
        return &layer->upper;
}
