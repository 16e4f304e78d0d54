/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an application may ask and set of a flow. */

#include "libo7s/drop.h"
#include "libo7s/transfer.h"

/* The public list of reasons is the internal one. */
_Static_assert(O7S_DROP_TOO_LARGE == (int) DROP_TOO_LARGE, "drop reasons");
_Static_assert(O7S_DROP_FLOW_CLOSED == (int) DROP_FLOW_CLOSED, "drop reasons");
_Static_assert(O7S_DROP_HOSTILE == (int) DROP_HOSTILE, "drop reasons");
_Static_assert(O7S_DROP_TTL == (int) DROP_TTL, "drop reasons");
_Static_assert(O7S_DROP_REPLAYED == (int) DROP_REPLAYED, "drop reasons");
/* Programs that were built when .link_down was padding go on as they are. */
_Static_assert(sizeof(struct o7s_flow_info) == offsetof(struct o7s_flow_info, link_down) + sizeof(uint32_t),
               "size of o7s_flow_info");
_Static_assert(O7S_DROP_REASONS >= (int) _DROP_REASON_MAX, "drop reasons");

int o7s_flow_set_timeout(o7s_flow *flow, int which, uint64_t usec) {
        int r;

        r = flow_check(flow, 0);
        if (r == -ECHILD || !flow || (which != O7S_TIMEOUT_READ && which != O7S_TIMEOUT_WRITE))
                return process_fail(r == -ECHILD ? r : -EINVAL, "Setting a time-out", NULL, NULL, NULL, NULL);

        __atomic_store_n(which == O7S_TIMEOUT_READ ? &flow->reader.timeout_usec : &flow->writer.timeout_usec, usec,
                         __ATOMIC_RELAXED);
        return 0;
}

int o7s_flow_set_flags(o7s_flow *flow, uint64_t flags) {
        static const char what[] = "Setting the flags of the flow";

        if (!flow)
                return flow_fail(flow, -EINVAL, what);
        if (handle_is_foreign(&flow->handle))
                return flow_fail(flow, -ECHILD, what);
        if ((flags ^ flow_get(&flow->flags)) & ~FLOW_FLAGS_SETTABLE)
                return flow_fail(flow, -EINVAL, what);

        __atomic_store_n(&flow->flags, flags, __ATOMIC_RELAXED);
        return 0;
}

int o7s_flow_get_flags(o7s_flow *flow, uint64_t *ret) {
        if (!flow || !ret)
                return flow_fail(NULL, -EINVAL, "Getting the flags of the flow");
        if (handle_is_foreign(&flow->handle))
                return flow_fail(flow, -ECHILD, "Getting the flags of the flow");

        *ret = flow_get(&flow->flags);
        return 0;
}

int o7s_flow_info(o7s_flow *flow, struct o7s_flow_info *ret) {
        static const char what[] = "Looking at the flow";
        const IrmFlowInfo *info;

        if (!flow || !ret || ret->size != sizeof(*ret))
                return flow_fail(NULL, -EINVAL, what);
        if (handle_is_foreign(&flow->handle))
                return flow_fail(flow, -ECHILD, what);

        (void) pthread_mutex_lock(&flow->mutex);

        info = &flow->info;
        *ret = (struct o7s_flow_info) {
                .size = sizeof(*ret),
                .flow_id = flow->handle.flow_id,
                .peer_verified = info->verified,
                .is_local = info->local,
                .qos_asked = flow->qos_asked,
                .qos_granted = info->qos,
                .mtu = (uint32_t) flow_message_max(flow),
                .slots = lane_class_slots(flow->lane_class),
                .is_stream = (info->transfer & IRM_TRANSFER_STREAM) != 0,
                .link_down = flow_get_flag(&flow->link_down),
        };
        (void) copy_string(ret->name, sizeof(ret->name), info->name);
        (void) copy_string(ret->layer, sizeof(ret->layer), info->layer);
        (void) copy_string(ret->peer, sizeof(ret->peer), info->peer);
        (void) copy_string(ret->protection, sizeof(ret->protection),
                           isempty(info->protection) ? "none" : info->protection);
        (void) copy_string(ret->key_exchange, sizeof(ret->key_exchange), info->key_exchange);

        (void) pthread_mutex_unlock(&flow->mutex);
        return 0;
}

int o7s_flow_stats(o7s_flow *flow, struct o7s_flow_stats *ret) {
        static const char what[] = "Counting";

        if (!flow || !ret || ret->size != sizeof(*ret))
                return flow_fail(NULL, -EINVAL, what);
        if (handle_is_foreign(&flow->handle))
                return flow_fail(flow, -ECHILD, what);

        *ret = (struct o7s_flow_stats) {
                .size = sizeof(*ret),
                .tx_messages = flow_get(&flow->writer.n_messages),
                .tx_bytes = flow_get(&flow->writer.n_bytes),
                .rx_messages = flow_get(&flow->reader.n_messages),
                .rx_bytes = flow_get(&flow->reader.n_bytes),
                .read_waits = flow_get(&flow->reader.n_waits),
                .write_waits = flow_get(&flow->writer.n_waits),
        };
        ret->drops[O7S_DROP_TOO_LARGE] = flow_get(&flow->reader.n_cut);
        if (flow_ended(flow) == 1 + CLOSE_VIOLATION)
                ret->drops[O7S_DROP_HOSTILE] = 1;

        /* Under the mutex no channel goes. */
        (void) pthread_mutex_lock(&flow->mutex);
        if (flow->channel)
                channel_depths(flow->channel, &ret->tx_queued, &ret->rx_queued);
        if (flow->reader.channel != flow->channel) {
                uint32_t out, in;

                channel_depths(flow->reader.channel, &out, &in);
                ret->rx_queued += in;
        }
        (void) pthread_mutex_unlock(&flow->mutex);

        /* What became of the last bytes is asked after closing. */
        if ((flow_state(flow) == FLOW_UP || flow_state(flow) == FLOW_CLOSED) && flow->transfer)
                transfer_stats(flow, ret);
        return 0;
}

int o7s_flow_join(const char *layer, uint64_t timeout_usec, o7s_flow **ret) {
        (void) timeout_usec;
        (void) ret;

        if (!layer)
                return process_fail(-EINVAL, "Joining a layer", NULL, NULL, NULL, NULL);

        return process_fail(-EOPNOTSUPP, "Joining the layer", layer, layer, NULL,
                            "This version has no broadcast layers; use flows to names");
}
