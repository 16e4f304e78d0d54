/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A layer's member that is a test, see member-double.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "basic/time.h"
#include "tests/unit/irm/member-double.h"

static LayerMessage message;            /* too large for the stack of a sanitized test */

void member_say_state(int layer, LayerState state, const char *text, uint64_t address) {
        message = (LayerMessage) {
                .type = LAYER_STATE,
                .state = state,
                .mtu = 1400,
                .address = address,
                .have_layer_id = address != 0,
                .layer_id = MEMBER_LAYER_ID,
        };
        (void) snprintf(message.text, sizeof(message.text), "%s", text);
        layer_say(layer, &message, NULL, 0);
}

void member_say_neighbour(int layer, uint64_t key, LayerNeighbourState state, const char *name, const char *text) {
        message = (LayerMessage) {
                .type = LAYER_NEIGHBOUR,
                .neighbour = {
                        .key = key,
                        .state = state,
                        .components = state == LAYER_NEIGHBOUR_UP ? LAYER_COMPONENTS_ALL : 0,
                        .address = state == LAYER_NEIGHBOUR_UP ? 1000 + key : 0,
                        .rtt_usec = state == LAYER_NEIGHBOUR_UP ? 1200 : 0,
                        .since_usec = 5,
                        .tx_bytes = 6,
                        .rx_bytes = 7,
                        .cost = 1,
                },
                .lower = "lan",
        };
        (void) snprintf(message.name, sizeof(message.name), "%s", name);
        (void) snprintf(message.text, sizeof(message.text), "%s", text);
        layer_say(layer, &message, NULL, 0);
}

void member_say_done(int layer, uint64_t id, int32_t result, const char *text) {
        message = (LayerMessage) { .type = LAYER_ORDER_DONE, .query_id = id, .result = result };
        (void) snprintf(message.text, sizeof(message.text), "%s", text);
        layer_say(layer, &message, NULL, 0);
}

static void get_text(BusFixture *f, const char *path, const char *interface, const char *property,
                     char text[MEMBER_TEXT_MAX]) {
        char *value = NULL;

        text[0] = '\0';
        if (sd_bus_get_property_string(f->bus, BUS_NAME_IRM, path, interface, property, NULL, &value) >= 0)
                (void) snprintf(text, MEMBER_TEXT_MAX, "%s", value);
        free(value);
}

void member_wait_for(BusFixture *f, const char *path, const char *interface, const char *property,
                     const char *expected) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);
        char text[MEMBER_TEXT_MAX] = "";

        while (!streq(text, expected) && time_now() < deadline)
                get_text(f, path, interface, property, text);
        assert_string_equal(text, expected);
}

int member_connect(BusFixture *f, LayerType type, LayerState state) {
        int layer = fixture_connect_layer(&f->irm);

        message = (LayerMessage) {
                .type = LAYER_HELLO,
                .version = LAYER_PROTOCOL_VERSION,
                .layer_type = type,
                .hash_algorithm = 1,
                .mtu = 1400,
                .oap_max = 1300,
                .layer = "home",
        };
        layer_say(layer, &message, NULL, 0);
        layer_hear(layer, LAYER_WELCOME, &message, NULL);
        member_say_state(layer, state, "playing a layer", state == LAYER_ONLINE ? 4711 : 0);
        member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", layer_state_to_string(state));
        return layer;
}

char *member_order(BusFixture *f, sd_bus_error *error, const char *member, const char *types, ...) {
        sd_bus_message *call = NULL, *reply = NULL;
        const char *path;
        char *copy = NULL;
        va_list list;

        assert_true(sd_bus_message_new_method_call(f->bus, &call, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER,
                                                   member) >= 0);
        va_start(list, types);
        assert_true(sd_bus_message_appendv(call, types, list) >= 0);
        va_end(list);

        if (sd_bus_call(f->bus, call, 0, error, &reply) >= 0) {
                assert_true(sd_bus_message_read(reply, "o", &path) > 0);
                copy = strdup(path);
        }
        sd_bus_message_unref(call);
        sd_bus_message_unref(reply);
        return copy;
}
