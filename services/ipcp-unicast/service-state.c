/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What outlives our process, should it be killed: that we are a member, by which address, and from which number on our
 * links go on, so that nobody takes old news for new ones. Neighbours are found again as they were the first time. What is
 * kept (layer-restore.h), big-endian:
 *
 *   address u64, sequence u64, then the layer's configuration: its numbers as u32 each in the order of LayerConfig, length
 *   of the name u8, the name
 *
 * The sequence is kept some way ahead of what was used, so that it need not be written for each link.
 */

#include "basic/cursor.h"
#include "basic/log.h"
#include "services/ipcp-unicast/flow.h"
#include "services/ipcp-unicast/lsa.h"
#include "services/ipcp-unicast/routing.h"
#include "services/ipcp-unicast/service.h"

#define STATE_BYTES_MAX 512U
#define SEQUENCE_AHEAD 4096U            /* how far ahead it is kept */
#define SEQUENCE_NEAR 2048U             /* kept anew once no more than this is left */

/* The numbers of the configuration, in their order. */
#define CONFIG_NUMBERS(X)                                                                                         \
        X(address_bytes) X(eid_bytes) X(ttl_max) X(address_policy) X(congestion) X(forwarding) X(recalculate_sec)   \
        X(update_sec) X(timeout_sec) X(alpha) X(k) X(expire_sec) X(refresh_sec) X(replicate_sec)

static void write_config(Writer *w, const LayerConfig *config) {
        size_t n = strlen(config->layer);

        writer_be32(w, (uint32_t) config->type);
        writer_be32(w, (uint32_t) config->hash);
#define WRITE(member) writer_be32(w, config->member);
        CONFIG_NUMBERS(WRITE)
#undef WRITE
        writer_u8(w, (uint8_t) n);
        writer_bytes(w, config->layer, n);
}

/* Returns: 0; -EBADMSG: not such bytes; what layer_config_check() says. */
static int parse_config(Cursor *c, LayerConfig *ret) {
        LayerConfig config = {};
        const char *problem;
        uint32_t type, hash;
        size_t n;
        int r;

        type = cursor_be32(c);
        hash = cursor_be32(c);
#define READ(member) config.member = cursor_be32(c);
        CONFIG_NUMBERS(READ)
#undef READ
        n = cursor_u8(c);
        cursor_copy(c, config.layer, n);
        if (c->bad || c->left > 0 || type != LAYER_UNICAST || hash >= _HASH_ALGORITHM_MAX ||
            !flow_name_is_valid_on_wire(config.layer) || strlen(config.layer) != n)
                return -EBADMSG;

        config.type = LAYER_UNICAST;
        config.hash = (HashAlgorithm) hash;
        r = layer_config_check(&config, &problem);
        if (r < 0)
                return r;

        *ret = config;
        return 0;
}

void service_keep_state(Service *s) {
        const Unicast *u = &s->unicast;
        uint8_t bytes[STATE_BYTES_MAX];
        Writer w = writer_to(bytes, sizeof(bytes));
        uint64_t used;

        if (!u->is_member)
                return;

        used = MAX(routing_sequence(u->routing), u->sequence);
        if (s->kept_sequence > 0 && used + SEQUENCE_NEAR < s->kept_sequence)
                return;

        s->kept_sequence = used + SEQUENCE_AHEAD;
        writer_be64(&w, u->address);
        writer_be64(&w, s->kept_sequence);
        write_config(&w, &u->layer);
        if (w.bad || layer_keep_block(s->layer, bytes, w.written) < 0)
                log_debug("What we are as a member cannot be kept.");
}

void service_forget_state(Service *s) {
        (void) layer_keep_block(s->layer, "", 0);
}

int service_restore(Service *s) {
        return layer_restore(s->layer);
}

/* -- what the common part calls -- */

void service_restore_block(void *userdata, const uint8_t *bytes, size_t size, usec_t now) {
        Service *s = userdata;
        Cursor c = cursor_from(bytes, size);
        uint64_t address, sequence;
        LayerConfig config;
        int r;

        address = cursor_be64(&c);
        sequence = cursor_be64(&c);
        r = parse_config(&c, &config);
        if (r >= 0 && (sequence > LSA_SEQUENCE_MAX || (config.address_bytes < 8 && address >> 8 * config.address_bytes != 0)))
                r = -EBADMSG;
        if (r >= 0)
                r = unicast_restore(&s->unicast, &config, address, sequence, now);
        if (r < 0)
                log_warning_errno(r, "Cannot be the member of before, joining anew: %m");
}

ssize_t service_save_flow(void *userdata, const LayerFlow *flow, uint8_t ret_bytes[LAYER_FLOW_BYTES_MAX]) {
        return (ssize_t) unicast_flow_save(container_of(flow, UnicastFlow, layer), ret_bytes);
}

int service_restore_flow(void *userdata, const LayerFlowRecord *record, usec_t now, LayerFlow **ret) {
        Service *s = userdata;
        UnicastFlow *flow;
        int r;

        r = unicast_flow_restore(&s->unicast, record, now, &flow);
        if (r < 0)
                return r;

        *ret = &flow->layer;
        return 0;
}
