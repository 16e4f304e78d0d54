/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * D-Bus values as JSON: structs and arrays become arrays, dictionaries objects, variants what is in them.
 * 64-bit numbers under a key that names an identifier ("Id", "Address", ...) become strings: many readers of JSON
 * know only doubles.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

static inline void json_putp(json_object **object) {
        (void) json_object_put(*object);
        *object = NULL;
}

#define _cleanup_json_ __attribute__((cleanup(json_putp)))

/* The next complete value. Returns: 1; 0: there is none; a negative errno. The reference is the caller's. */
int bus_json_read(sd_bus_message *message, json_object **ret);

/* All values that are left, as an array. Returns: 0; a negative errno. */
int bus_json_read_all(sd_bus_message *message, json_object **ret);

/* A list of rows, sorted by their first column, so that what is printed does not depend on a hash table.
 * Returns: 0; a negative errno. */
int bus_json_read_rows(sd_bus_message *message, json_object **ret);

/* A column of a row; "" and 0 where there is none. */
const char *item_string(json_object *row, size_t i);
uint64_t item_u64(json_object *row, size_t i);

/* Members of an object, with a default where there is none. */
const char *member_string(json_object *object, const char *key);          /* "" */
uint64_t member_u64(json_object *object, const char *key);                /* 0 */
json_object *member_array(json_object *object, const char *key);          /* NULL; borrowed */

/* Of the counters of a layer, which has packets or, on an Ethernet, frames: "rx-bytes". */
uint64_t counter_u64(json_object *counters, const char *name);
