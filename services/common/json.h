/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Building JSON for Describe(). Failed allocations are remembered in the object that they belong to and come
 * out at json_text(), so that building is a straight list of statements. 64-bit identifiers go out as strings
 * (json_add_id), other numbers stay numbers.
 */

#include "basic/macro.h"

typedef struct Json Json;

Json *json_object(void);
Json *json_array(void);
Json *json_free(Json *json);
DEFINE_CLEANUP(Json, json_free);

void json_add_string(Json *object, const char *key, const char *value);         /* NULL becomes null */
void json_add_u64(Json *object, const char *key, uint64_t value);
void json_add_id(Json *object, const char *key, uint64_t value);
void json_add_bool(Json *object, const char *key, bool value);
void json_add(Json *object, const char *key, Json *child);                       /* takes the child */
void json_append(Json *array, Json *child);                                      /* takes the child */
void json_append_string(Json *array, const char *value);

/* Compact text. Returns: 0; -ENOMEM. */
int json_text(const Json *json, char **ret);
