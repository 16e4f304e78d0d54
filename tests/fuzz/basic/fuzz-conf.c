/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Configuration text, cut at each NUL into files, against a schema that uses every parser. Whatever the text
 * is, what comes out must hold together: places within their files, words without line breaks, messages fit
 * for a terminal.
 */

#include "basic/conf.h"
#include "basic/string.h"
#include "basic/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Object {
        char *string;
        ConfStrings strings;
        bool flag;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        usec_t usec;
        int number;
        ConfStrings repeated[8];
} Object;

static const char *const names[] = { "dix", NULL, "llc" };
static const ConfEnum names_enum = { names, ELEMENTSOF(names) };
static const ConfRange range = { 64, 65000 };

static const ConfSection sections[] = {
        { .name = "Layer" },
        { .name = "Peer", .repeats = true },
};

static const ConfKey keys[] = {
        { "Layer", "String",  conf_parse_string,  offsetof(Object, string)              },
        { "Layer", "Strings", conf_parse_strings, offsetof(Object, strings)             },
        { "Layer", "Flag",    conf_parse_bool,    offsetof(Object, flag)                },
        { "Layer", "U16",     conf_parse_u16,     offsetof(Object, u16), &range         },
        { "Layer", "U32",     conf_parse_u32,     offsetof(Object, u32)                 },
        { "Layer", "U64",     conf_parse_u64,     offsetof(Object, u64)                 },
        { "Layer", "Time",    conf_parse_usec,    offsetof(Object, usec), &range        },
        { "Layer", "Enum",    conf_parse_enum,    offsetof(Object, number), &names_enum },
        { "Peer",  "Name",    conf_parse_strings, 0                                     },
};

static const ConfSchema schema = { sections, ELEMENTSOF(sections), keys, ELEMENTSOF(keys) };

static void *instance(void *userdata, const char *section, unsigned number) {
        Object *object = userdata;

        return number < ELEMENTSOF(object->repeated) ? object->repeated + number : NULL;
}

static void require(bool condition) {
        if (!condition)
                abort();
}

static void check(const ConfFile *file) {
        const ConfAssignment *a;
        const ConfMessage *m;
        size_t n;

        a = conf_assignments(file, &n);
        require(n <= CONF_ASSIGNMENTS_MAX);
        for (size_t i = 0; i < n; i++) {
                require(a[i].key[0] != '\0' && !strchr(a[i].value, '\n'));
                require(utf8_is_valid(a[i].value, strlen(a[i].value)));
                require(a[i].key_place.line > 0 && a[i].key_place.column > 0 && a[i].value_place.path);
        }

        m = conf_messages(file, &n);
        require(n <= CONF_MESSAGES_MAX);
        for (size_t i = 0; i < n; i++)
                require(strlen(m[i].text) <= CONF_MESSAGE_BYTES_MAX && !strpbrk(m[i].text, "\n\x1b"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(conf_freep) ConfFile *file = NULL;
        Object object = { .u16 = 64 };
        int r;

        if (conf_new(&file) < 0)
                return 0;

        while (size > 0) {
                const uint8_t *stop = memchr(data, '\0', size);
                size_t n = stop ? (size_t) (stop - data) : size;

                if (conf_add_text(file, "fuzz.conf", (const char *) data, n) < 0)
                        break;
                n = MIN(n + 1, size);
                data += n;
                size -= n;
        }

        r = conf_apply(file, &schema, &object, instance);
        require(r == 0 || r == -EBADMSG || r == -ENOMEM);
        check(file);
        require(object.u16 >= range.min && object.u16 <= range.max);
        require(object.number >= 0 && object.number < (int) ELEMENTSOF(names));

        free(object.string);
        conf_strings_done(&object.strings);
        for (size_t i = 0; i < ELEMENTSOF(object.repeated); i++)
                conf_strings_done(object.repeated + i);
        return 0;
}
