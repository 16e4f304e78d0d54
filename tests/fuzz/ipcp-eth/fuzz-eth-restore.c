/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a killed process is said to have left: the input is the records of its flows, with good checksums, as if a bug
 * had written them. What must hold: only flows in range come back, each endpoint id once, and the layer lives on with
 * them: it sends, ends them when their time is over, and closes them.
 *
 *   records, one after the other; what is short is filled up with zeros
 */

#include <fcntl.h>
#include <stdlib.h>

#include "services/ipcp-eth/flow.h"
#include "tests/support/eth-wire.h"

#define RECORDS_MAX 16U
#define HEADER_VERSION 8        /* of the store */
#define HEADER_KINDS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

/* The store as somebody sees it who may put anything into it. */
static StateStore *open_raw(const StateStore *store, StateStoreFormat *ret) {
        int fd = fcntl(state_store_fd(store), F_DUPFD_CLOEXEC, 3);
        StateStore *raw;

        *ret = (StateStoreFormat) { .name = "raw", .n_kinds = _LAYER_KEPT_MAX };
        require(fd >= 0);
        require(pread(fd, &ret->version, sizeof(ret->version), HEADER_VERSION) == sizeof(ret->version));
        require(pread(fd, ret->kinds, sizeof(ret->kinds), HEADER_KINDS) == sizeof(ret->kinds));
        require(state_store_open(ret, fd, &raw) == 0);
        return raw;
}

static StateStore *make_store(const uint8_t *data, size_t size) {
        StateStore *store, *raw, *next;
        StateStoreFormat format;
        uint8_t record[1024];
        size_t record_size;

        require(layer_store_new(&store) == 0);
        raw = open_raw(store, &format);
        record_size = format.kinds[LAYER_KEPT_FLOW].record_bytes;
        require(record_size <= sizeof(record));

        for (unsigned i = 0; i < RECORDS_MAX && size > 0; i++) {
                size_t n = MIN(size, record_size);

                memset(record, 0, sizeof(record));
                memcpy(record, data, n);
                require(state_store_put(raw, LAYER_KEPT_FLOW, record) == i);
                data += n;
                size -= n;
        }

        require(layer_store_from_fd(fcntl(state_store_fd(store), F_DUPFD_CLOEXEC, 3), &next) == 0);
        state_store_free(raw);
        state_store_free(store);
        return next;
}

static unsigned restore(Ethernet *e, StateStore *store, usec_t now) {
        uint32_t position = 0, slot;
        LayerFlowRecord record;
        unsigned n = 0;

        while (layer_store_next_flow(store, &position, &record, &slot) > 0) {
                EthernetFlow *flow;

                require(record.key.flow_id != 0 && record.key.attempt < LAYER_ATTEMPTS_MAX);
                require(record.lane_class < _LANE_CLASS_MAX && record.size <= LAYER_FLOW_BYTES_MAX);

                if (ethernet_flow_restore(e, &record, now, &flow) < 0) {
                        state_store_remove(store, LAYER_KEPT_FLOW, slot);
                        continue;
                }
                layer_flow_restore(&flow->layer, &record, store, slot);
                require(shim_endpoints_get(e->endpoints, flow->endpoint) == flow);
                n++;
        }

        return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        StateStore *store = make_store(data, size);
        uint32_t position = 0, slot;
        LayerFlowRecord record;
        Wire *w;
        unsigned n;

        w = malloc(sizeof(*w));
        require(w != NULL);
        wire_init(w, size % 2 == 0 ? FRAMING_DIX : FRAMING_LLC, 2);

        n = restore(&w->stations[0].ethernet, store, w->now);
        wire_run(w, 130 * USEC_PER_SEC);                /* the usual time-out, and some */
        require(w->stations[0].n_downs <= n);
        ethernet_close_all(&w->stations[0].ethernet, w->now);
        wire_run(w, USEC_PER_SEC);

        /* What was closed is not there for a process after us. */
        require(layer_store_next_flow(store, &position, &record, &slot) == 0);

        wire_done(w);
        state_store_free(store);
        free(w);
        return 0;
}
