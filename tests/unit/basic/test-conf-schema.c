/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Assignments against a schema: values into an object, hints, what is void, and sections that repeat. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/conf.h"
#include "basic/string.h"
#include "basic/time.h"

typedef struct Peer {
        char *address;
        ConfStrings names;
} Peer;

typedef struct Object {
        char *text;
        ConfStrings words;
        bool flag;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        usec_t time;
        int colour;
        Peer peers[4];
        unsigned n_peers;
} Object;

static int parse_silent(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        return -ERANGE;
}

static int parse_no_memory(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        return -ENOMEM;
}

static const char *const colours[] = { "red", NULL, "green", "blue" };
static const ConfEnum colour_names = { colours, ELEMENTSOF(colours) };
static const ConfRange u16_range = { 64, 65534 };
static const ConfRange time_range = { USEC_PER_SEC, 60 * USEC_PER_SEC };

static const ConfSection sections[] = {
        { .name = "Main" },
        { .name = "Other" },
        { .name = "Peer", .repeats = true },
};

static const ConfKey keys[] = {
        { "Main",  "Text",    conf_parse_string,  offsetof(Object, text)                   },
        { "Main",  "Words",   conf_parse_strings, offsetof(Object, words)                  },
        { "Main",  "Flag",    conf_parse_bool,    offsetof(Object, flag)                   },
        { "Main",  "U16",     conf_parse_u16,     offsetof(Object, u16),    &u16_range     },
        { "Main",  "U32",     conf_parse_u32,     offsetof(Object, u32)                    },
        { "Main",  "U64",     conf_parse_u64,     offsetof(Object, u64)                    },
        { "Main",  "Time",    conf_parse_usec,    offsetof(Object, time),   &time_range    },
        { "Main",  "Colour",  conf_parse_enum,    offsetof(Object, colour), &colour_names  },
        { "Main",  "Silent",  parse_silent,       0                                        },
        { "Main",  "Memory",  parse_no_memory,    0                                        },
        { "Main",  "Nothing", NULL,               0                                        },
        { "Other", "Thing",   NULL,               0                                        },
        { "Peer",  "Address", conf_parse_string,  offsetof(Peer, address)                  },
        { "Peer",  "Names",   conf_parse_strings, offsetof(Peer, names)                    },
};

static const ConfSchema schema = { sections, ELEMENTSOF(sections), keys, ELEMENTSOF(keys) };

static void object_done(Object *object) {
        free(object->text);
        conf_strings_done(&object->words);
        for (size_t i = 0; i < ELEMENTSOF(object->peers); i++) {
                free(object->peers[i].address);
                conf_strings_done(&object->peers[i].names);
        }
}

/* The first three instances are taken, "instance" says which; the number 3 is refused. */
static void *peer_instance(void *userdata, const char *section, unsigned number) {
        Object *object = userdata;

        assert_string_equal(section, "Peer");
        if (number >= 3)
                return NULL;

        object->n_peers++;
        return object->peers + number;
}

static int load(const char *text, Object *object, ConfFile **ret) {
        *object = (Object) { .u16 = 100, .u32 = 100, .u64 = 100, .time = 100, .colour = 100, .flag = true };
        assert_int_equal(conf_add_text(*ret, "f", text, strlen(text)), 0);
        return conf_apply(*ret, &schema, object, peer_instance);
}

static const struct {
        const char *line;
        const char *object;     /* text,words/words,flag,u16,u32,u64,time,colour */
        int r;
        const char *message;    /* column: words; the line is 2 */
} cases[] = {
        { "",                                "-,,1,100,100,100,100,100",              0, NULL },
        { "Text=some words",                 "some words,,1,100,100,100,100,100",     0, NULL },
        { "Text=a\nText=b",                  "b,,1,100,100,100,100,100",              0, NULL },
        { "Text=a\nText=",                   "-,,1,100,100,100,100,100",              0, NULL },
        { "Words=a b\t c",                   "-,a/b/c/,1,100,100,100,100,100",        0, NULL },
        { "Words=a\nWords=b",                "-,a/b/,1,100,100,100,100,100",          0, NULL },
        { "Words=a\nWords=\nWords=b",        "-,b/,1,100,100,100,100,100",            0, NULL },
        { "Words=a\nWords=",                 "-,,1,100,100,100,100,100",              0, NULL },
        { "Words='a b' \"c 'd'\" e",         "-,a b/c 'd'/e/,1,100,100,100,100,100",  0, NULL },
        { "Words=a \"\" b",                  "-,a//b/,1,100,100,100,100,100",         0, NULL },
        { "Words=don't",                     "-,don't/,1,100,100,100,100,100",        0, NULL },
        { "Words=a 'b",                      NULL, -EBADMSG, "7: Words=: a quote" },
        { "Words='a'b",                      NULL, -EBADMSG, "7: Words=: a quote" },
        { "Flag=no",                         "-,,0,100,100,100,100,100",              0, NULL },
        { "Flag=off\nFlag=",                 "-,,1,100,100,100,100,100",              0, NULL },
        { "Flag= maybe",                     NULL, -EBADMSG, "7: Flag=maybe is neither \"yes\" nor \"no\"" },
        { "U16=64",                          "-,,1,64,100,100,100,100",               0, NULL },
        { "U16=0xfffe",                      "-,,1,65534,100,100,100,100",            0, NULL },
        { "U16=63",                          NULL, -EBADMSG, "5: U16=63 is not within 64 and 65534" },
        { "U16=65535",                       NULL, -EBADMSG, "5: U16=65535 is not within 64 and 65534" },
        { "U16=many",                        NULL, -EBADMSG, "5: U16=many is not a number" },
        { "U16=-1",                          NULL, -EBADMSG, "5: U16=-1 is not a number" },
        { "U16=7\nU16=x\nU16=",              "-,,1,100,100,100,100,100",              0, NULL },
        { "U32=4294967295",                  "-,,1,100,4294967295,100,100,100",       0, NULL },
        { "U32=4294967296",                  NULL, -EBADMSG, "5: U32=4294967296 is not within 0 and 4294967295" },
        { "U32=4K",                          "-,,1,100,4096,100,100,100",             0, NULL },
        { "U32=4G",                          NULL, -EBADMSG, "5: U32=4G is not within 0 and 4294967295" },
        { "U64=512M",                        "-,,1,100,100,536870912,100,100",        0, NULL },
        { "U64=18446744073709551615",        "-,,1,100,100,18446744073709551615,100,100", 0, NULL },
        { "U64=18446744073709551616",        NULL, -EBADMSG, "5: U64=18446744073709551616 is not within" },
        { "U64=18014398509481984K",          NULL, -EBADMSG, "5: U64=18014398509481984K is not within" },
        { "U64=K",                           NULL, -EBADMSG, "5: U64=K is not a number" },
        { "U64=1KK",                         NULL, -EBADMSG, "5: U64=1KK is not a number" },
        { "Time=1.5s",                       "-,,1,100,100,100,1500000,100",          0, NULL },
        { "Time=2h",                         NULL, -EBADMSG, "6: Time=2h is not within 1s and 1min" },
        { "Time=soon",                       NULL, -EBADMSG, "6: Time=soon is no time span" },
        { "Colour=green",                    "-,,1,100,100,100,100,2",                0, NULL },
        { "Colour=Green",                    NULL, -EBADMSG,
          "8: Colour=Green is not known; it is one of \"red\", \"green\" or \"blue\"" },
        { "Colour=",                         "-,,1,100,100,100,100,100",              0, NULL },
        { "Silent=x",                        NULL, -EBADMSG, "8: Value \"x\" of Silent= is not valid" },
        { "Memory=x",                        NULL, -ENOMEM,  NULL },
        { "Nothing=x",                       "-,,1,100,100,100,100,100",              0, NULL },
        { "Wrods=x",                         "-,,1,100,100,100,100,100",              0,
          "1: Unknown key \"Wrods\" in section [Main], ignored; did you mean \"Words\"?" },
        { "text=x",                          "-,,1,100,100,100,100,100",              0,
          "1: Unknown key \"text\" in section [Main], ignored; did you mean \"Text\"?" },
        { "Elsewhere=x",                     "-,,1,100,100,100,100,100",              0,
          "1: Unknown key \"Elsewhere\" in section [Main], ignored" },
        { "Thing=x",                         "-,,1,100,100,100,100,100",              0,
          "1: Key \"Thing\" does not belong in section [Main] but in [Other], ignored" },
        { "X-Mine=x",                        "-,,1,100,100,100,100,100",              0, NULL },
        { "[Mian]\nText=x",                  NULL, -EBADMSG, "1: Unknown section [Mian], did you mean [Main]?" },
        { "[Strange]",                       NULL, -EBADMSG, "1: Unknown section [Strange]" },
        { "[X-Strange]\nText=x",             "-,,1,100,100,100,100,100",              0, NULL },
        { "[Other]\nThing=x\n[Main]\nText=y", "y,,1,100,100,100,100,100",             0, NULL },
};

static void check_object(const Object *o, const char *expected) {
        char text[256], words[128] = "";

        for (size_t i = 0; i < o->words.n; i++) {
                strcat(words, o->words.items[i]);
                strcat(words, "/");
        }
        (void) snprintf(text, sizeof(text), "%s,%s,%d,%" PRIu16 ",%" PRIu32 ",%" PRIu64 "," USEC_FMT ",%d",
                        o->text ? o->text : "-", words, o->flag, o->u16, o->u32, o->u64, o->time, o->colour);
        assert_string_equal(text, expected);
}

static void test_values(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(conf_freep) ConfFile *file = NULL;
                _cleanup_(object_done) Object object = {};
                char text[256], message[512];
                const ConfMessage *m;
                size_t n;

                print_message("%s\n", cases[i].line);
                (void) snprintf(text, sizeof(text), "[Main]\n%s\n", cases[i].line);
                assert_int_equal(conf_new(&file), 0);
                assert_int_equal(load(text, &object, &file), cases[i].r);
                if (cases[i].object)
                        check_object(&object, cases[i].object);
                else
                        check_object(&object, "-,,1,100,100,100,100,100");      /* untouched on failure */

                m = conf_messages(file, &n);
                if (!cases[i].message) {
                        assert_int_equal(n, 0);
                        continue;
                }
                assert_int_equal(n, 1);
                assert_int_equal(m[0].place.line, 2);
                assert_int_equal(m[0].severity, cases[i].r < 0 ? CONF_ERROR : CONF_WARNING);
                (void) snprintf(message, sizeof(message), "%u: %s", m[0].place.column, m[0].text);
                assert_true(startswith(message, cases[i].message));
        }
}

static void test_before_header(void **state) {
        _cleanup_(conf_freep) ConfFile *file = NULL;
        _cleanup_(object_done) Object object = {};
        size_t n;

        assert_int_equal(conf_new(&file), 0);
        assert_int_equal(load("Text=x\n[Main]\n", &object, &file), -EBADMSG);
        assert_null(object.text);
        assert_string_equal(conf_messages(file, &n)[0].text,
                            "Key \"Text\" stands before the first [Section]");
        assert_int_equal(n, 1);
}

/* The same key in a second file appends; an empty value there reaches back into the first. */
static void test_across_files(void **state) {
        _cleanup_(conf_freep) ConfFile *file = NULL;
        _cleanup_(object_done) Object object = {};

        assert_int_equal(conf_new(&file), 0);
        assert_int_equal(conf_add_text(file, "1", "[Main]\nWords=a\nU16=bad\n", 21), 0);
        assert_int_equal(conf_add_text(file, "2", "[Main]\nWords=b\nU16=\n", 20), 0);
        assert_int_equal(load("[Main]\nWords=c\n", &object, &file), 0);
        check_object(&object, "-,a/b/c/,1,100,100,100,100,100");
}

static void test_instances(void **state) {
        _cleanup_(conf_freep) ConfFile *file = NULL;
        _cleanup_(object_done) Object object = {};

        assert_int_equal(conf_new(&file), 0);
        assert_int_equal(load("[Peer]\nAddress=a\nNames=x y\n"
                              "[Peer]\nNames=p\nNames=\nNames=z\nAddress=b\n"
                              "[Main]\nText=t\n"
                              "[Peer]\nAddress=\nNames=\n"
                              "[Peer]\nAddress=refused\nNames=q\n",
                              &object, &file), 0);

        assert_int_equal(object.n_peers, 3);
        assert_string_equal(object.peers[0].address, "a");
        assert_int_equal(object.peers[0].names.n, 2);           /* not emptied by a later instance */
        assert_string_equal(object.peers[1].address, "b");
        assert_int_equal(object.peers[1].names.n, 1);
        assert_string_equal(object.peers[1].names.items[0], "z");
        assert_null(object.peers[2].address);
        assert_null(object.peers[3].address);
        assert_string_equal(object.text, "t");
}

static void test_strings(void **state) {
        ConfStrings strings = {};

        for (unsigned i = 0; i < 1000; i++) {
                char item[16];

                (void) snprintf(item, sizeof(item), "%u", i);
                assert_int_equal(conf_strings_add(&strings, item), 0);
        }
        assert_int_equal(strings.n, 1000);
        assert_string_equal(strings.items[999], "999");
        conf_strings_done(&strings);
        assert_int_equal(strings.n, 0);
        conf_strings_done(&strings);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_before_header),
                cmocka_unit_test(test_across_files),
                cmocka_unit_test(test_instances),
                cmocka_unit_test(test_strings),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
