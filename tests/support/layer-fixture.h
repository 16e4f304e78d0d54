/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A layer on an event loop whose implementation counts what it is told, between an IRM and applications that the test
 * plays. */

#include "services/common/layer.h"
#include "tests/support/fake-irm.h"

typedef struct LayerFixture {
        Daemon daemon;
        FakeIrm irm;
        LayerFlows flows;
        Layer *layer;
        LayerFlow flow, other;

        unsigned budget, n_asked;               /* of flow; the other's is unlimited */
        Channel *refill;                /* the application's end of flow: it never runs out of something to write */
        unsigned burst_max;             /* of either */
        unsigned n_before_other;        /* what flow had sent when the other one sent for the last time */
        unsigned n_transmitted_other;
        unsigned n_demoted;             /* of both, what was sent with best effort though it asked for better */
        unsigned n_transmitted, n_room;         /* packets; how many more are taken */
        uint8_t transmitted[256];               /* the first byte of each */
        unsigned n_registered, n_closed, n_lost, n_welcomed, n_established, n_lower;
        char lower[1024];                       /* the layer below that was last heard of, and why */
        LayerState lower_state;
        Capture *capture;                       /* that wants to see packets */
        LayerMessage last;
        bool late;                              /* prepare is answered by the test */
        LayerFlow at_established;               /* f->flow, as it was then */
} LayerFixture;

/* For cmocka: the state of a test is a LayerFixture, whose layer is connected. */
int layer_fixture_set_up(void **state);
int layer_fixture_tear_down(void **state);

#define WITH_LAYER(function) cmocka_unit_test_setup_teardown(function, layer_fixture_set_up, layer_fixture_tear_down)

/* Runs the layer until nothing happens any more for a moment. */
void layer_fixture_pump(LayerFixture *f);

/* A flow, established, with the application's end in *ret. The second: f->flow, as number 7. */
void layer_fixture_establish_flow(LayerFixture *f, LayerFlow *flow, uint64_t flow_id, Channel **ret);
void layer_fixture_establish(LayerFixture *f, Channel **ret);

/* n messages of one byte: first, first + 1, ... */
void app_write(Channel *channel, uint8_t first, unsigned n);

/* The same, of 1400 bytes each, which begin with it. */
void app_write_large(Channel *channel, uint8_t first, unsigned n);
