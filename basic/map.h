/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hash map from bytes to a pointer: open addressing, hashed with SipHash under a key drawn per map, so
 * that nobody who chooses keys can make them collide. Keys are not copied: they live in the object that
 * the entry points at, unchanged, for as long as the entry exists. Values are not owned.
 */

#include "basic/macro.h"

typedef struct Map Map;

/* Returns: 0; -ENOMEM; an error of getrandom(). */
int map_new(Map **ret);

/* Asserts nothing about its content: forgets all entries. NULL is fine; returns NULL. */
Map *map_free(Map *map);
DEFINE_CLEANUP(Map, map_free);

/* Returns: 0; -EEXIST: there is an entry with this key, it stays as it is; -ENOMEM. */
int map_put(Map *map, const void *key, size_t key_size, void *value);

/* The value, or NULL where there is none. */
void *map_get(const Map *map, const void *key, size_t key_size);

/* Removes and returns the value, or NULL where there is none. */
void *map_remove(Map *map, const void *key, size_t key_size);

size_t map_size(const Map *map);

/* Walks in no order: *position starts at 0, NULL ends. The entry just returned may be removed, none may be added. */
void *map_next(const Map *map, size_t *position);

#define map_for_each(value, map, position) for (position = 0; ((value) = map_next((map), &(position)));)

static inline int map_put_string(Map *map, const char *key, void *value) {
        return map_put(map, key, strlen(key), value);
}

static inline void *map_get_string(const Map *map, const char *key) {
        return map_get(map, key, strlen(key));
}

static inline void *map_remove_string(Map *map, const char *key) {
        return map_remove(map, key, strlen(key));
}
