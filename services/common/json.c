/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The only file that knows json-c. Failures stick to the object and travel to the object that takes it. */

#include <inttypes.h>
#include <stdio.h>

/* json-c gives its type the name of our constructor; in this file the type has another. */
#define json_object json_c_value
#include <json-c/json.h>
#undef json_object

#include "services/common/json.h"

struct Json {
        json_c_value *value;
        bool failed;            /* an allocation on the way here failed */
};

static Json *json_wrap(json_c_value *value) {
        Json *json;

        if (!value)
                return NULL;

        json = malloc(sizeof(*json));
        if (!json) {
                json_object_put(value);
                return NULL;
        }

        *json = (Json) { .value = value };
        return json;
}

Json *json_object(void) {
        return json_wrap(json_object_new_object());
}

Json *json_array(void) {
        return json_wrap(json_object_new_array());
}

Json *json_free(Json *json) {
        if (!json)
                return NULL;

        json_object_put(json->value);
        return mfree(json);
}

/* Takes the value. "present" tells a NULL that is meant (JSON null) from one that is a failed allocation. */
static void json_put(Json *object, const char *key, json_c_value *value, bool present) {
        if (!object || (present && !value)) {
                json_object_put(value);
                if (object)
                        object->failed = true;
                return;
        }

        if (json_object_object_add(object->value, key, value) < 0) {
                json_object_put(value);
                object->failed = true;
        }
}

void json_add_string(Json *object, const char *key, const char *value) {
        json_put(object, key, value ? json_object_new_string(value) : NULL, value);
}

void json_add_u64(Json *object, const char *key, uint64_t value) {
        json_put(object, key, json_object_new_uint64(value), true);
}

void json_add_id(Json *object, const char *key, uint64_t value) {
        char text[sizeof("18446744073709551615")];

        (void) snprintf(text, sizeof(text), "%" PRIu64, value);
        json_add_string(object, key, text);
}

void json_add_bool(Json *object, const char *key, bool value) {
        json_put(object, key, json_object_new_boolean(value), true);
}

/* The child's value, leaving the wrapper empty; a failed child gives NULL. */
static json_c_value *json_unwrap(Json *child) {
        json_c_value *value;

        if (!child || child->failed) {
                (void) json_free(child);
                return NULL;
        }

        value = TAKE_PTR(child->value);
        (void) json_free(child);
        return value;
}

void json_add(Json *object, const char *key, Json *child) {
        json_put(object, key, json_unwrap(child), true);
}

static void json_append_value(Json *array, json_c_value *value) {
        if (array && value && json_object_array_add(array->value, value) == 0)
                return;

        json_object_put(value);
        if (array)
                array->failed = true;
}

void json_append(Json *array, Json *child) {
        json_append_value(array, json_unwrap(child));
}

void json_append_string(Json *array, const char *value) {
        json_append_value(array, json_object_new_string(value));
}

int json_text(const Json *json, char **ret) {
        const char *text;
        char *copy;

        if (!json || json->failed)
                return -ENOMEM;

        text = json_object_to_json_string_ext(json->value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        copy = text ? strdup(text) : NULL;
        if (!copy)
                return -ENOMEM;

        *ret = copy;
        return 0;
}
