/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* D-Bus values as JSON. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/macro.h"
#include "o7sctl/bus-json.h"

#define DEPTH_MAX 32U           /* D-Bus itself allows 64; ours nest three or four deep */

static const char *const identifier_keys[] = { "Id",      "Address", "FlowId", "id",
                                               "address", "flow_id", "eid",    "peer_eid" };

static int read_value(sd_bus_message *m, const char *key, unsigned depth, json_object **ret);

static bool names_identifier(const char *key) {
        for (size_t i = 0; key && i < ELEMENTSOF(identifier_keys); i++)
                if (streq(identifier_keys[i], key))
                        return true;

        return false;
}

static json_object *unsigned_to_json(uint64_t value, const char *key) {
        char text[32];

        if (!names_identifier(key))
                return json_object_new_uint64(value);

        (void) snprintf(text, sizeof(text), "%" PRIu64, value);
        return json_object_new_string(text);
}

/* One basic value; the union is as wide as the widest of them. */
static int read_basic(sd_bus_message *m, char type, const char *key, json_object **ret) {
        union {
                uint8_t y;
                int b;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                const char *s;
        } v = {};
        json_object *value = NULL;
        int r;

        r = sd_bus_message_read_basic(m, type, &v);
        if (r < 0)
                return r;

        switch (type) {
        case SD_BUS_TYPE_BYTE:
                value = json_object_new_int(v.y);
                break;
        case SD_BUS_TYPE_BOOLEAN:
                value = json_object_new_boolean(v.b);
                break;
        case SD_BUS_TYPE_INT16:
                value = json_object_new_int(v.n);
                break;
        case SD_BUS_TYPE_UINT16:
                value = json_object_new_int(v.q);
                break;
        case SD_BUS_TYPE_INT32:
                value = json_object_new_int(v.i);
                break;
        case SD_BUS_TYPE_UINT32:
                value = json_object_new_int64(v.u);
                break;
        case SD_BUS_TYPE_INT64:
                value = json_object_new_int64(v.x);
                break;
        case SD_BUS_TYPE_UINT64:
                value = unsigned_to_json(v.t, key);
                break;
        case SD_BUS_TYPE_DOUBLE:
                value = json_object_new_double(v.d);
                break;
        case SD_BUS_TYPE_STRING:
        case SD_BUS_TYPE_OBJECT_PATH:
        case SD_BUS_TYPE_SIGNATURE:
                value = json_object_new_string(v.s);
                break;
        default:                /* descriptors have no place in JSON */
                return -EOPNOTSUPP;
        }

        if (!value)
                return -ENOMEM;

        *ret = value;
        return 0;
}

/* An entry of a dictionary, into the object. */
static int read_entry(sd_bus_message *m, const char *contents, unsigned depth, json_object *object) {
        _cleanup_json_ json_object *key = NULL, *value = NULL;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, contents);
        if (r < 0)
                return r;

        r = read_basic(m, contents[0], NULL, &key);
        if (r < 0)
                return r;

        r = read_value(m, json_object_get_string(key), depth, &value);
        if (r < 0)
                return r;

        if (json_object_object_add(object, json_object_get_string(key), value) < 0)
                return -ENOMEM;

        value = NULL;           /* the object has it */
        return sd_bus_message_exit_container(m);
}

/* Arrays, structs and variants. The container has been entered. */
static int read_elements(sd_bus_message *m, const char *key, unsigned depth, json_object *array) {
        while (sd_bus_message_at_end(m, false) == 0) {
                _cleanup_json_ json_object *value = NULL;
                int r;

                r = read_value(m, key, depth, &value);
                if (r < 0)
                        return r;

                if (json_object_array_add(array, value) < 0)
                        return -ENOMEM;

                value = NULL;   /* the array has it */
        }

        return 0;
}

static int read_container(sd_bus_message *m, char type, const char *contents, unsigned depth, json_object **ret) {
        bool dictionary = type == SD_BUS_TYPE_ARRAY && contents[0] == SD_BUS_TYPE_DICT_ENTRY_BEGIN;
        _cleanup_json_ json_object *result = NULL;
        _cleanup_free_ char *entry = NULL;      /* contents belongs to the message and moves with it */
        int r;

        if (dictionary) {
                entry = strndup(contents + 1, strlen(contents) - 2);
                if (!entry)
                        return -ENOMEM;
        }

        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;

        result = dictionary ? json_object_new_object() : json_object_new_array();
        if (!result)
                return -ENOMEM;

        if (dictionary)
                while (r >= 0 && sd_bus_message_at_end(m, false) == 0)
                        r = read_entry(m, entry, depth, result);
        else
                r = read_elements(m, NULL, depth, result);

        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(result);
        return 0;
}

static int read_variant(sd_bus_message *m, const char *contents, const char *key, unsigned depth,
                        json_object **ret) {
        _cleanup_json_ json_object *value = NULL;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, contents);
        if (r < 0)
                return r;

        r = read_value(m, key, depth, &value);
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(value);
        return 0;
}

static int read_value(sd_bus_message *m, const char *key, unsigned depth, json_object **ret) {
        const char *contents;
        char type;
        int r;

        if (depth >= DEPTH_MAX)
                return -ELOOP;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -ENODATA;

        switch (type) {
        case SD_BUS_TYPE_VARIANT:
                return read_variant(m, contents, key, depth + 1, ret);
        case SD_BUS_TYPE_ARRAY:
        case SD_BUS_TYPE_STRUCT:
                return read_container(m, type, contents, depth + 1, ret);
        default:
                return read_basic(m, type, key, ret);
        }
}

int bus_json_read(sd_bus_message *m, json_object **ret) {
        int r;

        r = read_value(m, NULL, 0, ret);
        return r == -ENODATA ? 0 : r < 0 ? r : 1;
}

int bus_json_read_all(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;

        /* A 64-bit number that is an argument of its own is the number of a flow. */
        r = read_elements(m, "id", 0, array);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(array);
        return 0;
}

static int compare_rows(const void *a, const void *b) {
        return strcmp(item_string(*(json_object *const *) a, 0), item_string(*(json_object *const *) b, 0));
}

int bus_json_read_rows(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *rows = NULL;
        int r;

        r = bus_json_read(m, &rows);
        if (r < 0)
                return r;
        if (r == 0 || json_object_get_type(rows) != json_type_array)
                return -EBADMSG;

        json_object_array_sort(rows, compare_rows);
        *ret = TAKE_PTR(rows);
        return 0;
}

const char *item_string(json_object *row, size_t i) {
        json_object *item =
                json_object_get_type(row) == json_type_array ? json_object_array_get_idx(row, i) : NULL;

        return item ? strempty(json_object_get_string(item)) : "";
}

uint64_t item_u64(json_object *row, size_t i) {
        json_object *item =
                json_object_get_type(row) == json_type_array ? json_object_array_get_idx(row, i) : NULL;

        return item ? json_object_get_uint64(item) : 0;
}

const char *member_string(json_object *object, const char *key) {
        json_object *value;

        if (!json_object_object_get_ex(object, key, &value) || json_object_get_type(value) == json_type_null)
                return "";

        return json_object_get_string(value) ?: "";
}

uint64_t member_u64(json_object *object, const char *key) {
        json_object *value;

        return json_object_object_get_ex(object, key, &value) ? json_object_get_uint64(value) : 0;
}

json_object *member_array(json_object *object, const char *key) {
        json_object *value;

        return json_object_object_get_ex(object, key, &value) && json_object_get_type(value) == json_type_array
                       ? value
                       : NULL;
}

uint64_t counter_u64(json_object *counters, const char *name) {
        static const char *const prefixes[] = { "packets-", "frames-" };
        char key[64];

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
                (void) snprintf(key, sizeof(key), "%s%s", prefixes[i], name);
                if (json_object_object_get_ex(counters, key, NULL))
                        return member_u64(counters, key);
        }

        return 0;
}
