/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The member of the layer "home", played by a test: what it says of itself and of its neighbours, and the orders that
 * an operator gives it over the bus (see bus-fixture.h).
 */

#include "libo7s/bus-names.h"
#include "services/common/layer-order.h"
#include "tests/unit/irm/bus-fixture.h"

#define MEMBER_PATH BUS_PATH_LAYER "/home"
#define MEMBER_TEXT_MAX 4096U
#define MEMBER_LAYER_ID { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xf5 }
#define MEMBER_LAYER_ID_TEXT "a00102030405060708090a0b0c0d0ef5"

/* It has connected, and the bus shows that state. address: 4711 where that is online. Returns: its connection. */
int member_connect(BusFixture *f, LayerType type, LayerState state);

/* address 0: it is no member, and knows no id of the layer. */
void member_say_state(int layer, LayerState state, const char *text, uint64_t address);

/* Over "lan"; its figures follow from key and state. */
void member_say_neighbour(int layer, uint64_t key, LayerNeighbourState state, const char *name, const char *text);

/* The order with this id is done. */
void member_say_done(int layer, uint64_t id, int32_t result, const char *text);

/* Orders it about: begins an operation. Returns: its path; NULL, with the error's name in error. */
char *member_order(BusFixture *f, sd_bus_error *error, const char *member, const char *types, ...);

/* Waits until a string property has this value; the test fails where it does not. */
void member_wait_for(BusFixture *f, const char *path, const char *interface, const char *property,
                     const char *expected);
